/** data2vec text and vision built as for training: a loss, and its gradient against finite differences. */
import { gradients } from '../../src/ml/autodiff/index.js'
import { openCheckpoint } from '../../src/ml/files/open.js'
import { Graph, type Tensor } from '../../src/ml/graph/index.js'
import type { Parameters } from '../../src/ml/layers/index.js'
import { crossEntropy } from '../../src/ml/losses/index.js'
import { encodeModel } from '../../src/ml/onnx/index.js'
import { Session, type TensorValue, type TensorValues } from '../../src/ml/session/session.js'
import { FlatParameters, PARAMETER_PREFIX } from '../../src/ml/train/flat-parameters.js'
import { openTextCheckpoint, openVisionCheckpoint } from '../../src/models/data2vec/checkpoint.js'
import { isHead, type Naming } from '../../src/models/data2vec/names.js'
import { textEncoder } from '../../src/models/data2vec/text-encoder.js'
import { maskedLanguageModel } from '../../src/models/data2vec/text-heads.js'
import { imageClassifier, visionEncoder, visionPooler } from '../../src/models/data2vec/vision-encoder.js'
import type { GoldenCase } from './harness.js'

export interface Slope {
  readonly loss: TensorValue | undefined
  /** Of the loss along the gradient, by autodiff: the gradient's length. */
  readonly slope: number
  /** The same by central differences. */
  readonly measured: number
  /** By the names of the checkpoint. */
  readonly gradients: ReadonlyMap<string, TensorValue>
}

/** The masked language model's loss on the case's batch. */
export async function textLoss(golden: GoldenCase): Promise<Slope> {
  const checkpoint = await openTextCheckpoint(golden.folder)
  try {
    const given = {
      ids: golden.tensor('batch.input_ids'),
      mask: golden.tensor('batch.attention_mask'),
      labels: golden.tensor('labels'),
    }
    return await slopeOf(golden, checkpoint, given, (p, input) => {
      const { last } = textEncoder(p, { ids: input('ids'), mask: input('mask') }, checkpoint.config)
      return crossEntropy(maskedLanguageModel(p, last, checkpoint.config), input('labels')).mean
    })
  } finally {
    await checkpoint.close()
  }
}

/** A classifier's loss on the case's images, for labels of our own. */
export async function visionLoss(golden: GoldenCase): Promise<Slope> {
  const checkpoint = await openVisionCheckpoint(golden.folder)
  const { config } = checkpoint
  try {
    const pixels = golden.tensor('pixel_values')
    const rows = pixels.shape[0] ?? 0
    const data = BigInt64Array.from({ length: rows }, (_, row) => BigInt(row % config.labels.length))
    const given = { pixels, labels: { dtype: 'int64' as const, shape: [rows], data } }
    return await slopeOf(golden, checkpoint, given, (p, input) => {
      const { last } = visionEncoder(p, { pixels: input('pixels') }, config)
      return crossEntropy(imageClassifier(p, visionPooler(p, last, config), config), input('labels')).mean
    })
  } finally {
    await checkpoint.close()
  }
}

/** Small beside the weights, large beside what float32 drops of a loss. */
const STEP = 1e-3

async function slopeOf(
  golden: GoldenCase,
  { naming, prefix }: { readonly naming: Naming; readonly prefix: string },
  given: TensorValues,
  build: (p: Parameters, input: (name: string) => Tensor) => Tensor,
): Promise<Slope> {
  const graph = new Graph('loss')
  const table = new FlatParameters(graph)
  const inputs = new Map(
    Object.entries(given).map(([name, { dtype, shape }]) => [name, graph.input(name, dtype, shape)]),
  )
  const loss = build(table.parameters(), (name) => {
    const tensor = inputs.get(name)
    if (tensor === undefined) throw new Error(`no input ${name}`)
    return tensor
  })
  graph.output('loss', loss)
  const { entries } = table.layout()
  gradients(loss, table.trainedTensors).forEach((gradient, i) => {
    graph.output(`gradient.${entries[i]?.name ?? ''}`, gradient)
  })
  const source = await openCheckpoint(golden.folder)
  const session = await Session.open(encodeModel(graph))
  try {
    const weights = new Map<string, Float32Array>()
    const storedName = (name: string): string => (isHead(name, naming) ? name : prefix + name)
    for (const { name } of entries) weights.set(name, await source.readFloat32(storedName(name)))
    /** With every weight moved by so much along a direction. */
    const runAt = (amount: number, direction: (name: string) => Float32Array | undefined) => {
      const feeds: Record<string, TensorValue> = { ...given }
      for (const { name, shape } of entries) {
        const towards = direction(name)
        const data = weights.get(name)?.map((value, i) => value + amount * (towards?.[i] ?? 0))
        if (data !== undefined) feeds[PARAMETER_PREFIX + name] = { dtype: 'float32', shape, data }
      }
      return session.run(feeds)
    }
    const here = await runAt(0, () => undefined)
    const gradientOf = (name: string) => here[`gradient.${name}`]?.data as Float32Array
    const length = Math.sqrt(
      entries.reduce((sum, { name }) => sum + gradientOf(name).reduce((s, g) => s + g * g, 0), 0),
    )
    const unit = (name: string) => gradientOf(name).map((value) => value / length)
    const lossAt = async (amount: number): Promise<number> => {
      const { loss: value } = await runAt(amount, unit)
      return Number(value?.data[0])
    }
    const measured = ((await lossAt(STEP)) - (await lossAt(-STEP))) / (2 * STEP)
    const byName = new Map<string, TensorValue>()
    for (const { name, shape } of entries)
      byName.set(storedName(name), { dtype: 'float32', shape, data: gradientOf(name) })
    return { loss: here.loss, slope: length, measured, gradients: byName }
  } finally {
    await session.close()
    await source.close()
  }
}
