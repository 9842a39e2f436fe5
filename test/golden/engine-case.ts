/** Reading a golden case, and comparing with it as its case.json advises. */
import { expect } from 'vitest'
import type { TensorValue } from '../../src/ml/session/session.js'
import { casesOfKind, type Kind } from './harness.js'

export interface GoldenCase {
  readonly name: string
  readonly tensors: Readonly<Record<string, TensorValue>>
  readonly info: Readonly<Record<string, { readonly what: string }>>
  readonly parameters: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly rtol: number
  readonly atol: number
  readonly folder: string
}

/** Every case of a kind. */
export function engineCasesOfKind(kind: Kind): readonly GoldenCase[] {
  return casesOfKind(kind).map((golden) => ({
    name: golden.name,
    tensors: golden.tensorsOf(),
    info: (golden.about.tensors ?? {}) as GoldenCase['info'],
    parameters: (golden.about.parameters ?? {}) as GoldenCase['parameters'],
    ...golden.tolerance,
    folder: golden.folder,
  }))
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
