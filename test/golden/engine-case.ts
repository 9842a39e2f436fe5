/** Reading a golden case, and comparing with it as its case.json advises. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import type { TensorValue } from '../../src/ml/session/session.js'

const root = process.env.GOLDEN_DIR ?? fileURLToPath(new URL('../fixtures/golden', import.meta.url))

export interface GoldenCase {
  readonly tensors: Readonly<Record<string, TensorValue>>
  readonly info: Readonly<Record<string, { readonly what: string }>>
  readonly parameters: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly rtol: number
  readonly atol: number
  readonly folder: string
}

/** A safetensors reader of the test's own: length, JSON, data. */
function readTensors(path: string): Record<string, TensorValue> {
  const file = new Uint8Array(readFileSync(path))
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length))) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const tensors: Record<string, TensorValue> = {}
  for (const [name, { dtype, shape, data_offsets: bounds }] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const bytes = file.slice(8 + length + bounds[0], 8 + length + bounds[1]).buffer
    if (dtype === 'F32') tensors[name] = { dtype: 'float32', shape, data: new Float32Array(bytes) }
    else if (dtype === 'I64') tensors[name] = { dtype: 'int64', shape, data: new BigInt64Array(bytes) }
    else throw new Error(`${name} is ${dtype}`)
  }
  return tensors
}

export function goldenCase(name: string): GoldenCase {
  const folder = `${root}/${name}`
  const about = JSON.parse(readFileSync(`${folder}/case.json`, 'utf8'))
  return {
    tensors: readTensors(`${folder}/io.safetensors`),
    info: about.tensors,
    parameters: about.parameters ?? {},
    rtol: about.tolerance.rtol,
    atol: about.tolerance.atol,
    folder,
  }
}

export function tensorOf(golden: GoldenCase, name: string): TensorValue {
  const tensor = golden.tensors[name]
  if (tensor === undefined) throw new Error(`the case has no ${name}`)
  return tensor
}

/** |a - b| <= rtol max|b| + atol; infinities must be the same ones. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: TensorValue,
  { rtol, atol }: { readonly rtol: number; readonly atol: number },
  what = '',
): void {
  expect(actual.length, `${what}: size`).toBe(expected.data.length)
  const wanted = Array.from(expected.data as Float32Array, Number)
  const scale = wanted.reduce(
    (top, value) => (Number.isFinite(value) ? Math.max(top, Math.abs(value)) : top),
    0,
  )
  wanted.forEach((value, i) => {
    const got = actual[i] ?? Number.NaN
    if (!Number.isFinite(value)) expect(got, `${what}[${i}]`).toBe(value)
    else
      expect(Math.abs(got - value), `${what}[${i}]: ${got} for ${value}`).toBeLessThanOrEqual(
        rtol * scale + atol,
      )
  })
}

/** The number after a word: `numberAfter('kernel 6 padding 3', 'padding')` is 3. */
export function numberAfter(text: string, word: string, otherwise?: number): number {
  const match = new RegExp(`${word}[ =]*(-?[0-9.]+(?:e-?[0-9]+)?)`).exec(text)
  if (match?.[1] !== undefined) return Number(match[1])
  if (otherwise === undefined) throw new Error(`"${text}" does not say its ${word}`)
  return otherwise
}
