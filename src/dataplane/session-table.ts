/** Sessions by their 8-byte id, found from hostile bytes without an allocation. */
import { UserError } from '../errors.js'
import { readU32, SESSION_ID_BYTES } from '../pob/datagram.js'

export class SessionTable<T extends { readonly sessionId: Uint8Array }> {
  readonly #sessions = new Map<number, T>()
  readonly #limit: number
  #last: T | undefined

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#sessions.size
  }

  /** @throws UserError EXISTS for an id (or its first 52 bits) that is there; BUSY past the limit. */
  add(session: T): void {
    const key = sessionKey(session.sessionId, 0)
    if (this.#sessions.has(key))
      throw new UserError('the data plane has this session already', { code: 'EXISTS' })
    if (this.#sessions.size >= this.#limit)
      throw new UserError(`the data plane has ${this.#limit} sessions already`, {
        code: 'BUSY',
        remedy: 'wait for one to end',
      })
    this.#sessions.set(key, session)
  }

  /** The session whose id stands at `offset`. */
  find(bytes: Uint8Array, offset: number): T | undefined {
    const last = this.#last
    if (last !== undefined && sameId(last.sessionId, bytes, offset)) return last
    const found = this.#sessions.get(sessionKey(bytes, offset))
    if (found === undefined || !sameId(found.sessionId, bytes, offset)) return undefined
    this.#last = found
    return found
  }

  /** @throws UserError NOT_FOUND. */
  get(sessionId: Uint8Array): T {
    const found = this.find(sessionId, 0)
    if (found === undefined) throw new UserError('the data plane has no such session', { code: 'NOT_FOUND' })
    return found
  }

  delete(sessionId: Uint8Array): T | undefined {
    const found = this.find(sessionId, 0)
    this.#last = undefined
    this.#sessions.delete(sessionKey(sessionId, 0))
    return found
  }

  values(): IterableIterator<T> {
    return this.#sessions.values()
  }
}

/** 52 bits of the id: exact in a double. Ids are random, so equal keys are as good as equal ids. */
function sessionKey(bytes: Uint8Array, offset: number): number {
  return readU32(bytes, offset) * 2 ** 20 + (readU32(bytes, offset + 4) >>> 12)
}

function sameId(id: Uint8Array, bytes: Uint8Array, offset: number): boolean {
  for (let i = 0; i < SESSION_ID_BYTES; i++) if (id[i] !== bytes[offset + i]) return false
  return true
}
