/** A graph run once: encode, open, run, close. For tests and for small things; what runs often keeps its session. */
import type { Graph } from '../graph/index.js'
import { encodeModel } from '../onnx/model.js'
import { Session, type SessionOptions, type TensorValue, type TensorValues } from './session.js'

export async function evaluate(
  graph: Graph,
  inputs: TensorValues,
  options: SessionOptions = {},
): Promise<Record<string, TensorValue>> {
  const session = await Session.open(encodeModel(graph), options)
  try {
    return await session.run(inputs)
  } finally {
    await session.close()
  }
}

/** A float32 value from numbers. */
export function floats(shape: readonly number[], values: ArrayLike<number>): TensorValue {
  return {
    dtype: 'float32',
    shape,
    data: values instanceof Float32Array ? values : Float32Array.from(values),
  }
}

/** An int64 value from numbers. */
export function integers(shape: readonly number[], values: readonly number[]): TensorValue {
  return { dtype: 'int64', shape, data: BigInt64Array.from(values, BigInt) }
}
