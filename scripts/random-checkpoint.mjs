#!/usr/bin/env node
/**
 * `node scripts/random-checkpoint.mjs LAYOUT DIRECTORY [F32|F16]`: a checkpoint with random weights in the layout of a
 * published model, for measuring speed and memory where the weights themselves cannot be had. Layouts: wav2vec2-base,
 * wav2vec2-large (XLS-R 300M's), mms-1b (billion parameters, two languages), mms-tts (a voice), xlsr-mbart (a
 * translator), data2vec-text and data2vec-vision (base); small, for tests, is like the first.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { register } from 'tsx/esm/api'
import { layouts } from './random-checkpoint/layouts.mjs'
import { writeText, writeVision, writeVoice } from './random-checkpoint/others.mjs'
import { writeRecogniser, writeTranslator } from './random-checkpoint/speech.mjs'

const writers = {
  wav2vec2: writeRecogniser,
  'speech-encoder-decoder': writeTranslator,
  vits: writeVoice,
  'data2vec-text': writeText,
  'data2vec-vision': writeVision,
}

/**
 * Writes config.json, weights, vocabulary and what else the family has beside them.
 * @param options.dtype of the weights: F32 unless given, or F16
 */
export async function writeRandomCheckpoint(layout, directory, options = {}) {
  const config = layouts[layout]
  if (config === undefined)
    throw new Error(`no layout ${layout}; there are ${Object.keys(layouts).join(', ')}`)
  register()
  mkdirSync(directory, { recursive: true })
  const json = (file, value) => writeFileSync(join(directory, file), JSON.stringify(value, null, 2))
  json('config.json', config)
  await writers[config.model_type](config, directory, json, options)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [layout, directory, dtype = 'F32'] = process.argv.slice(2)
  if (layout === undefined || directory === undefined || !['F32', 'F16'].includes(dtype)) {
    console.error(
      `usage: node scripts/random-checkpoint.mjs ${Object.keys(layouts).join('|')} DIRECTORY [F32|F16]`,
    )
    process.exit(2)
  }
  await writeRandomCheckpoint(layout, directory, { dtype })
}
