/** Hostile variants of good messages: bytes changed at random, and well-encoded values in the wrong places. */
import fc from 'fast-check'
import { type CborValue, encode } from '../../src/crypto/cbor.js'
import { UserError } from '../../src/errors.js'

/** FUZZ_RUNS=100000 for a night; `share` scales the suite's default of 2000. */
export function fuzzRuns(share: number, usual = 2000): number {
  return Math.max(10, Math.round(Number(process.env.FUZZ_RUNS ?? usual) * share))
}

/** The same, with fewer in the suite: where there are many decoders in a file, or a server answers each. */
export const fewRuns = (share: number): number => fuzzRuns(share, 400)

export interface Edit {
  readonly kind: 'change' | 'cut' | 'insert' | 'truncate' | 'repeat'
  readonly at: number
  readonly byte: number
}

export const edits: fc.Arbitrary<readonly Edit[]> = fc.array(
  fc.record({
    kind: fc.constantFrom('change', 'change', 'change', 'cut', 'insert', 'truncate', 'repeat'),
    at: fc.nat(1_000_000),
    byte: fc.integer({ min: 0, max: 255 }),
  }),
  { minLength: 1, maxLength: 4 },
)

export function applyEdits(content: Uint8Array, list: readonly Edit[]): Uint8Array {
  let bytes = content
  for (const { kind, at, byte } of list) {
    const i = at % Math.max(1, bytes.length)
    const [head, tail] = [bytes.subarray(0, i), bytes.subarray(i)]
    const next = {
      change: () => Buffer.concat([head, Uint8Array.of(byte), tail.subarray(1)]),
      cut: () => Buffer.concat([head, tail.subarray(1 + (byte % 40))]),
      insert: () => Buffer.concat([head, Uint8Array.of(byte), tail]),
      truncate: () => head,
      repeat: () => Buffer.concat([head, tail.subarray(0, byte), tail]),
    }[kind]()
    bytes = new Uint8Array(next)
  }
  return bytes
}

/** Any CBOR value, small. */
export const { anyValue } = fc.letrec<{ anyValue: CborValue }>((tie) => ({
  anyValue: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom<CborValue>(
      null,
      true,
      false,
      0,
      -1,
      1,
      255,
      2 ** 32,
      Number.MAX_SAFE_INTEGER,
      2n ** 64n - 1n,
      '',
    ),
    fc.maxSafeInteger(),
    fc.string({ maxLength: 70 }),
    fc
      .constantFrom(0, 1, 8, 16, 20, 31, 32, 33, 48, 65, 66)
      .chain((length) => fc.uint8Array({ minLength: length, maxLength: length })),
    fc.array(tie('anyValue'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom('version', 'slot', 'x', 'request', 'slots'), tie('anyValue'), {
      maxKeys: 3,
      noNullPrototype: true,
    }),
  ),
}))

export interface Graft {
  /** Which way to go at each level. */
  readonly path: readonly number[]
  readonly kind: 'replace' | 'remove' | 'double'
  readonly value: CborValue
}

export const graft: fc.Arbitrary<Graft> = fc.record({
  path: fc.array(fc.nat(200), { minLength: 1, maxLength: 7 }),
  kind: fc.constantFrom('replace', 'replace', 'remove', 'double'),
  value: anyValue,
})

/** The value with something else at the place that the path leads to. */
export function applyGraft(value: CborValue, { path, kind, value: put }: Graft, depth = 0): CborValue {
  const step = path[depth]
  const isLeaf = typeof value !== 'object' || value === null || value instanceof Uint8Array
  if (step === undefined || isLeaf) return put
  if (Array.isArray(value)) {
    const items: CborValue[] = [...(value as readonly CborValue[])]
    if (items.length === 0) return [put]
    const i = step % items.length
    if (depth + 1 === path.length && kind !== 'replace') {
      if (kind === 'remove') items.splice(i, 1)
      else items.splice(i, 0, items[i] ?? null)
    } else items[i] = applyGraft(items[i] ?? null, { path, kind, value: put }, depth + 1)
    return items
  }
  const entries = Object.entries(value as { readonly [key: string]: CborValue })
  if (entries.length === 0) return put
  const i = step % entries.length
  if (depth + 1 === path.length && kind === 'remove') entries.splice(i, 1)
  else
    entries[i] = [
      entries[i]?.[0] ?? 'x',
      applyGraft(entries[i]?.[1] ?? null, { path, kind, value: put }, depth + 1),
    ]
  return Object.fromEntries(entries)
}

/** Encodes a graft, or gives up where the value has no encoding. */
export function encodeGraft(value: CborValue, change: Graft): Uint8Array | undefined {
  try {
    return encode(applyGraft(value, change))
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

const MAX_LINE = 1000

/** What a terminal or a log may be given: one line, bounded, without control characters. */
export const isOneLine = (text: string): boolean =>
  text.length < MAX_LINE && !/[\p{Cc}\u2028\u2029]/u.test(text)

function refusedOr(error: unknown): 'refused' {
  if (error instanceof UserError && isOneLine(error.line)) return 'refused'
  throw error
}

/** Runs `read`: anything but a UserError of one line fails the test. */
export function readOrRefuse<T>(read: () => T): T | 'refused' {
  try {
    return read()
  } catch (error) {
    return refusedOr(error)
  }
}

/** The same of what takes its time. */
export async function settleOrRefuse<T>(work: () => Promise<T>): Promise<T | 'refused'> {
  try {
    return await work()
  } catch (error) {
    return refusedOr(error)
  }
}

/**
 * Feeds a decoder of deterministic CBOR with all that may come in place of a genuine value: changed bytes, other values in
 * its places, any value, any bytes. Whatever it takes says the same bytes again.
 * @returns how many were taken
 */
export function assaultCodec(
  genuine: CborValue,
  codec: { readonly decode: (bytes: Uint8Array) => unknown; readonly encode: (value: never) => Uint8Array },
  numRuns: number,
): number {
  let taken = 0
  const survives = (bytes: Uint8Array) => {
    const read = readOrRefuse(() => codec.decode(bytes))
    if (read === 'refused') return
    taken++
    if (Buffer.compare(codec.encode(read as never), bytes) !== 0)
      throw new Error('what was read says other bytes than it was read from')
  }
  const content = encode(genuine)
  survives(content)
  if (taken !== 1) throw new Error('the genuine value is refused')
  fc.assert(
    fc.property(edits, graft, anyValue, fc.uint8Array({ maxLength: 100 }), (list, change, random, bytes) => {
      survives(applyEdits(content, list))
      const grafted = encodeGraft(genuine, change)
      if (grafted !== undefined) survives(grafted)
      survives(encode(random))
      survives(bytes)
    }),
    { numRuns },
  )
  return taken
}
