#!/usr/bin/env node
/**
 * `npm run bench -- asr-small [--model models/asr-small] [--data ~/.plumbline/data/asr-small] [--json]
 * [--write-card]`: the English recogniser on what it never trained on. Needs the data that `plumbline data prepare
 * asr-small` makes; where pocketsphinx is installed, its default model hears the same recordings.
 *
 * The weights of the language model are chosen on the development recordings, the rejection threshold on those and
 * the held-out synthetic voice, neither on the test recordings. --write-card writes what was chosen into the model's
 * config.json, the figures into its README.md, and the split into split.txt.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { writeAsrSmallCard } from './cards/asr-small.mjs'

const dist = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href)
const { AsrSmall, spell } = await dist('models/asr-small/recogniser.js')
const { readClips, readSound } = await dist('models/asr-small/data/prepare.js')
const { readPrompts, isSpoken } = await dist('models/asr-small/data/prompts.js')
const { Grammar } = await dist('models/asr-small/grammar.js')
const { compareTexts, percent } = await dist('models/asr-small/distance.js')
const { normaliseText } = await dist('models/asr-small/text.js')
const { dictationOptions, readDictation } = await dist('models/asr-small/dictation.js')
const { beamSearch } = await dist('models/ctc/index.js')
const { writeWav } = await dist('ml/audio/wav-write.js')

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'asr-small'),
  options: {
    model: { type: 'string', default: fileURLToPath(new URL('../../models/asr-small', import.meta.url)) },
    data: { type: 'string', default: join(homedir(), '.plumbline', 'data', 'asr-small') },
    json: { type: 'boolean', default: false },
    'write-card': { type: 'boolean', default: false },
  },
})

const model = await AsrSmall.open(values.model)
const clips = await readClips(values.data, ({ split }) => split !== 'train')
const dictation = await readDictation(values.model)
const say = (text) => process.stderr.write(`${text}\n`)

/** Each clip heard once; recordings from their files, with the time it takes. */
const heard = new Map()
let heardSeconds = 0
let workSeconds = 0
for (const clip of clips) {
  if (clip.path === undefined) {
    heard.set(clip, (await model.ofFeatures(clip.features))[0])
    continue
  }
  const { samples, sampleRate } = await readSound(clip.path)
  if (clip.split === 'test') await model.ofFeatures(clip.features)
  const before = process.cpuUsage()
  const [piece] = await model.logProbabilities(samples, sampleRate)
  const { user, system } = process.cpuUsage(before)
  workSeconds += (user + system) / 1e6
  heardSeconds += samples.length / sampleRate
  heard.set(clip, piece)
}
const of = (split) => clips.filter((clip) => clip.split === split)

const greedy = (some) => some.map((clip) => compareTexts(clip.text, spell(heard.get(clip))))
const dictated = (some, weights) =>
  some.map((clip) => {
    const [best] = beamSearch(heard.get(clip), dictation.alphabet, dictationOptions(dictation, weights))
    return compareTexts(clip.text, best?.text ?? '')
  })
const rates = (list) => ({
  wer: percent(list.map(({ words }) => words)),
  cer: percent(list.map(({ characters }) => characters)),
})

// The language model's weights, on development recordings.
let chosen = { weights: model.config.dictation, wer: Number.POSITIVE_INFINITY }
for (const alpha of [0.3, 0.5, 0.7, 1])
  for (const beta of [0.5, 1.5, 2.5]) {
    const { wer } = rates(dictated(of('dev'), { alpha, beta }))
    if (wer < chosen.wer) chosen = { weights: { alpha, beta }, wer }
  }
const { weights } = chosen
say(
  `language model: alpha ${weights.alpha}, beta ${weights.beta} (development WER ${chosen.wer.toFixed(1)} %)`,
)

const sets = {}
for (const split of ['test', 'voice', 'librivox'])
  sets[split] = {
    clips: of(split).length,
    greedy: rates(greedy(of(split))),
    dictation: rates(dictated(of(split), weights)),
  }

// The closed grammar: every prompt of the exchange.
const prompts = (await readPrompts('en')).filter(isSpoken).map(({ text }) => normaliseText(text))
const grammar = new Grammar(prompts)
say(`grammar of ${grammar.sentences.length} prompts`)
const inside = (some) =>
  some.map((clip) => {
    const match = grammar.match(heard.get(clip))
    return {
      isRight: match?.sentence === clip.text,
      confidence: match?.confidence ?? 0,
    }
  })
const outside = (some, withoutOwn) =>
  some.map((clip) => grammar.match(heard.get(clip), withoutOwn ? clip.text : undefined)?.confidence ?? 0)

