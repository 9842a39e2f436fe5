/** A model that turns sounds, texts or images into vectors, in a process of its own: what the far side runs. */
import { UserError } from '../../errors.js'
import { resample } from '../../ml/audio/resample.js'
import { decodeImage } from '../../ml/image/index.js'
import type { Service } from '../../ml/session/service.js'
import {
  type Embedder,
  ImageEmbedder,
  normaliseRows,
  type Rows,
  SoundEmbedder,
  TextEmbedder,
} from '../../models/embedding/index.js'
import { readCentroids } from '../../models/hubert/centroids.js'
import { type Centroids, nearestCentroids } from '../../models/hubert/units.js'
import type { EmbedInput } from '../catalogue/card.js'
import { type PackedSound, type Sound, unpacked } from './sound.js'
import { type Tell, tellOver } from './told.js'

/** What stays the same while the model is open. */
export interface EmbeddingOptions {
  readonly input: EmbedInput
  /** The model's output unless told. */
  readonly layer?: number
  /** Of k-means centroids, for {@link EmbedCall.form} `units`. */
  readonly centroidsPath?: string
}

export interface EmbedCall {
  readonly content: Sound | PackedSound | string | Uint8Array
  /** One vector; one for each frame, token or patch; or the number of the centroid nearest to each frame. */
  readonly form: 'vector' | 'rows' | 'units'
  readonly normalise?: boolean
}

export interface Embedding {
  readonly width: number
  /** [rows, width] in C order, one row of a vector; empty for units. */
  readonly values: Float32Array
  readonly units?: readonly number[]
  /** Of sounds: from one frame to the next. */
  readonly frameSeconds?: number
  /** Of texts: the token of each row. */
  readonly tokens?: readonly string[]
  /** Of images: rows and columns of patches. */
  readonly grid?: readonly [number, number]
}

export interface EmbeddingServiceOptions {
  readonly directory: string
  readonly threads?: number
  readonly int8?: boolean
  readonly embedding?: EmbeddingOptions
}

/** Beyond it a result of rows is unwieldy as JSON: 8 Mi numbers, 100 MB, some 3.6 minutes of a base model's frames. */
const MAX_ROW_VALUES = 8 * 2 ** 20

/** One method, `embed`: an {@link EmbedCall} to an {@link Embedding}. */
export async function openEmbeddingService(options: unknown): Promise<Service> {
  const { directory, threads, int8, embedding } = options as EmbeddingServiceOptions
  if (embedding === undefined) throw new Error('an embedding service needs to know its input')
  const { input, layer, centroidsPath } = embedding
  const centroids = centroidsPath === undefined ? undefined : await readCentroids(centroidsPath)
  const settings = {
    ...(threads === undefined ? {} : { threads }),
    ...(int8 === undefined ? {} : { int8 }),
    ...(layer === undefined ? {} : { layer }),
  }
  if (input === 'sound') return serveSound(await SoundEmbedder.open(directory, settings), centroids)
  if (input === 'text') {
    const model = await TextEmbedder.open(directory, settings)
    return serve(model, async (call, tell) => {
      const text = call.content as string
      const total = tell === undefined ? 0 : model.pieces(text).length
      let done = 0
      const embedded = await embed(model, text, call, () => tell?.reached({ done: ++done, total }))
      return call.form === 'rows' ? { ...embedded, tokens: model.tokens(text) } : embedded
    })
  }
  const model = await ImageEmbedder.open(directory, settings)
  return serve(model, async (call) => {
    const embedded = await embed(model, decodeImage(call.content as Uint8Array), call)
    return call.form === 'rows' ? { ...embedded, grid: model.grid } : embedded
  })
}

function serve(
  model: { close(): Promise<void> },
  run: (call: EmbedCall, tell?: Tell) => Promise<Embedding>,
): Service {
  return {
    call: async (name, argument, tell) => {
      if (name !== 'embed') throw new Error(`this model does not ${name}`)
      return run(argument as EmbedCall, tellOver(tell))
    },
    close: () => model.close(),
  }
}

function serveSound(model: SoundEmbedder, centroids: Centroids | undefined): Service {
  if (centroids !== undefined && centroids.width !== model.width)
    throw new UserError(`the centroids are ${centroids.width} wide, the model's states ${model.width}`, {
      code: 'BAD_ARGUMENT',
      remedy: 'use the centroids that were made from this model',
    })
  return serve(model, async (call, tell) => {
    const { samples, sampleRate } = unpacked(call.content as Sound | PackedSound)
    const heard = sampleRate === model.sampleRate ? samples : resample(samples, sampleRate, model.sampleRate)
    const frameSeconds = model.geometry.samplesPerFrame / model.sampleRate
    const total = samples.length / sampleRate
    let done = 0
    const onRows = (count: number): void => {
      done += count * frameSeconds
      tell?.reached({ done, total })
    }
    if (call.form !== 'units') {
      const embedded = await embed(model, heard, call, onRows)
      return call.form === 'rows' ? { ...embedded, frameSeconds } : embedded
    }
    if (centroids === undefined) throw new Error('units need centroids')
    const units: number[] = []
    for await (const { data, count } of model.rows(heard)) {
      units.push(...nearestCentroids(data, centroids))
      onRows(count)
    }
    return { width: model.width, values: new Float32Array(0), units, frameSeconds }
  })
}

/** @param onRows told after each stretch of the input how many rows it had */
async function embed<Input>(
  model: Embedder<Input>,
  input: Input,
  call: EmbedCall,
  onRows?: (count: number) => void,
): Promise<Embedding> {
  const { width } = model
  const values =
    call.form === 'rows' ? await allRows(model.rows(input), width, onRows) : await model.vector(input, onRows)
  return { width, values: call.normalise === true ? normaliseRows(values, width) : values }
}

/** @throws UserError for more than can be handed on. */
async function allRows(
  pieces: AsyncIterable<Rows>,
  width: number,
  onRows: ((count: number) => void) | undefined,
): Promise<Float32Array> {
  const kept: Float32Array[] = []
  let size = 0
  for await (const { data, count } of pieces) {
    onRows?.(count)
    size += data.length
    if (size > MAX_ROW_VALUES)
      throw new UserError(`more than ${Math.floor(MAX_ROW_VALUES / width)} vectors of ${width} numbers`, {
        code: 'BAD_ARGUMENT',
        remedy: 'give a shorter input, or take one vector for the whole',
      })
    kept.push(data)
  }
  const whole = new Float32Array(size)
  let at = 0
  for (const piece of kept) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
