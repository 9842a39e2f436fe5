/** What a pickle becomes here: plain data. No value of these types carries behaviour of the file's choosing. */

/** A Python tuple is a frozen array, a list a mutable one; dicts keep their order and key types as Maps. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | Set<PickleValue>
  | PickleObject
  | PickleGlobal
  | PickleLeaf

/** Values that the embedder's globals make (a tensor, a storage): opaque to the machine. */
export abstract class PickleLeaf {
  abstract readonly kind: string
}

/** An instance of an allowed class, kept as its name, constructor arguments and state: nothing was constructed. */
export class PickleObject {
  readonly className: string
  readonly args: readonly PickleValue[]
  state: PickleValue = null

  constructor(className: string, args: readonly PickleValue[]) {
    this.className = className
    this.args = args
  }
}

/** An allowed global: what calling it means here. */
export class PickleGlobal {
  /** `module.name`, modules under their Python 3 names. */
  readonly name: string
  readonly call: (args: readonly PickleValue[]) => PickleValue

  constructor(name: string, call: (args: readonly PickleValue[]) => PickleValue) {
    this.name = name
    this.call = call
  }
}

/** A malformed or forbidden pickle; the file readers turn it into a UserError that names the file. */
export class PickleError extends Error {
  override readonly name = 'PickleError'
}

/** A global outside the allow-list. */
export class ForbiddenGlobalError extends PickleError {
  readonly global: string

  constructor(global: string) {
    super(`it wants to use "${global}", which is not on the list of harmless names`)
    this.global = global
  }
}

/** Deeper than any configuration, shallow enough for a recursive walk. */
const MAX_PLAIN_DEPTH = 64
/** Shared references can make a small pickle a huge tree; the walk stops here. */
const MAX_PLAIN_NODES = 1_000_000

/**
 * The value as JSON-like data: Maps with string or number keys become objects without a prototype, objects
 * their state, leaves and globals null. For configurations inside checkpoints.
 * @throws PickleError for cycles, depth over 64, more than a million nodes, or keys that are no scalars
 */
export function toPlain(value: PickleValue): unknown {
  let nodes = 0
  const walk = (node: PickleValue, depth: number): unknown => {
    if (depth > MAX_PLAIN_DEPTH || ++nodes > MAX_PLAIN_NODES) throw new PickleError('nested too deeply')
    if (Array.isArray(node) || node instanceof Set) return [...node].map((item) => walk(item, depth + 1))
    if (node instanceof Map) {
      const plain: Record<string, unknown> = Object.create(null)
      for (const [key, item] of node) plain[nameOf(key)] = walk(item, depth + 1)
      return plain
    }
    if (node instanceof PickleObject) return walk(node.state ?? [...node.args], depth + 1)
    if (node instanceof PickleLeaf || node instanceof PickleGlobal) return null
    return node
  }
  return walk(value, 0)
}

/** A dict key as text. A tuple's text could be longer than memory: its parts may be shared over and over. */
export function nameOf(key: PickleValue): string {
  if (typeof key === 'object' && key !== null) throw new PickleError('a dict has a key that is no name')
  return String(key)
}
