/** A configuration file: YAML to plain values, with line and column of every path for messages. */
import { isMap, LineCounter, parseDocument } from 'yaml'
import { shown, UserError } from '../errors.js'

export interface ConfigFile {
  readonly value: unknown
  /** `:12:3` for a path like `network.listen[0]`; the nearest enclosing node where the path itself is absent. */
  readonly position: (path: string) => string
}

/** Our files use no aliases; a few are harmless, a bomb of them is not. */
const MAX_ALIASES = 10

/** @throws UserError BAD_CONFIG with line and column of a YAML mistake. */
export function parseConfigFile(path: string, text: string): ConfigFile {
  const lines = new LineCounter()
  const document = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: true,
    prettyErrors: false,
    strict: true,
  })
  const [error] = document.errors
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0])
    const twice = error.code === 'DUPLICATE_KEY' ? repeatedKey(document.contents, error.pos[0]) : undefined
    throw new UserError(
      `${path}:${line}:${col}: ${twice === undefined ? error.message : `${shown(twice.key)} stands there again, as in line ${lines.linePos(twice.firstAt).line}`}`,
      {
        code: 'BAD_CONFIG',
        remedy:
          twice === undefined ? 'mend the YAML there' : 'keep one of the two, with all that is to hold in it',
      },
    )
  }
  let value: unknown
  try {
    value = withoutEmptySections(document.toJS({ maxAliasCount: MAX_ALIASES }) ?? {})
  } catch (cause) {
    throw new UserError(`${path}: ${cause instanceof Error ? cause.message : 'unreadable'}`, {
      code: 'BAD_CONFIG',
      cause,
    })
  }
  const position = (fieldPath: string): string => {
    const parts = fieldPath
      .split(/[.[\]]/)
      .filter((part) => part !== '')
      .map((part) => (/^\d+$/.test(part) ? Number(part) : part))
    const offset = offsetOf(document, parts)
    if (offset === undefined) return ''
    const { line, col } = lines.linePos(offset)
    return `:${line}:${col}`
  }
  return { value, position }
}

/** `registry:` with nothing but comments below it is null in YAML; it means a section without settings. */
function withoutEmptySections(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([, section]) => section !== null))
}

/** The key that repeats another at this offset, and where the first of them stands. */
function repeatedKey(
  node: unknown,
  offset: number,
): { readonly key: string; readonly firstAt: number } | undefined {
  if (!isMap(node)) return undefined
  const again = node.items.find(({ key }) => rangeOf(key) === offset)
  if (again === undefined) {
    for (const { value } of node.items) {
      const found = repeatedKey(value, offset)
      if (found !== undefined) return found
    }
    return undefined
  }
  const name = nodeValue(again.key)
  const firstAt = rangeOf(node.items.find(({ key }) => nodeValue(key) === name)?.key)
  return firstAt === undefined ? undefined : { key: String(name), firstAt }
}

type Document = ReturnType<typeof parseDocument>

/** Where a key stands in the text, or its nearest ancestor that does. */
function offsetOf(document: Document, parts: readonly (string | number)[]): number | undefined {
  for (let length = parts.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(parts.slice(0, length - 1), true)
    const name = parts[length - 1]
    if (isMap(parent)) {
      const pair = parent.items.find((item) => nodeValue(item.key) === name)
      const range = rangeOf(pair?.key)
      if (range !== undefined) return range
    }
    const range = rangeOf(document.getIn(parts.slice(0, length), true))
    if (range !== undefined) return range
  }
  return undefined
}

function nodeValue(node: unknown): unknown {
  return typeof node === 'object' && node !== null && 'value' in node ? node.value : node
}

function rangeOf(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range))
    return undefined
  const [start]: unknown[] = node.range
  return typeof start === 'number' ? start : undefined
}
