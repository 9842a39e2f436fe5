/**
 * What the streams of one connection write, in turns. libp2p takes in whatever the peer's window allows, however little of the
 * connection's bytes goes out: a peer that gives windows and reads nothing would move all its answers there.
 */
import type { Connection } from '@libp2p/interface'

/** One stream's bytes. */
export interface LaneUser {
  /** Hands on one piece; whether more may follow at once. It never throws. */
  next(): boolean
}

/** Beyond it no stream is given more: some pieces, so that a fast line never waits for one. */
const MOST_UNSENT_BYTES = 2 ** 18

export class Lane {
  readonly #unsent: () => number
  /** Whose turn is next first. */
  readonly #users = new Set<LaneUser>()
  #isRunning = false

  /** @param unsent bytes that the connection has taken and not written */
  constructor(unsent: () => number = () => 0) {
    this.#unsent = unsent
  }

  /** From now until it has no more, or leaves. */
  enter(user: LaneUser): void {
    this.#users.add(user)
    this.run()
  }

  leave(user: LaneUser): void {
    this.#users.delete(user)
  }

  /** As far as the connection goes; call it again when that has drained. */
  run(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    try {
      for (const user of this.#users) {
        if (this.#unsent() >= MOST_UNSENT_BYTES) return
        this.#users.delete(user)
        // Iteration comes to it again, after all others.
        if (user.next()) this.#users.add(user)
      }
    } finally {
      this.#isRunning = false
    }
  }
}

/** What libp2p's connections have besides their interface: encryption below the streams, and the socket below that. */
interface LayeredConnection {
  readonly muxer?: { readonly maConn?: Layer }
  readonly maConn?: Layer
}

/** It has a buffer of its own. */
interface Layer {
  readonly writeBufferLength?: number
}

/** Bytes that a connection has taken from its streams and not written. */
export function unsentOf(connection: Connection): number {
  const { muxer, maConn } = connection as Connection & LayeredConnection
  return (muxer?.maConn?.writeBufferLength ?? 0) + (maConn?.writeBufferLength ?? 0)
}

const lanes = new WeakMap<Connection, Lane>()

export function laneOf(connection: Connection): Lane {
  const known = lanes.get(connection)
  if (known !== undefined) return known
  const lane = new Lane(() => unsentOf(connection))
  lanes.set(connection, lane)
  return lane
}