// Recordings that were dropped are neither trained nor tested on: real speech to choose a threshold by.
const tuning = [...of('dev'), ...of('dropped'), ...of('voice')].filter(({ text }) =>
  grammar.sentences.includes(text),
)
const tuneIn = inside(tuning)
const tuneOut = [...outside(tuning, true), ...outside(of('outside'), false)]
const share = (list, holds) => (100 * list.filter(holds).length) / Math.max(1, list.length)
const tuningPoint = (at) => ({
  threshold: at,
  insideRejected: share(tuneIn, ({ confidence }) => confidence < at),
  outsideAccepted: share(tuneOut, (confidence) => confidence >= at),
})
/** Least sum of both errors on the tuning clips; of equals the lowest. */
const tuningPoints = Array.from({ length: 99 }, (_, i) => tuningPoint((i + 1) / 100))
const errorsAt = ({ insideRejected, outsideAccepted }) => insideRejected + outsideAccepted
const best = tuningPoints.reduce((least, point) => (errorsAt(point) < errorsAt(least) ? point : least))
const { threshold } = best
const THRESHOLDS = [
  0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.4, 0.3, 0.25, 0.2, 0.17, 0.15, 0.12, 0.1, 0.07,
  0.05,
]
const testIn = inside(of('test'))
const testOut = outside(of('test'), true)
const strangers = [...outside(of('outside'), false), ...outside(of('librivox'), false)]
const operatingPoint = (at) => ({
  threshold: at,
  acceptedAndRight: share(testIn, ({ isRight, confidence }) => isRight && confidence >= at),
  acceptedAndWrong: share(testIn, ({ isRight, confidence }) => !isRight && confidence >= at),
  rejected: share(testIn, ({ confidence }) => confidence < at),
  outsideRejected: share(testOut, (confidence) => confidence < at),
  strangersRejected: share(strangers, (confidence) => confidence < at),
})
const closed = {
  sentences: grammar.sentences.length,
  clips: testIn.length,
  right: testIn.filter(({ isRight }) => isRight).length,
  rightPercent: share(testIn, ({ isRight }) => isRight),
  operating: operatingPoint(threshold),
  curve: THRESHOLDS.map(operatingPoint),
  tuning: {
    inside: tuneIn.length,
    outside: tuneOut.length,
    strangers: of('outside').length,
    chosen: best,
    curve: THRESHOLDS.filter((at) => at <= 0.5).map(tuningPoint),
  },
}

/** The same recordings through pocketsphinx's default model. */
async function sphinx(some) {
  if (!existsSync('/usr/bin/pocketsphinx_batch')) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'plumbline-bench-'))
  try {
    for (const [i, clip] of some.entries()) {
      const { samples, sampleRate } = await readSound(clip.path)
      await writeFile(join(folder, `${i}.wav`), writeWav({ sampleRate, channels: [samples] }))
    }
    await writeFile(join(folder, 'list'), some.map((_, i) => `${i}\n`).join(''))
    await promisify(execFile)(
      'pocketsphinx_batch',
      [
        '-adcin',
        'yes',
        '-cepdir',
        folder,
        '-cepext',
        '.wav',
        '-ctl',
        join(folder, 'list'),
        '-hyp',
        join(folder, 'hyp'),
        '-logfn',
        '/dev/null',
      ],
      { maxBuffer: 1 << 26 },
    )
    const lines = (await readFile(join(folder, 'hyp'), 'utf8')).split('\n')
    return rates(
      some.map((clip, i) =>
        compareTexts(clip.text, normaliseText((lines[i] ?? '').replace(/\(\S+ -?\d+\)$/, ''))),
      ),
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
say('pocketsphinx')
const beside = { test: await sphinx(of('test')), librivox: await sphinx(of('librivox')) }
await model.close()

const result = {
  model: values.model,
  realTimeFactor: workSeconds / heardSeconds,
  languageModel: weights,
  sets,
  grammar: closed,
  pocketsphinx: beside,
}
if (values['write-card']) await writeAsrSmallCard(values.model, result, clips)
if (values.json) console.log(JSON.stringify(result, null, 2))
else {
  const figure = (value) => value.toFixed(1).padStart(6)
  console.log('                     clips | greedy WER    CER | n-gram WER    CER | pocketsphinx WER    CER')
  for (const [name, { clips: count, greedy: g, dictation: d }] of Object.entries(sets)) {
    const other = beside[name]
    console.log(
      `${name.padEnd(20)} ${String(count).padStart(5)} |     ${figure(g.wer)} ${figure(g.cer)} |     ${figure(d.wer)} ${figure(d.cer)} |` +
        (other === undefined ? '           -' : `           ${figure(other.wer)} ${figure(other.cer)}`),
    )
  }
  console.log(
    `real-time factor     ${result.realTimeFactor.toFixed(4)} (processor time over sound, one thread)`,
  )
  console.log(
    `closed grammar       ${closed.right} of ${closed.clips} right among ${closed.sentences} sentences`,
  )
  console.log(
    'threshold  right  wrong  rejected  | own sentence taken away: rejected | other speech: rejected',
  )
  for (const point of [closed.operating, ...closed.curve])
    console.log(
      `${point.threshold.toFixed(2).padStart(9)} ${figure(point.acceptedAndRight)} ${figure(point.acceptedAndWrong)} ${figure(point.rejected).padStart(9)}  | ${figure(point.outsideRejected).padStart(20)} | ${figure(point.strangersRejected)}${point === closed.operating ? '   <- operating point' : ''}`,
    )
  console.log('what the threshold was chosen by')
  for (const { threshold: at, insideRejected, outsideAccepted } of closed.tuning.curve)
    console.log(
      `${at.toFixed(2).padStart(9)} of the grammar: rejected ${figure(insideRejected)} | not of it: accepted ${figure(outsideAccepted)}`,
    )
}
