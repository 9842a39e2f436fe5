#!/usr/bin/env node
/**
 * `npm run bench -- language-id [--model models/language-id] [--data ~/.plumbline/data/language-id] [--json]`: which
 * language people speak, told by what has learnt from synthetic voices alone. Beside it a text-book baseline on the
 * same data: the class whose mean spectrum is nearest, in standard deviations of each band. Needs the data that
 * `plumbline data prepare language-id` makes.
 */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const dist = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href)
const { LanguageIdentifier } = await dist('models/language-id/identifier.js')
const { readLanguageClips } = await dist('models/language-id/prepare.js')
const { LANGUAGES } = await dist('models/language-id/definition.js')
const { MELS, toLogEnergies } = await dist('models/asr-small/features.js')

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'language-id'),
  options: {
    model: { type: 'string', default: fileURLToPath(new URL('../../models/language-id', import.meta.url)) },
    data: { type: 'string', default: join(homedir(), '.plumbline', 'data', 'language-id') },
    json: { type: 'boolean', default: false },
  },
})

const clips = await readLanguageClips(values.data)
const model = await LanguageIdentifier.open(values.model)

/** Mean log energies of a clip's bands, less its loudness. */
function spectrum({ features }) {
  const energies = toLogEnergies(features)
  const mean = new Float64Array(MELS)
  energies.forEach((value, i) => {
    mean[i % MELS] += value / features.frames
  })
  const level = mean.reduce((sum, value) => sum + value, 0) / MELS
  return mean.map((value) => value - level)
}

const trained = clips.filter(({ split }) => split === 'train').map((clip) => [clip, spectrum(clip)])
const average = (rows) =>
  Float64Array.from({ length: MELS }, (_, m) => rows.reduce((sum, row) => sum + row[m], 0) / rows.length)
const overall = average(trained.map(([, row]) => row))
const deviation = overall.map((mean, m) =>
  Math.sqrt(trained.reduce((sum, [, row]) => sum + (row[m] - mean) ** 2, 0) / trained.length),
)
const centres = LANGUAGES.map((language) =>
  average(trained.filter(([clip]) => clip.language === language).map(([, row]) => row)),
)
function nearest(clip) {
  const row = spectrum(clip)
  const distances = centres.map((centre) =>
    centre.reduce((sum, value, m) => sum + ((row[m] - value) / deviation[m]) ** 2, 0),
  )
  return LANGUAGES[distances.indexOf(Math.min(...distances))]
}

const people = clips.filter(({ split }) => split === 'test')
const told = []
const before = process.cpuUsage()
for (const clip of people) {
  const [first] = await model.ofFeatures(clip.features)
  told.push({ clip, network: first.language, baseline: nearest(clip) })
}
const { user, system } = process.cpuUsage(before)
await model.close()

const percent = (list, by) =>
  (100 * list.filter((each) => each[by] === each.clip.language).length) / Math.max(1, list.length)
const sources = [...new Set(people.map(({ source }) => source))].sort()
const result = {
  model: values.model,
  clips: people.length,
  chance: 100 / LANGUAGES.length,
  accuracy: percent(told, 'network'),
  baseline: percent(told, 'baseline'),
  bySource: sources.map((source) => {
    const some = told.filter(({ clip }) => clip.source === source)
    const spoken = LANGUAGES.filter((language) => some.some(({ clip }) => clip.language === language))
    return {
      source,
      clips: some.length,
      accuracy: percent(some, 'network'),
      baseline: percent(some, 'baseline'),
      confusion: spoken.map((language) => {
        const own = some.filter(({ clip }) => clip.language === language)
        const heard = LANGUAGES.map((other) => own.filter(({ network }) => network === other).length)
        return { language, heard, recall: percent(own, 'network') }
      }),
    }
  }),
  realTimeFactor:
    (user + system) / 1e6 / people.reduce((sum, { features }) => sum + features.frames / 100, 0),
}
if (values.json) console.log(JSON.stringify(result, null, 2))
else {
  const figure = (value) => `${value.toFixed(1).padStart(5)} %`
  console.log(`people who speak     ${result.clips} recordings, none of their voices trained on`)
  console.log(`right                ${figure(result.accuracy)}`)
  console.log(`nearest mean spectrum${figure(result.baseline)}`)
  console.log(`chance               ${figure(result.chance)}`)
  for (const { source, clips: count, accuracy, baseline, confusion } of result.bySource) {
    console.log(`\n${source}: ${count} recordings, ${figure(accuracy)} right (baseline ${figure(baseline)})`)
    console.log(`  spoken \\ heard ${LANGUAGES.map((language) => language.padStart(4)).join('')}   right`)
    for (const { language, heard, recall } of confusion)
      console.log(
        `  ${language.padEnd(15)}${heard.map((count) => String(count).padStart(4)).join('')} ${figure(recall)}`,
      )
  }
}
