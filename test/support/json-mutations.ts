/** Hostile JSON: good documents with other values in their places, and with their text changed. */
import fc from 'fast-check'
import { applyEdits, edits } from './mutations.js'

/** What spoils a line, a terminal, a lookup, or a bound. */
const hostileText = fc.oneof(
  fc.constantFrom(
    '',
    '\n',
    '\u0000',
    '\u001b[2J\u0007',
    '\u007f\u0085',
    '\u202e\u2028',
    '\ud800',
    '__proto__',
    'constructor',
    '0x',
    '-1',
    '1e999',
    'NaN',
    'x'.repeat(5000),
    '\n'.repeat(2000),
  ),
  fc.string({ unit: 'binary', maxLength: 70 }),
)
const anyJson = fc.oneof(
  hostileText,
  fc.constantFrom(null, true, 0, -1, 1.5, 1e308, 2 ** 53, [], {}, [[[]]], { __proto__: null, message: '\n' }),
  fc.jsonValue({ maxDepth: 2 }),
)

interface JsonGraft {
  readonly path: readonly number[]
  readonly kind: 'replace' | 'remove' | 'double' | 'rename'
  readonly value: unknown
  readonly name: string
}

const graft: fc.Arbitrary<JsonGraft> = fc.record({
  path: fc.array(fc.nat(200), { minLength: 1, maxLength: 6 }),
  kind: fc.constantFrom('replace', 'replace', 'remove', 'double', 'rename'),
  value: anyJson,
  name: hostileText,
})

function applied(document: unknown, change: JsonGraft, depth = 0): unknown {
  const { path, kind, value, name } = change
  const step = path[depth]
  if (step === undefined || typeof document !== 'object' || document === null) return value
  const isLast = depth + 1 === path.length
  const entries = Object.entries(document)
  if (entries.length === 0) return Array.isArray(document) ? [value] : { [name]: value }
  const i = step % entries.length
  const [key, inner] = entries[i] ?? ['', null]
  if (isLast && kind === 'remove') entries.splice(i, 1)
  else if (isLast && kind === 'double') entries.splice(i, 0, [name, inner])
  else if (isLast && kind === 'rename') entries[i] = [name, inner]
  else entries[i] = [key, applied(inner, change, depth + 1)]
  return Array.isArray(document) ? entries.map(([, each]) => each) : Object.fromEntries(entries)
}

const DEEP = 5_000

/** Texts in place of a genuine document. Most are still JSON: what is not is refused at the first step. */
export function hostileJson(genuine: unknown): fc.Arbitrary<string> {
  const text = JSON.stringify(genuine)
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .array(graft, { minLength: 1, maxLength: 3 })
        .map(
          (list) =>
            JSON.stringify(list.reduce((document, change) => applied(document, change), genuine)) ?? 'null',
        ),
    },
    {
      weight: 2,
      arbitrary: edits.map((list) => Buffer.from(applyEdits(Buffer.from(text), list)).toString('latin1')),
    },
    { weight: 1, arbitrary: anyJson.map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: hostileText },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        '['.repeat(DEEP),
        `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`,
        '{"a":'.repeat(DEEP),
      ),
    },
  )
}
