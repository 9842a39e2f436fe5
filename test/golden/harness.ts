/**
 * Golden cases: folders of GOLDEN_DIR (default: the copies in test/fixtures/golden), each a checkpoint in its published
 * layout, `io.safetensors` with named inputs and expected outputs, and a `case.json`. Tests read dimensions, options
 * and languages from these files alone, so that another set of the same kind passes unchanged.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import type { TensorValue } from '../../src/ml/session/session.js'

export const goldenDirectory =
  process.env.GOLDEN_DIR ?? fileURLToPath(new URL('../fixtures/golden/', import.meta.url))

/** Cases of parts that are still to come, by the beginning of their names. */
export const laterParts: Readonly<Record<string, string>> = {
  '12': 'Chameleon',
  '13': 'data2vec 2.0',
  '14e': 'Bayesian optimisation',
}

/** |actual - expected| <= atol + rtol |expected|, or of the tensor's greatest magnitude where `ofMaximum`. */
export interface Tolerance {
  readonly rtol: number
  readonly atol: number
  readonly ofMaximum?: boolean
}

export type Tensors = Readonly<Record<string, TensorValue>>

/** A safetensors reader of the tests' own: length, JSON, data. float32 and int64 only, as the cases have it. */
export function readTensors(path: string): Tensors {
  const file = new Uint8Array(readFileSync(path))
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length))) as Record<
    string,
    { readonly dtype: string; readonly shape: number[]; readonly data_offsets: readonly [number, number] }
  >
  const tensors: Record<string, TensorValue> = {}
  for (const [name, { dtype, shape, data_offsets: bounds }] of Object.entries(header)) {
    if (name === '__metadata__') continue
    const bytes = file.slice(8 + length + bounds[0], 8 + length + bounds[1]).buffer
    if (dtype === 'F32') tensors[name] = { dtype: 'float32', shape, data: new Float32Array(bytes) }
    else if (dtype === 'I64') tensors[name] = { dtype: 'int64', shape, data: new BigInt64Array(bytes) }
    else throw new Error(`${path}: ${name} is ${dtype}`)
  }
  return tensors
}

/** One folder. Its files are read when they are asked for, once. */
export class GoldenCase {
  readonly name: string
  readonly folder: string
  /** case.json: expected texts and ids, notes, tolerance. */
  readonly about: Readonly<Record<string, unknown>>
  readonly #tensors = new Map<string, Tensors>()
  #worst = { error: 0, share: 0, name: 'none' }

  constructor(name: string) {
    this.name = name
    this.folder = join(goldenDirectory, name)
    this.about = this.json('case.json')
  }

  /** Its number without letters. */
  get number(): string {
    return digitsOf(this.name)
  }

