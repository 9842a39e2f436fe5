/** The family's models as graphs to be served: one graph for every length and batch. */
import type { Graph, Tensor } from '../../ml/graph/index.js'
import type { Parameters } from '../../ml/layers/index.js'
import { frameClassifier, recordingClassifier } from './classification.js'
import type { SpeechEncoderConfig } from './config.js'
import { ctcHead, exchangedHead } from './ctc.js'
import { type SpeechEncoding, speechEncoder } from './encoder.js'
import type { Task } from './names.js'

export interface ServedOptions {
  readonly task: Exclude<Task, 'pretraining'>
  /** The CTC head is an input, as large as the language's vocabulary. */
  readonly exchangedHead?: boolean
  /** Hidden states to return, by number: `hidden.0` goes into the first block. */
  readonly hiddenStates?: readonly number[]
  /** Return the front end's normalised frames as `extracted`. */
  readonly extracted?: boolean
}

/**
 * Adds inputs `sound` [batch, samples] and `frames` [batch] (frames that count), and outputs: `last` [batch, frames,
 * width] of an encoder alone; `logits` and `last` of one with a head.
 */
export function buildServed(
  graph: Graph,
  p: Parameters,
  config: SpeechEncoderConfig,
  options: ServedOptions,
): SpeechEncoding {
  const sound = graph.input('sound', 'float32', ['batch', 'samples'])
  const frames = graph.input('frames', 'int64', ['batch'])
  const encoding = speechEncoder(p, { sound, frames }, config)
  const logits = head(p, encoding, config, options)
  if (logits !== undefined) graph.output('logits', logits)
  graph.output('last', encoding.last)
  if (options.extracted === true) graph.output('extracted', encoding.extracted)
  for (const number of options.hiddenStates ?? []) {
    const state = encoding.hiddenStates[number]
    if (state === undefined)
      throw new RangeError(`hidden state ${number} of a model with ${encoding.hiddenStates.length}`)
    graph.output(`hidden.${number}`, state)
  }
  return encoding
}

function head(
  p: Parameters,
  encoding: SpeechEncoding,
  config: SpeechEncoderConfig,
  options: ServedOptions,
): Tensor | undefined {
  switch (options.task) {
    case 'encoder':
      return undefined
    case 'ctc':
      return options.exchangedHead === true
        ? exchangedHead(encoding.last)
        : ctcHead(p, encoding.last, config.vocabulary)
    case 'classification':
      return recordingClassifier(p, encoding, config)
    case 'frame-classification':
      return frameClassifier(p, encoding, config)
  }
}
