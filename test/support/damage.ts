/** Damaged copies of files for the fuzz tests, and the only two ways in which reading one may end. */

import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect } from 'vitest'
import { UserError } from '../../src/errors.js'

/** The suite's share is the same each time; FUZZ_RUNS=100000 for a night draws new ones. */
export function fuzzRuns(runs: number): { readonly numRuns: number; readonly seed?: number } {
  const asked = process.env.FUZZ_RUNS
  return asked === undefined ? { numRuns: runs, seed: 20_260_101 } : { numRuns: Number(asked) }
}

/** A folder with copies of the files of another, which goes when the tests end. */
export function folderOf(source: string): string {
  const folder = mkdtempSync(join(directory, 'model-'))
  cpSync(source, folder, { recursive: true })
  return folder
}

/** A test of so many runs gets a second for each, and a minute: WebAssembly decoders start slowly. */
/** Seconds of processor time since that began: how busy the machine is otherwise does not count. */
export function processorSeconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since)
  return (user + system) / 1e6
}

export const fuzzTimeout = (runs: number): number => 300_000 + 1000 * fuzzRuns(runs).numRuns

const directory = mkdtempSync(join(tmpdir(), 'plumbline-damage-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Writes a file that goes when the tests end; the same name is overwritten. */
export function fileOf(content: Uint8Array | string, name: string): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  return path
}

interface Damage {
  readonly kind: 'set' | 'flip' | 'cut' | 'ones' | 'zeros' | 'insert' | 'remove' | 'repeat' | 'lie'
  /** Where, as a share of the file. */
  readonly at: number
  readonly length: number
  readonly byte: number
  readonly bytes: 4 | 8
}

/** Half of all damage is done to the first 512 bytes, where headers are. */
const damage: fc.Arbitrary<Damage> = fc.record({
  kind: fc.constantFrom('set', 'flip', 'cut', 'ones', 'zeros', 'insert', 'remove', 'repeat', 'lie'),
  at: fc.double({ min: -1, max: 1, noNaN: true }),
  length: fc.integer({ min: 1, max: 64 }),
  byte: fc.nat(255),
  bytes: fc.constantFrom(4, 8),
})

/** Numbers that lengths, counts and offsets lie with. */
const LIES = [0xffffffffffffffffn, 0x7fffffffffffffffn, 2n ** 50n, 0xffffffffn, 0x7fffffffn, 2n ** 31n, 0n]

function apply(bytes: Uint8Array, { kind, at, length, byte, bytes: size }: Damage): Uint8Array {
  const start = Math.floor(at < 0 ? -at * Math.min(511, bytes.length) : at * bytes.length)
  const head = bytes.subarray(0, start)
  const rest = (from: number) => bytes.subarray(Math.min(bytes.length, from))
  if (kind === 'cut') return head.slice()
  if (kind === 'insert') return Buffer.concat([head, Buffer.alloc(length, byte), rest(start)])
  if (kind === 'remove') return Buffer.concat([head, rest(start + length)])
  if (kind === 'repeat') return Buffer.concat([head, bytes.subarray(start, start + length), rest(start)])
  const copy = Buffer.from(bytes)
  if (start >= copy.length) return copy
  if (kind === 'set') copy[start] = byte
  else if (kind === 'flip') copy[start] = (copy[start] ?? 0) ^ (1 << (byte % 8))
  else if (kind === 'ones') copy.fill(0xff, start, Math.min(copy.length, start + length))
  else if (kind === 'zeros') copy.fill(0, start, Math.min(copy.length, start + length))
  else if (start + size <= copy.length) {
    const lie = LIES[byte % LIES.length] ?? 0n
    if (size === 8) copy.writeBigUInt64LE(BigInt.asUintN(64, lie), start)
    else copy.writeUInt32LE(Number(BigInt.asUintN(32, lie)), start)
  }
  return copy
}

/** Copies of a file, damaged in one to four places. */
export function damaged(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  return fc.array(damage, { minLength: 1, maxLength: 4 }).map((all) => all.reduce(apply, bytes))
}

/** Copies of a JSON text with one field, at any depth, replaced by anything, taken away, or renamed. */
export function damagedJson(json: unknown): fc.Arbitrary<string> {
  const anything = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double().map((value) => (Number.isFinite(value) ? value : 0)),
    fc.constantFrom<unknown>(
      { toString: 1 },
      { length: 2 ** 32 },
      '__proto__',
      'constructor',
      [[[[]]]],
      -1,
      1e300,
    ),
  )
  return fc
    .record({
      step: fc.nat(2 ** 20),
      kind: fc.constantFrom('replace', 'replace', 'remove', 'rename'),
      anything,
    })
    .map(({ step, kind, anything: value }) => {
      const copy: unknown = JSON.parse(JSON.stringify(json))
      const places = [...containers(copy)]
      const place = places[step % places.length]
      if (place === undefined) return JSON.stringify(value)
      const keys = Object.keys(place)
      const key = keys[Math.floor(step / places.length) % keys.length] ?? 'x'
      const fields = place as Record<string, unknown>
      if (kind === 'replace') fields[key] = value
      else {
        if (kind === 'rename') fields[`${key}_`] = fields[key]
        delete fields[key]
      }
      return JSON.stringify(copy)
    })
}

function* containers(value: unknown): Generator<object> {
  if (typeof value !== 'object' || value === null) return
  yield value
  for (const each of Object.values(value)) yield* containers(each)
}

/**
 * Reads a file: a value, or one line that names it. Everything else fails the test: another error, a line with control
 * characters, a line that does not say which file.
 */
export async function outcome<Result>(
  path: string,
  read: () => Result | Promise<Result>,
): Promise<{ readonly value: Result } | { readonly refusal: UserError }> {
  try {
    return { value: await read() }
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    expect(error.line).not.toMatch(/[\p{Cc}]/u)
    // A shard is named where the fault is in the shard.
    const named = String(error.details.file ?? '')
    const isNamed =
      dirname(named) === dirname(path) ||
      [basename(path), dirname(path)].some((name) => error.line.includes(name))
    expect(isNamed, error.line).toBe(true)
    return { refusal: error }
  }
}

/** As {@link outcome}, for what must not be read. */
export async function refusal(path: string, read: () => unknown): Promise<UserError> {
  const found = await outcome(path, read)
  if ('value' in found) expect.fail(`${path} was read`)
  return found.refusal
}

/** Mebibytes that the process may grow by while it refuses a file that asks for everything. */
const REFUSAL_MIB = 900

/** Runs `attempt` and checks that it neither took the machine's memory nor for ever. */
export async function bounded<Result>(attempt: () => Promise<Result>): Promise<Result> {
  const before = process.memoryUsage().rss
  let peak = before
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss)
  }, 20)
  try {
    return await attempt()
  } finally {
    clearInterval(watch)
    peak = Math.max(peak, process.memoryUsage().rss)
    expect((peak - before) / 2 ** 20).toBeLessThan(REFUSAL_MIB)
  }
}
