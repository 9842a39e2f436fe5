/** `plumbline models add` and `plumbline embed` on the golden cases' directories, as a person would type them. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeWav } from '../../src/ml/audio/wav-write.js'
import { type GoldenCase, goldenCases } from '../golden/harness.js'
import { copyCase, firstCase } from '../unit/models/checkpoint-copies.js'
import { cli, ensureBuilt } from './cli-process.js'

const photo = fileURLToPath(new URL('../fixtures/images/photo.jpg', import.meta.url))
let home: string
let sound: string
beforeAll(() => {
  ensureBuilt()
  home = mkdtempSync(join(tmpdir(), 'plumbline-embed-'))
  sound = join(home, 'talk.wav')
  const wave = Float32Array.from({ length: 16_000 }, (_, i) => 0.3 * Math.sin(i / 9) * Math.sin(i / 700))
  writeFileSync(sound, writeWav({ sampleRate: 16_000, channels: [wave] }))
}, 120_000)
afterAll(() => rmSync(home, { recursive: true, force: true }))

interface Result {
  readonly width: number
  readonly vector?: readonly number[]
  readonly frames?: readonly (readonly number[])[]
  readonly units?: readonly number[]
  readonly unitFrames?: readonly number[]
  readonly tokens?: readonly string[]
  readonly grid?: readonly number[]
  readonly frameSeconds?: number
  readonly text?: string
}

async function json(...args: readonly string[]): Promise<Result> {
  const { status, stdout, stderr } = await cli([...args, '--local', '--json', '--data-dir', home])
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return JSON.parse(stdout) as Result
}

/** The one line of complaint. */
async function complaint(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await cli([...args, '--data-dir', home])
  expect(stdout).toBe('')
  expect(status).toBeGreaterThan(0)
  expect(stderr.trimEnd().split('\n')).toHaveLength(1)
  expect(stderr).toMatch(/^plumbline: /)
  return stderr
}

const add = async (directory: string, name: string): Promise<unknown> => {
  const { status, stdout, stderr } = await cli([
    'models',
    'add',
    directory,
    ...['--name', name, '--json', '--data-dir', home],
  ])
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return JSON.parse(stdout)
}

