import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { SafetensorsFile } from '../../../src/ml/files/safetensors-reader.js'
import { type TensorToWrite, writeSafetensors } from '../../../src/ml/files/safetensors-writer.js'
import { canonicalWeightNormName } from '../../../src/ml/files/weight-norm.js'
import { TextModel } from '../../../src/models/data2vec/text-model.js'
import { VisionModel } from '../../../src/models/data2vec/vision-model.js'
import { SpeechTranslator } from '../../../src/models/speech-translation/index.js'
import { VitsModel } from '../../../src/models/vits/model.js'
import { SpeechModel } from '../../../src/models/wav2vec2/model.js'
import { Recogniser } from '../../../src/models/wav2vec2/recogniser.js'
import { refusalOf } from '../ml/files-support.js'

type Open = (directory: string) => Promise<{ close(): Promise<void> }>

const speech: Open = (directory) => SpeechModel.open(directory)
type Family = readonly [name: string, folder: string, open: Open, file?: string]
const families: readonly Family[] = [
  ['wav2vec 2.0 base', '01-wav2vec2-ctc-base', speech],
  ['XLS-R', '02-xlsr-ctc', speech],
  ['MMS', '03-mms-adapters', speech],
  [
    'an MMS adapter',
    '03-mms-adapters',
    (directory) => Recogniser.open(directory, { language: 'hin' }),
    'adapter.hin.safetensors',
  ],
  ['MMS language identification', '04-mms-lid', speech],
  ['wav2vec 2.0 pre-training', '05-wav2vec2-pretraining', speech],
  ['HuBERT base', '06a-hubert-base-units', speech],
  ['HuBERT large', '06b-hubert-large-units', speech],
  ['data2vec audio', '07-data2vec-audio-ctc', speech],
  ['data2vec text', '08-data2vec-text', (directory) => TextModel.open(directory)],
  ['data2vec vision', '09a-data2vec-vision-rel', (directory) => VisionModel.open(directory)],
  ['VITS', '10a-vits-mms-tts', (directory) => VitsModel.open(directory)],
  [
    'VITS of several speakers',
    '10b-vits-multispeaker-plain-durations',
    (directory) => VitsModel.open(directory),
  ],
  [
    'speech translation',
    '11a-speech-translation-xlsr-mbart',
    (directory) => SpeechTranslator.open(directory),
  ],
]

/** Of each model so many tensors are taken away, and as many reshaped, spread over the file. */
const SAMPLE = 5

const scratch = mkdtempSync(join(tmpdir(), 'plumbline-tensors-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

async function tensorsOf(path: string): Promise<readonly TensorToWrite[]> {
  const file = await SafetensorsFile.open(path)
  try {
    const all: TensorToWrite[] = []
    for (const info of file.tensors.values())
      all.push({
        name: info.name,
        dtype: info.dtype,
        shape: info.shape,
        data: await file.readBytes(info.name),
      })
    return all
  } finally {
    await file.close()
  }
}

describe('a checkpoint with a wrong, missing or surplus tensor is refused by its name', () => {
  it.each(families.map((family) => [family[0], family] as const))(
    '%s',
    async (_, [, folder, open, file = 'model.safetensors']) => {
      const source = fileURLToPath(new URL(`../../fixtures/golden/${folder}`, import.meta.url))
      const directory = mkdtempSync(join(scratch, 'model-'))
      cpSync(source, directory, { recursive: true })
      await (await open(directory)).close()

      const tensors = await tensorsOf(join(source, file))
      const wide = tensors.filter(({ shape }) => shape.length > 1)
      // A pre-trained model is served as its encoder; the rest of it is not looked at.
      const used = wide.filter(
        ({ name }) =>
          // A tied output layer may be left out, and is in some files.
          !name.endsWith('lm_head.weight') && (!folder.startsWith('05') || name.startsWith('wav2vec2.')),
      )
      const sample = Array.from(
        { length: SAMPLE },
        (_none, i) => used[Math.floor((i * used.length) / SAMPLE)],
      )
      const lineOf = async (changed: readonly TensorToWrite[]): Promise<string> => {
        await writeSafetensors(join(directory, file), changed)
        const { line } = await refusalOf(() => open(directory))
        expect(line).toContain(file)
        return line
      }

      for (const chosen of sample) {
        if (chosen === undefined) throw new Error('the file has no weights')
        // Weight norm is told in the older of its two spellings.
        const name = canonicalWeightNormName(chosen.name)
        const rest = tensors.filter((each) => each !== chosen)
        expect(await lineOf(rest)).toContain(`missing ${name}`)
        const turned = chosen.shape.toReversed()
        const shape = turned.join() === chosen.shape.join() ? [...chosen.shape, 1] : turned
        const line = await lineOf([...rest, { ...chosen, shape }])
        expect(line).toContain(`${name} is [${shape.join(', ')}] instead of [${chosen.shape.join(', ')}]`)
      }
      const stranger = { ...(tensors[0] as TensorToWrite), name: 'encoder.stranger.weight' }
      expect(await lineOf([...tensors, stranger])).toContain('surplus encoder.stranger.weight')
    },
    120_000,
  )
})
