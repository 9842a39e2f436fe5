#!/usr/bin/env node
/**
 * `npm run bench -- language-id [--model models/language-id] [--data ~/.plumbline/data/language-id] [--json]
 * [--write-card]`: which language people speak, none of whom, and none of whose recordings' sources, was learnt from.
 * Beside it a text-book baseline on the same data: the language whose mean spectrum is nearest, in standard
 * deviations of each band. Needs the data that `plumbline data prepare language-id` makes.
 */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { writeLanguageIdCard } from './cards/language-id.mjs'

const dist = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href)
const { LanguageIdentifier } = await dist('models/language-id/identifier.js')
const { readLanguageClips } = await dist('models/language-id/data/prepare.js')
const { chooseTuning } = await dist('models/language-id/tuning.js')
const { writeLanguageIdConfig } = await dist('models/recipes/package-model.js')
const { joinClips } = await dist('models/language-id/utterances.js')
const { LANGUAGES } = await dist('models/language-id/languages.js')
const { MELS, toLogEnergies } = await dist('models/asr-small/features.js')

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'language-id'),
  options: {
    model: { type: 'string', default: fileURLToPath(new URL('../../models/language-id', import.meta.url)) },
    data: { type: 'string', default: join(homedir(), '.plumbline', 'data', 'language-id') },
    json: { type: 'boolean', default: false },
    'write-card': { type: 'boolean', default: false },
  },
})
/** Least seconds of an utterance; the first is what the figures by language are of. */
const DURATIONS = [3, 6, 10]

const clips = await readLanguageClips(values.data)
if (values['write-card']) await tune()
const model = await LanguageIdentifier.open(values.model)
const nearest = meanSpectra(
  clips.filter(({ split, language }) => split === 'train' && LANGUAGES.includes(language)),
)

const sets = {}
let cpu = 0
let seconds = 0
for (const split of ['dev', 'test'])
  for (const duration of DURATIONS) {
    const utterances = joinClips(
      clips.filter((clip) => clip.split === split),
      duration,
    )
    const told = []
    for (const { features, ...about } of utterances) {
      const before = process.cpuUsage()
      const { labels } = await model.ofFeatures(features)
      const { user, system } = process.cpuUsage(before)
      cpu += (user + system) / 1e6
      seconds += features.frames / 100
      const [first] = labels
      told.push({
        ...about,
        // Of a sound in which no phone is heard nothing is said.
        heard: first?.language,
        confidence: first?.probability ?? 0,
        baseline: nearest(features),
      })
    }
    sets[split] ??= {}
    sets[split][duration] = summary(told)
  }
await model.close()
const { threshold } = JSON.parse(await readFile(join(values.model, 'config.json'), 'utf8'))
const result = {
  model: values.model,
  chance: 100 / LANGUAGES.length,
  threshold,
  sets,
  realTimeFactor: cpu / seconds,
}
if (values['write-card']) await writeLanguageIdCard(values.model, result)
if (values.json) console.log(JSON.stringify(result, null, 2))
else print(result)

/** Chooses offsets, scale and threshold on the development recordings, into config.json. */
async function tune() {
  const untuned = await LanguageIdentifier.open(values.model)
  const tuning = await chooseTuning(
    clips.filter(({ split }) => split === 'dev'),
    untuned,
  )
  await untuned.close()
  const { architectures: _, ...config } = JSON.parse(
    await readFile(join(values.model, 'config.json'), 'utf8'),
  )
  await writeLanguageIdConfig(values.model, { ...config, ...tuning })
}