  /** Whether case.json tells of such a tensor. */
  holds(name: string | RegExp): boolean {
    const names = Object.keys(this.about.tensors ?? {})
    return names.some((each) => (typeof name === 'string' ? each === name : name.test(each)))
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts)
  }

  has(file: string): boolean {
    return existsSync(this.path(file))
  }

  json(file: string): Readonly<Record<string, unknown>> {
    return JSON.parse(readFileSync(this.path(file), 'utf8')) as Record<string, unknown>
  }

  /** config.json. */
  get config(): Readonly<Record<string, unknown>> {
    return this.json('config.json')
  }

  tensorsOf(file = 'io.safetensors'): Tensors {
    const known = this.#tensors.get(file) ?? readTensors(this.path(file))
    this.#tensors.set(file, known)
    return known
  }

  get tensorNames(): readonly string[] {
    return Object.keys(this.tensorsOf())
  }

  hasTensor(name: string): boolean {
    return Object.hasOwn(this.tensorsOf(), name)
  }

  tensor(name: string, file?: string): TensorValue {
    const tensor = this.tensorsOf(file)[name]
    if (tensor === undefined) throw new Error(`${this.name}: ${file ?? 'io.safetensors'} has no ${name}`)
    return tensor
  }

  floats(name: string): Float32Array {
    const { data } = this.tensor(name)
    if (!(data instanceof Float32Array)) throw new Error(`${this.name}: ${name} is not float32`)
    return data
  }

  integers(name: string): readonly number[] {
    const { data } = this.tensor(name)
    if (!(data instanceof BigInt64Array)) throw new Error(`${this.name}: ${name} is not int64`)
    return Array.from(data, Number)
  }

  /** The first rows of [batch, time, ...]: each row's valid frames, one after another. */
  validFrames(value: TensorValue, lengths: readonly number[]): Float32Array {
    const [batch = 0, time = 0, ...rest] = value.shape
    const width = rest.reduce((product, size) => product * size, 1)
    if (lengths.length !== batch) throw new Error(`${lengths.length} lengths for ${batch} rows`)
    const pieces = lengths.map((length, row) =>
      (value.data as Float32Array).subarray(row * time * width, (row * time + length) * width),
    )
    const whole = new Float32Array(pieces.reduce((total, piece) => total + piece.length, 0))
    let at = 0
    for (const piece of pieces) {
      whole.set(piece, at)
      at += piece.length
    }
    return whole
  }

  /** What case.json advises for outputs. */
  get tolerance(): Tolerance {
    const { rtol, atol } = this.about.tolerance as { readonly rtol: number; readonly atol: number }
    return { rtol, atol }
  }

  /**
   * For gradients: 1e-3 of the tensor's maximum plus 1e-4, or the two numbers that case.json's `tolerance.grads`
   * gives as "rtol R, atol A of the tensor maximum".
   */
  get gradientTolerance(): Tolerance {
    const { grads = '' } = this.about.tolerance as { readonly grads?: string }
    const stated = /rtol ([0-9.e-]+), atol ([0-9.e-]+) of the tensor maximum/.exec(grads)
    if (stated === null) return { rtol: 1e-3, atol: 1e-4, ofMaximum: true }
    return { rtol: Number(stated[1]) + Number(stated[2]), atol: 1e-6, ofMaximum: true }
  }

  /** Compares the values of a tensor with expected ones, as many and each within the tolerance. */
  expectClose(
    what: string,
    actual: ArrayLike<number>,
    expected: ArrayLike<number>,
    tolerance: Tolerance = this.tolerance,
  ): void {
    const found = compare(actual, expected, tolerance)
    expect(actual.length, `${this.name} ${what}: number of values`).toBe(expected.length)
    if (found.share > this.#worst.share) this.#worst = { error: found.error, share: found.share, name: what }
    expect(found.share, `${this.name} ${what}[${found.place}]: ${found.text}`).toBeLessThanOrEqual(1)
  }

  /** An output by its name in io.safetensors: shape and values. */
  expectTensor(name: string, actual: TensorValue | undefined, tolerance?: Tolerance): void {
    const expected = this.tensor(name)
    expect(actual?.shape, `${this.name} ${name}: shape`).toEqual(expected.shape)
    if (expected.data instanceof BigInt64Array)
      expect(Array.from(actual?.data ?? [], Number), `${this.name} ${name}`).toEqual(this.integers(name))
    else this.expectClose(name, (actual?.data ?? []) as Float32Array, this.floats(name), tolerance)
  }

  /** An output of a padded batch: valid frames only. */
  expectFrames(name: string, actual: TensorValue | undefined, lengths: readonly number[]): void {
    const expected = this.tensor(name)
    expect(actual?.shape, `${this.name} ${name}: shape`).toEqual(expected.shape)
    if (actual === undefined) return
    this.expectClose(name, this.validFrames(actual, lengths), this.validFrames(expected, lengths))
  }

  /** Prints the comparison that came nearest to its tolerance; call it after the last test. */
  report(): void {
    const { error, share, name } = this.#worst
    console.log(
      `golden ${this.name}: greatest error ${error.toExponential(1)} in ${name}, ${(100 * share).toFixed(1)} % of its tolerance`,
    )
  }
}