describe('embed', () => {
  it('texts: equal ones equal, from words or from a file, and as the reference has them', async () => {
    const golden = firstCase('08')
    expect(await add(golden.folder, 'words')).toMatchObject({ task: 'embed', family: 'data2vec-text' })
    const [text = ''] = golden.about.texts as string[]
    writeFileSync(join(home, 'note.txt'), text)
    const { vector = [], width } = await json('embed', text)
    expect((await json('embed', join(home, 'note.txt'))).vector).toEqual(vector)
    const states = golden.floats('text0.last_hidden_state')
    const count = states.length / width
    const means = Float32Array.from({ length: width }, (_, i) => {
      let sum = 0
      for (let row = 0; row < count; row++) sum += states[row * width + i] ?? Number.NaN
      return sum / count
    })
    golden.expectClose('embedding', vector, means)
    const { frames = [], tokens = [] } = await json('embed', text, '--frames')
    golden.expectClose('frames', frames.flat(), states)
    expect(tokens.length).toBe(frames.length)
  }, 180_000)

  it('images: a unit vector where wanted, and a vector a patch', async () => {
    const golden = firstCase('09')
    await add(golden.folder, 'pictures')
    const { stdout } = await cli(['embed', photo, '--local', '--normalise', '--data-dir', home])
    const vector = JSON.parse(stdout) as number[]
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5)
    const { frames, grid = [] } = await json('embed', photo, '--frames', '--layer', '1')
    expect(frames?.length).toBe(grid.reduce((product, each) => product * each, 1))
  }, 180_000)

  it('a plain data2vec-audio directory, and the recogniser made of it', async () => {
    const golden = firstCase('07')
    const plain = join(home, 'plain')
    await copyCase(golden, plain, {
      config: { architectures: ['Data2VecAudioModel'] },
      tensors: (tensors) =>
        tensors
          .filter(({ name }) => !name.startsWith('lm_head.'))
          .map((tensor) => ({ ...tensor, name: tensor.name.replace('data2vec_audio.', '') })),
    })
    // As published: an encoder has no tokenizer.
    for (const file of ['vocab.json', 'tokenizer_config.json', 'special_tokens_map.json'])
      rmSync(join(plain, file), { force: true })
    expect(await add(plain, 'plain')).toMatchObject({ task: 'embed', family: 'data2vec-audio' })
    expect(await add(golden.folder, 'recogniser')).toMatchObject({ task: 'transcribe' })
    const alone = await json('embed', sound, '--model', 'plain')
    expect((await json('embed', sound, '--model', 'recogniser')).vector).toEqual(alone.vector)
    expect(typeof (await json('transcribe', sound)).text).toBe('string')
    expect(await complaint('transcribe', sound, '--local', '--model', 'plain')).toMatch(/does not transcribe/)
    expect(await complaint('embed', sound, '--local')).toMatch(
      /2 models to embed sounds; .*plain, recogniser/,
    )
  }, 180_000)

  it('units of HuBERT, as many as frames', async () => {
    const golden: GoldenCase = firstCase('06')
    const centroids = join(home, 'centroids.safetensors')
    copyFileSync(golden.path('io.safetensors'), centroids)
    const model = ['--model', `${golden.folder}/`]
    const layer = ['--layer', String(golden.about.unit_layer)]
    const { units = [] } = await json('embed', sound, ...model, ...layer, '--units', centroids)
    const { frames, frameSeconds } = await json('embed', sound, ...model, ...layer, '--frames')
    expect(units.length).toBe(frames?.length)
    expect(Math.max(...units)).toBeLessThan(golden.tensor('kmeans.centroids').shape[0] ?? 0)
    expect(frameSeconds).toBeGreaterThan(0)
    const { units: runs = [], unitFrames = [] } = await json(
      'embed',
      sound,
      ...model,
      ...layer,
      '--units',
      centroids,
      '--runs',
    )
    expect(runs.every((unit, i) => unit !== runs[i - 1])).toBe(true)
    expect(runs.flatMap((unit, i) => Array.from({ length: unitFrames[i] ?? 0 }, () => unit))).toEqual(units)
    const refused = await complaint('embed', sound, ...model, '--units', centroids, '--local')
    expect(refused).toMatch(/--units needs --layer/)
  }, 180_000)

  it('bad input gives one clear line', async () => {
    const damaged = join(home, 'damaged.png')
    writeFileSync(damaged, Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1, 2, 3))
    const binary = join(home, 'noise.bin')
    writeFileSync(binary, Uint8Array.of(0, 255, 3, 254))
    const [vision] = goldenCases('09')
    const pictures = ['--local', '--model', `${vision?.folder}/`]
    const words = ['--local', '--model', `${firstCase('08').folder}/`]
    expect(await complaint('embed', 'nowhere.wav', ...words)).toMatch(/no file "nowhere\.wav"; .*--text/)
    expect(await complaint('embed', damaged, ...pictures)).toMatch(/PNG image is damaged/)
    expect(await complaint('embed', binary, ...words)).toMatch(/no sound, image or text/)
    expect(await complaint('embed', photo, ...words)).toMatch(/does not embed images: .* embed texts/)
    expect(await complaint('embed', 'two words', ...words, '--layer', '77')).toMatch(/no layer 77; choose/)
    expect(await complaint('embed', ' ', ...words)).toMatch(/text is empty/)
    expect(await complaint('embed', home, ...words)).toMatch(/not a regular file/)
    expect(await complaint('embed', 'two words', ...words, '--units', 'x', '--layer', '1')).toMatch(
      /for sounds/,
    )
    expect((await json('embed', 'a.txt', '--text', '--model', 'words')).vector?.length).toBeGreaterThan(0)
  }, 180_000)
})
