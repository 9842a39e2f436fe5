/** Vectors of long inputs, and of bad ones; centroids from files. */
import { describe, expect, it } from 'vitest'
import { writeSafetensors } from '../../../src/ml/files/safetensors-writer.js'
import { ByteBpeTokenizer } from '../../../src/ml/tokenizers/byte-bpe.js'
import {
  type Embedder,
  ImageEmbedder,
  normaliseRows,
  type Rows,
  SoundEmbedder,
  TextEmbedder,
} from '../../../src/models/embedding/index.js'
import { meanOfRows } from '../../../src/models/embedding/vectors.js'
import { readCentroids } from '../../../src/models/hubert/centroids.js'
import { framesOf, servingWindows } from '../../../src/models/speech/chunks.js'
import { randomIntegers, refusalOf, temporaryFile, temporaryPath } from '../ml/files-support.js'
import { firstCase, floatTensor } from './checkpoint-copies.js'

async function piecesOf<Input>(model: Embedder<Input>, input: Input): Promise<readonly Rows[]> {
  const pieces: Rows[] = []
  for await (const piece of model.rows(input)) pieces.push(piece)
  return pieces
}

describe('sounds', () => {
  it('longer than a window: as many frames as one run would make, and the first as the first window has them', async () => {
    const model = await SoundEmbedder.open(firstCase('06').folder)
    const next = randomIntegers(3)
    const samples = Float32Array.from({ length: 70 * model.sampleRate + 123 }, () => next(2000) / 1000 - 1)
    const pieces = await piecesOf(model, samples)
    expect(pieces.length).toBeGreaterThan(2)
    const frames = pieces.reduce((sum, { count }) => sum + count, 0)
    expect(frames).toBe(framesOf(samples.length, model.geometry))
    for (const { data, count, width } of pieces) expect(data.length).toBe(count * width)

    const { windowFrames, rightFrames } = servingWindows(model.sampleRate, model.geometry)
    const { samplesPerFrame, receptiveSamples } = model.geometry
    const [alone] = await piecesOf(
      model,
      samples.subarray(0, (windowFrames - 1) * samplesPerFrame + receptiveSamples),
    )
    const [first] = pieces
    expect(first?.count).toBe(windowFrames - rightFrames)
    expect(first?.data).toEqual(alone?.data.subarray(0, first?.data.length))
    await model.close()
  })

  it('too short for a frame, and layers that are not there', async () => {
    const { folder } = firstCase('07')
    const model = await SoundEmbedder.open(folder)
    expect((await refusalOf(() => model.vector(new Float32Array(20)))).line).toMatch(
      /20 samples is too short/,
    )
    await model.close()
    expect((await refusalOf(() => SoundEmbedder.open(folder, { layer: 99 }))).line).toMatch(
      /no layer 99; .* 2$/,
    )
  })
})

describe('texts', () => {
  const golden = firstCase('08')

  it('equal ones have equal vectors, others others', async () => {
    const model = await TextEmbedder.open(golden.folder)
    const [a = '', b = ''] = golden.about.texts as string[]
    expect(await model.vector(a)).toEqual(await model.vector(a))
    expect(await model.vector(a)).not.toEqual(await model.vector(b))
    await model.close()
  })

  it('longer than the positions: in pieces, each token once, each counting the same', async () => {
    const model = await TextEmbedder.open(golden.folder)
    const text = 'the speech model learns '.repeat(100)
    const pieces = model.pieces(text)
    expect(pieces.length).toBeGreaterThan(2)
    for (const ids of pieces)
      expect(ids.length).toBeLessThanOrEqual(Number(golden.config.max_position_embeddings))
    const tokenizer = await ByteBpeTokenizer.read(golden.folder)
    const within = pieces.flatMap((ids) => ids.slice(1, -1))
    expect([tokenizer.beginId, ...within, tokenizer.endId]).toEqual(tokenizer.encode(text))

    const rows = await piecesOf(model, text)
    const { width } = model
    const tokens = rows.reduce((sum, { count }) => sum + count, 0)
    expect(model.tokens(text).length).toBe(tokens)
    const vector = await model.vector(text)
    const sum = rows.flatMap(({ data }) => [...data]).reduce((s, v, i) => s + (i % width === 0 ? v : 0), 0)
    expect(vector[0]).toBeCloseTo(sum / tokens, 5)
    await model.close()
  })

  it('empty and overlong ones are refused', async () => {
    const model = await TextEmbedder.open(golden.folder)
    expect((await refusalOf(() => model.vector(' \n'))).line).toMatch(/^the text is empty/)
    expect((await refusalOf(() => model.vector('a '.repeat(2 ** 20)))).line).toMatch(/at most 1048576 bytes/)
    await model.close()
  })
})

describe('images', () => {
  it('of another size than the model wants are brought to it', async () => {
    const model = await ImageEmbedder.open(firstCase('09').folder)
    const image = { width: 3, height: 70, data: new Uint8Array(630).fill(128) }
    const vector = await model.vector(image)
    expect(vector.length).toBe(model.width)
    expect(vector.every(Number.isFinite)).toBe(true)
    await model.close()
  })
})

describe('rows', () => {
  it('their mean counts rows, not pieces', async () => {
    async function* pieces() {
      yield { data: Float32Array.of(1, 2, 3, 4), count: 2, width: 2 }
      yield { data: Float32Array.of(8, 0), count: 1, width: 2 }
    }
    expect([...(await meanOfRows(pieces()))]).toEqual([4, 2])
  })

  it('are scaled to length 1, zeros stay', () => {
    expect([...normaliseRows(Float32Array.of(3, 4, 0, 0), 2)]).toEqual([...Float32Array.of(0.6, 0.8), 0, 0])
  })
})

describe('centroids', () => {
  it('are the only matrix, or the one called so', async () => {
    const alone = temporaryPath('one.safetensors')
    await writeSafetensors(alone, [floatTensor('km', [3, 2], 7), floatTensor('sizes', [3])])
    expect(await readCentroids(alone)).toEqual({ count: 3, width: 2, values: new Float32Array(6).fill(7) })
    const named = temporaryPath('two.safetensors')
    await writeSafetensors(named, [floatTensor('other', [3, 2]), floatTensor('layer9.centroids', [1, 2], 4)])
    expect((await readCentroids(named)).count).toBe(1)
  })

  it('are refused where there are none, or two, or the file is another', async () => {
    const none = temporaryPath('none.safetensors')
    await writeSafetensors(none, [floatTensor('sizes', [3])])
    expect((await refusalOf(() => readCentroids(none))).line).toMatch(/no matrix of centroids/)
    const two = temporaryPath('two.safetensors')
    await writeSafetensors(two, [floatTensor('a', [3, 2]), floatTensor('b', [3, 2])])
    expect((await refusalOf(() => readCentroids(two))).line).toMatch(/several matrices: a, b/)
    expect((await refusalOf(() => readCentroids(temporaryFile('text')))).line).toContain('file')
    expect((await refusalOf(() => readCentroids('/nowhere/x'))).line).toMatch(/cannot be opened/)
  })
})
