/**
 * Who holds how many connections: no address more than its share, and nobody one that another needs before it showed that
 * it may ask. Whoever holds all of them without a key, or one request's headers, loses the oldest to whoever comes. On each,
 * few requests wait: Node reads on while the first one is unanswered, and has some kilobytes for each that it read.
 */
import type { Socket } from 'node:net'
import { sharedAddress } from '../shared-address.js'

export interface ConnectionLimits {
  readonly connections: number
  readonly connectionsPerAddress: number
}

interface Held {
  readonly address: string
  /** A request of it was let in. */
  isTrusted: boolean
  /** One of each request that is not answered; called where the connection ends first. */
  readonly unanswered: Set<() => void>
}

/** Of one connection. Clients that send on before they are answered (RFC 9112, section 9.3.2) are rare, and send a few. */
const MOST_UNANSWERED = 16

export class Connections {
  readonly #limits: ConnectionLimits
  /** The oldest first. */
  readonly #open = new Map<Socket, Held>()

  constructor(limits: ConnectionLimits) {
    this.#limits = limits
  }

  /** Closes it unanswered where there is no room, nor any to be made. */
  add(socket: Socket): void {
    const address = sharedAddress(socket.remoteAddress ?? '')
    const { connections, connectionsPerAddress } = this.#limits
    const hasRoom =
      (this.#count(address) < connectionsPerAddress || this.#evict(address)) &&
      (this.#open.size < connections || this.#evict(this.#greediest()))
    if (!hasRoom) {
      socket.destroy()
      return
    }
    const unanswered = new Set<() => void>()
    this.#open.set(socket, { address, isTrusted: false, unanswered })
    socket.once('close', () => {
      this.#open.delete(socket)
      for (const onGone of unanswered) onGone()
    })
  }

  /**
   * A request came on it. Where too many wait already, the connection is closed, those that wait with it.
   * @param onGone called where the connection ends before {@link answered}: Node tells it only the answer whose turn it is
   * @returns whether the request is to be answered
   */
  asked(socket: Socket, onGone: () => void): boolean {
    const unanswered = this.#open.get(socket)?.unanswered
    if (unanswered === undefined || unanswered.size >= MOST_UNANSWERED) {
      socket.destroy()
      return false
    }
    unanswered.add(onGone)
    return true
  }

  /** @param onGone as it was given to {@link asked} */
  answered(socket: Socket, onGone: () => void): void {
    this.#open.get(socket)?.unanswered.delete(onGone)
  }

  /** Its request may ask: it is not closed for another's sake. */
  trust(socket: Socket): void {
    const held = this.#open.get(socket)
    if (held !== undefined) held.isTrusted = true
  }

  #count(address: string): number {
    let count = 0
    for (const held of this.#open.values()) if (held.address === address) count++
    return count
  }

  /** Closes the oldest of an address that was not let in. @returns whether there was one */
  #evict(address: string | undefined): boolean {
    for (const [socket, held] of this.#open) {
      if (held.isTrusted || held.address !== address) continue
      this.#open.delete(socket)
      socket.destroy()
      return true
    }
    return false
  }

  /** The address that has the most which were not let in. */
  #greediest(): string | undefined {
    const counts = new Map<string, number>()
    for (const { address, isTrusted } of this.#open.values())
      if (!isTrusted) counts.set(address, (counts.get(address) ?? 0) + 1)
    return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0]
  }
}