/** What is right, each source counting alike; then each source by itself, and what is right above a confidence. */
function summary(told) {
  const sources = [...new Set(told.map(({ source, language }) => `${source} ${language}`))].map((name) => {
    const some = told.filter(({ source, language }) => `${source} ${language}` === name)
    const [{ source, language }] = some
    return {
      source,
      language,
      utterances: some.length,
      right: percent(some, ({ heard }) => heard === language),
      baseline: percent(some, (each) => each.baseline === language),
      heard: LANGUAGES.map((other) => some.filter(({ heard }) => heard === other).length),
    }
  })
  const mean = (list, by) => list.reduce((sum, each) => sum + each[by], 0) / list.length
  return {
    utterances: told.length,
    meanOfSources: mean(sources, 'right'),
    balanced: balanced(told, ({ heard }) => heard),
    baselineBalanced: balanced(told, ({ baseline }) => baseline),
    sources,
    thresholds: [0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95].map((threshold) => {
      const sure = told.filter(({ heard, confidence }) => heard !== undefined && confidence >= threshold)
      return {
        threshold,
        told: (100 * sure.length) / told.length,
        right: percent(sure, ({ heard, language }) => heard === language),
      }
    }),
  }
}

/** Mean over the languages of what is right of each; of some there is too little for the longest utterances. */
function balanced(told, answer) {
  const shares = LANGUAGES.map((language) => told.filter((each) => each.language === language))
    .filter((own) => own.length > 0)
    .map((own) => percent(own, (each) => answer(each) === each.language))
  return shares.reduce((sum, share) => sum + share, 0) / shares.length
}

function percent(list, holds) {
  return list.length === 0 ? 0 : (100 * list.filter(holds).length) / list.length
}

/** The baseline: mean log energies of the bands, less the loudness. */
function meanSpectra(trained) {
  const spectrum = (features) => {
    const mean = new Float64Array(MELS)
    toLogEnergies(features).forEach((value, i) => {
      mean[i % MELS] += value / features.frames
    })
    const level = mean.reduce((sum, value) => sum + value, 0) / MELS
    return mean.map((value) => value - level)
  }
  const rows = trained.map((clip) => [clip.language, spectrum(clip.features)])
  const average = (list) =>
    Float64Array.from({ length: MELS }, (_, m) => list.reduce((sum, row) => sum + row[m], 0) / list.length)
  const overall = average(rows.map(([, row]) => row))
  const deviation = overall.map((mean, m) =>
    Math.sqrt(rows.reduce((sum, [, row]) => sum + (row[m] - mean) ** 2, 0) / rows.length),
  )
  const centres = LANGUAGES.map((language) =>
    average(rows.filter(([own]) => own === language).map(([, row]) => row)),
  )
  return (features) => {
    const row = spectrum(features)
    const distances = centres.map((centre) =>
      centre.reduce((sum, value, m) => sum + ((row[m] - value) / deviation[m]) ** 2, 0),
    )
    return LANGUAGES[distances.indexOf(Math.min(...distances))]
  }
}

function print({ chance, sets: { dev, test }, realTimeFactor }) {
  const figure = (value) => `${value.toFixed(1).padStart(5)} %`
  for (const [name, set] of [
    ['test: sources that nothing was learnt from', test],
    ['dev: sources that were chosen by', dev],
  ]) {
    console.log(name)
    for (const duration of DURATIONS) {
      const { utterances, meanOfSources, balanced, baselineBalanced } = set[duration]
      console.log(
        `  >= ${String(duration).padStart(2)} s  ${String(utterances).padStart(4)} utterances, right ${figure(balanced)} (mean of languages), ${figure(meanOfSources)} (of sources); nearest mean spectrum ${figure(baselineBalanced)}, chance ${figure(chance)}`,
      )
    }
    console.log(
      `  ${'source, >= 3 s'.padEnd(32)} spoken \\ heard ${LANGUAGES.map((each) => each.padStart(4)).join('')}   right`,
    )
    for (const { source, language, heard, right } of set[DURATIONS[0]].sources)
      console.log(
        `  ${source.padEnd(32)} ${language.padEnd(14)} ${heard.map((count) => String(count).padStart(4)).join('')} ${figure(right)}`,
      )
    for (const { threshold, told, right } of set[DURATIONS[0]].thresholds)
      console.log(
        `  confidence >= ${threshold.toFixed(2)}: ${figure(told)} are told, ${figure(right)} of them right`,
      )
    console.log()
  }
  console.log(`processor time over sound: ${realTimeFactor.toFixed(4)}, one thread`)
}
