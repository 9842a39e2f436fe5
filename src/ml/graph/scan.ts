/** A recurrence over time: one small graph run for each frame (ONNX Scan). Its gradient is the caller's affair. */
import { dimAt, type Shape, ShapeError, sameShape } from './shape.js'
import { int, ints, subgraph, type Tensor } from './tensor.js'

export interface ScanStep {
  /** The states after this frame, in order. */
  readonly states: readonly Tensor[]
  /** What this frame leaves behind, in order. */
  readonly collected: readonly Tensor[]
}

export interface ScanOptions {
  /** From the last frame to the first; what is collected keeps the frames' own order. */
  readonly reverse?: boolean
}

export interface ScanResult {
  readonly states: readonly Tensor[]
  /** [time, ...] each. */
  readonly collected: readonly Tensor[]
}

/**
 * @param states their first values. @param sequences [time, ...]: each frame sees one entry.
 * @param step builds one frame in the graph of its operands.
 * @returns the last states, and what was collected as [time, ...].
 * @throws ShapeError where a state changes shape or sequences differ in length.
 */
export function scan(
  states: readonly Tensor[],
  sequences: readonly Tensor[],
  step: (states: readonly Tensor[], frame: readonly Tensor[]) => ScanStep,
  { reverse = false }: ScanOptions = {},
): ScanResult {
  const [first] = sequences
  if (first === undefined) throw new RangeError('scan needs a sequence')
  const time = dimAt('scan', first.shape, 0)
  if (sequences.some((sequence) => sequence.shape[0] !== time))
    throw new ShapeError(
      'scan',
      sequences.map((sequence) => sequence.shape),
      'sequences differ in length',
    )
  const body = first.graph.nested('frame')
  const bodyStates = states.map((state, i) => body.input(`state${i}`, state.dtype, state.shape))
  const frame = sequences.map((sequence, i) =>
    body.input(`frame${i}`, sequence.dtype, sequence.shape.slice(1)),
  )
  const result = step(bodyStates, frame)
  result.states.forEach((state, i) => {
    const before = states[i]
    if (before === undefined || !sameShape(before.shape, state.shape))
      throw new ShapeError('scan', [before?.shape ?? [], state.shape], `state ${i} changes shape`)
    body.output(`${body.prefix}next${i}`, state)
  })
  result.collected.forEach((tensor, i) => {
    body.output(`${body.prefix}collect${i}`, tensor)
  })
  const direction = reverse ? 1 : 0
  const stacked = (tensor: Tensor): Shape => [time, ...tensor.shape]
  const outputs = first.graph.emit(
    'Scan',
    [...states, ...sequences],
    [
      ...result.states.map((tensor) => ({ dtype: tensor.dtype, shape: tensor.shape })),
      ...result.collected.map((tensor) => ({ dtype: tensor.dtype, shape: stacked(tensor) })),
    ],
    {
      body: subgraph(body),
      num_scan_inputs: int(sequences.length),
      scan_input_directions: ints(sequences.map(() => direction)),
      scan_output_directions: ints(result.collected.map(() => direction)),
    },
  )
  return { states: outputs.slice(0, states.length), collected: outputs.slice(states.length) }
}
