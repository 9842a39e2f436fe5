/**
 * Finds connections that died without a word (a NAT that forgot, a peer without power) and ends them, so that the next
 * request dials anew instead of waiting for TCP. In libp2p's place: its monitor takes one lost race of its own ping
 * protocol for a dead peer, and cut connections under load in the middle of challenges.
 */
import type { Connection } from '@libp2p/interface'
import { withDeadline } from './deadline.js'
import { echoOnce } from './ping.js'
import { PING_PROTOCOL } from './protocols.js'

/** Between two checks of a connection. Home routers forget idle TCP after minutes, not seconds. */
const INTERVAL_MS = 30_000
const ANSWER_DEADLINE_MS = 10_000
/** A daemon that is busy for one deadline is no dead one. */
const FAILURES_IN_A_ROW = 2
const TICK_MS = 1000

export interface LivenessModules {
  readonly connections: () => readonly Connection[]
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly onDead: (connection: Connection, cause: unknown) => void
  /** Aborts when the host stops. */
  readonly stopping: AbortSignal
}

interface Record {
  due: number
  failures: number
  busy: boolean
}

export class Liveness {
  readonly #modules: LivenessModules
  readonly #intervalMs: number
  readonly #deadlineMs: number
  readonly #records = new WeakMap<Connection, Record>()
  #timer: NodeJS.Timeout | undefined

  constructor(
    modules: LivenessModules,
    { intervalMs = INTERVAL_MS, deadlineMs = ANSWER_DEADLINE_MS, tickMs = TICK_MS } = {},
  ) {
    this.#modules = modules
    this.#intervalMs = intervalMs
    this.#deadlineMs = deadlineMs
    this.#timer = setInterval(() => this.#tick(), tickMs)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    const { connections, now } = this.#modules
    for (const connection of connections()) {
      let record = this.#records.get(connection)
      if (record === undefined) {
        // Connections opened together are not checked together.
        record = { due: now() + this.#intervalMs * (0.5 + Math.random() / 2), failures: 0, busy: false }
        this.#records.set(connection, record)
      }
      if (record.busy || now() < record.due || connection.status !== 'open') continue
      void this.#check(connection, record)
    }
  }

  async #check(connection: Connection, record: Record): Promise<void> {
    record.busy = true
    try {
      await this.#echo(connection)
      record.failures = 0
    } catch (error) {
      // A peer that refuses the protocol has answered.
      const answered = error instanceof Error && error.name === 'UnsupportedProtocolError'
      record.failures = answered ? 0 : record.failures + 1
      if (record.failures >= FAILURES_IN_A_ROW && connection.status === 'open') {
        this.#modules.onDead(connection, error)
        connection.abort(new Error('the peer is silent'))
      }
    } finally {
      record.busy = false
      record.due = this.#modules.now() + this.#intervalMs
    }
  }

  #echo(connection: Connection): Promise<void> {
    return withDeadline(this.#deadlineMs, [this.#modules.stopping], async (signal) => {
      const stream = await connection.newStream(PING_PROTOCOL, { signal, runOnLimitedConnection: true })
      try {
        await echoOnce(stream, signal)
        await stream.close({ signal })
      } finally {
        stream.abort(new Error('ping over'))
      }
    })
  }
}