/** The element furthest out, as a share of what is allowed. Infinities must be the same ones. */
function compare(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: Tolerance) {
  const { rtol, atol, ofMaximum = false } = tolerance
  let greatest = 0
  if (ofMaximum)
    for (let i = 0; i < expected.length; i++) greatest = Math.max(greatest, Math.abs(expected[i] ?? 0))
  let worst = { error: 0, share: 0, place: -1, text: '' }
  for (let i = 0; i < expected.length; i++) {
    const want = expected[i] ?? Number.NaN
    const got = actual[i] ?? Number.NaN
    if (Object.is(got, want) || got === want) continue
    const error = Math.abs(got - want)
    const excess = error / (atol + rtol * (ofMaximum ? greatest : Math.abs(want)))
    const share = Number.isFinite(excess) ? excess : Number.POSITIVE_INFINITY
    if (share > worst.share) worst = { error, share, place: i, text: `${got} for ${want}` }
  }
  return worst
}

/** Every folder with a case.json, by name. */
export function caseNames(): readonly string[] {
  return readdirSync(goldenDirectory)
    .filter((name) => existsSync(join(goldenDirectory, name, 'case.json')))
    .toSorted()
}

/** The part a case belongs to: '06a' of '06a-hubert-base-units'. */
export const partOf = (name: string): string => name.split('-')[0] ?? name

export const isLater = (name: string): boolean =>
  Object.keys(laterParts).some((part) => partOf(name).startsWith(part))

/**
 * The cases of the set that a test file is for: those whose number (letters left out) is one of `numbers`.
 * Our own set without any of them fails, so that no test passes on nothing; another set (GOLDEN_DIR) may hold fewer
 * families, and what it lacks is listed as skipped.
 */
export function goldenCases(...numbers: readonly string[]): readonly GoldenCase[] {
  return orLacking(namesOf(...numbers), `case ${numbers.join(', ')}`).map((name) => new GoldenCase(name))
}

/** Names of the cases with these numbers. */
export const namesOf = (...numbers: readonly string[]): readonly string[] =>
  caseNames().filter(
    (name) => !isLater(name) && numbers.some((number) => [partOf(name), digitsOf(name)].includes(number)),
  )

/** Cases of one number that differ in what they hold, whatever letter or name they go by. */
const kinds = {
  ctc: (golden: GoldenCase) => golden.number === '14' && golden.holds('loss_sum_zero_infinity'),
  layers: (golden: GoldenCase) =>
    golden.number === '14' && golden.holds(/^\w+\.grad_y$/) && !hasLosses(golden),
  optimisation: (golden: GoldenCase) => golden.number === '14' && golden.has('values.json'),
  losses: (golden: GoldenCase) => golden.number === '14' && hasLosses(golden),
  filters: (golden: GoldenCase) => golden.number === '14' && golden.about.parameters !== undefined,
  pickles: (golden: GoldenCase) => golden.number === '15' && golden.has('malicious'),
  safetensors: (golden: GoldenCase) => golden.number === '15' && golden.has('dtypes.safetensors'),
}
export type Kind = keyof typeof kinds

function hasLosses(golden: GoldenCase): boolean {
  return golden.holds(/^(?:smooth_l1|cross_entropy|gumbel)/)
}

/** As {@link goldenCases}, by what a case holds. */
export function casesOfKind(kind: Kind): readonly GoldenCase[] {
  return orLacking(namesOfKind(kind), `case of ${kind}`).map((name) => new GoldenCase(name))
}

export const namesOfKind = (kind: Kind): readonly string[] =>
  caseNames().filter((name) => !isLater(name) && kinds[kind](new GoldenCase(name)))

/** Names, or a fault (in our own set), or a line among the skipped ones. */
export function orLacking(names: readonly string[], what: string): readonly string[] {
  if (names.length > 0) return names
  const lacking = `${goldenDirectory} has no ${what}`
  if (process.env.GOLDEN_DIR === undefined) throw new Error(lacking)
  it.skip(lacking)
  return names
}

const digitsOf = (name: string): string => /^\d+/.exec(name)?.[0] ?? ''
