#!/usr/bin/env node
/**
 * `npm run bench -- two-runtimes [--jobs 60] [--sounds folder] [--seed 1] [--json]`: whether a job that is run again on the
 * other runtime (native, WebAssembly) comes out the same, with the weights as they are and on eight bits. The recogniser
 * that comes with the package hears recordings that are hard to hear, those of `bench -- audits`; what is counted are
 * texts that differ. On eight bits inputs are rounded anew in each layer, and a sum that differs in its last bit may round
 * to the next step: this count is why nobody sells a model on eight bits.
 *
 * Exit status 1 where the exact weights' texts differ in more than one job of a hundred: the audit of sales rests on that.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'two-runtimes'),
  options: {
    jobs: { type: 'string', default: '60' },
    sounds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})
const jobs = Number(values.jobs)
const MOST_EXACT_SHARE = 0.01

register()
const { AsrSmall } = await import('../../src/models/asr-small/recogniser.ts')
const { samplesOfPcm16 } = await import('../../src/ml/audio/pcm16.ts')
const { hardSounds } = await import('./support/hard-sounds.mjs')
const directory = fileURLToPath(new URL('../../models/asr-small', import.meta.url))
const modelOf = (runtime, int8) => AsrSmall.open(directory, { runtime, int8 })
const pairs = {
  exact: [await modelOf('native', false), await modelOf('web', false)],
  int8: [await modelOf('native', true), await modelOf('web', true)],
}
try {
  const nextSound = hardSounds({ folder: values.sounds, seed: Number(values.seed) })
  const result = { jobs, exact: { differ: 0 }, int8: { differ: 0, fromExact: 0 }, letters: 0, examples: [] }
  for (let job = 0; job < jobs; job++) {
    const { pcm16, sampleRate } = nextSound()
    const samples = samplesOfPcm16(pcm16)
    const texts = {}
    for (const [name, models] of Object.entries(pairs)) {
      const [native, web] = await Promise.all(models.map((model) => model.transcribe(samples, sampleRate)))
      texts[name] = native
      if (native === web) continue
      result[name].differ++
      if (result.examples.length < 5) result.examples.push({ weights: name, native, web })
    }
    result.letters += texts.exact.length
    if (texts.int8 !== texts.exact) result.int8.fromExact++
  }
  if (values.json) console.log(JSON.stringify(result))
  else {
    console.log(
      `${jobs} recordings, ${result.letters} letters heard in them; texts that WebAssembly heard otherwise:`,
    )
    console.log(`  exact weights  ${result.exact.differ} of ${jobs}`)
    console.log(
      `  eight bits     ${result.int8.differ} of ${jobs} (other than with exact weights: ${result.int8.fromExact})`,
    )
    for (const { weights, native, web } of result.examples)
      console.log(`  for example, ${weights}: "${native}" natively, "${web}" in WebAssembly`)
  }
  process.exitCode = result.exact.differ > MOST_EXACT_SHARE * jobs ? 1 : 0
} finally {
  for (const model of Object.values(pairs).flat()) await model.close()
}
