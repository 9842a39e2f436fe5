/**
 * A prover's path to one member: the exchanges hello -> nonce and consent -> ready with retransmission, probes, and
 * keepalives that hold the member's consent and a NAT's mapping open.
 */
import { randomBytes } from 'node:crypto'
import type { FastCrypto, Gmac, Region } from '../../crypto/fast/index.js'
import { UserError } from '../../errors.js'
import {
  DatagramType,
  type DatagramTypeNumber,
  encodeConsentBody,
  HEADER_BYTES,
  LAYER3_OVERHEAD_BYTES,
  PROBE_BODY_BYTES,
} from '../../pob/datagram.js'
import type { Counters } from '../counters.js'
import type { ConsentGrant, ProbeOptions } from '../messages.js'
import { sealedDatagram } from '../seal.js'
import type { Outbox, Remote, Transport } from '../transport.js'
import type { ProbeResult } from '../types.js'
import { ProbeRun } from './probe-run.js'
import type { SlotMember } from './slot-member.js'

const HELLO_BODY = new Uint8Array(96)
/** First retransmission; doubles up to the last. */
const FIRST_RETRY_MICROS = 150_000
const LAST_RETRY_MICROS = 1_000_000
/** Consent lapses after 15 s, many NATs forget a UDP mapping after 30 s. */
const KEEPALIVE_MICROS = 5_000_000

interface Exchange {
  readonly id: number
  readonly type: DatagramTypeNumber
  readonly bytes: Uint8Array
  readonly deadline: number
  nextSend: number
  retry: number
}

export interface PathModules {
  readonly transport: Transport
  readonly outbox: Outbox
  readonly counters: Counters
  readonly scratch: Region
}

export class Path {
  readonly sessionId: Uint8Array
  readonly gmac: Gmac
  readonly remote: Remote
  /** Set while a slot runs in which this member takes part. */
  slotMember: SlotMember | undefined
  /** (slot, attempt) pairs that had their go. */
  readonly usedSlots = new Set<number>()
  readonly #modules: PathModules
  #nonce: Uint8Array | undefined
  #ready = false
  #consentBytes: Uint8Array | undefined
  #exchange: Exchange | undefined
  #probes: ProbeRun | undefined
  /** Those of the last slot: nobody waits for them. */
  #slotProbes: ProbeRun | undefined
  #probeCounter = 0
  #keepaliveCounter = 0
  #nextKeepalive = Number.POSITIVE_INFINITY

  constructor(
    sessionId: Uint8Array,
    key: Uint8Array,
    remote: Remote,
    crypto: FastCrypto,
    modules: PathModules,
  ) {
    this.sessionId = sessionId.slice()
    this.gmac = crypto.createGmac(key)
    this.remote = remote
    this.#modules = modules
  }

  get ready(): boolean {
    return this.#ready
  }

  /** Seals and queues a datagram. */
  send(type: DatagramTypeNumber, sequence: number, body?: Uint8Array, slot = 0, attempt = 0): void {
    this.queueSealed(this.seal(type, sequence, body, slot, attempt))
  }

  seal(type: DatagramTypeNumber, sequence: number, body?: Uint8Array, slot = 0, attempt = 0): Uint8Array {
    const header = { type, slot, attempt, sessionId: this.sessionId, sequence }
    return sealedDatagram(this.gmac, this.#modules.scratch, header, body)
  }

  queueSealed(bytes: Uint8Array): void {
    this.#modules.transport.queue(this.remote, bytes)
    this.#modules.counters.sentBytes += bytes.length + LAYER3_OVERHEAD_BYTES
  }

  hello(id: number, now: number, deadlineMs: number): void {
    if (this.#nonce !== undefined) {
      this.#modules.outbox.reply(id, this.#nonce)
      return
    }
    this.#begin(id, DatagramType.hello, this.seal(DatagramType.hello, 0, HELLO_BODY), now, deadlineMs)
  }

  consent(id: number, grant: ConsentGrant, now: number, deadlineMs: number): void {
    const body = encodeConsentBody(grant)
    const bytes = this.seal(DatagramType.consent, 0, body)
    // The same nonce must never seal two texts.
    if (this.#consentBytes !== undefined && Buffer.compare(this.#consentBytes, bytes) !== 0)
      throw new UserError('this session was sent another consent', { code: 'EXISTS' })
    this.#consentBytes = bytes
    if (this.#ready) {
      this.#modules.outbox.reply(id, undefined)
      return
    }
    this.#begin(id, DatagramType.consent, bytes, now, deadlineMs)
  }

  probe(id: number, options: ProbeOptions, now: number): void {
    if (this.#probes !== undefined)
      throw new UserError('this session is being probed already', { code: 'BUSY' })
    this.#beginProbes(options, now, (result) => this.#modules.outbox.reply(id, result))
  }

  /** Probes beside a train, in place of those of an earlier one; none where somebody waits for others on this path. */
  probeInSlot(options: ProbeOptions, now: number): ProbeRun | undefined {
    if (this.#probes !== undefined && this.#probes !== this.#slotProbes) return undefined
    this.#slotProbes = this.#beginProbes(options, now, () => undefined)
    return this.#slotProbes
  }

  #beginProbes(options: ProbeOptions, now: number, onEnd: (result: ProbeResult) => void): ProbeRun {
    this.#probes = new ProbeRun(options, this.#probeCounter, now, onEnd)
    this.#probeCounter += options.count
    return this.#probes
  }

  #begin(id: number, type: DatagramTypeNumber, bytes: Uint8Array, now: number, deadlineMs: number): void {
    if (this.#exchange !== undefined)
      throw new UserError('this session has an exchange under way', { code: 'BUSY' })
    this.#exchange = {
      id,
      type,
      bytes,
      deadline: now + deadlineMs * 1000,
      nextSend: now,
      retry: FIRST_RETRY_MICROS,
    }
  }

  tick(now: number): void {
    this.#tickExchange(now)
    const probes = this.#probes
    if (probes !== undefined) {
      if (probes.sendDue(now)) {
        const sequence = probes.nextSequence()
        this.send(DatagramType.probe, sequence, new Uint8Array(randomBytes(PROBE_BODY_BYTES)))
        probes.sent(now)
      }
      for (const close of probes.dueCloses(now))
        this.send(DatagramType.probeClose, close.sequence, close.body)
      if (probes.isOver(now)) {
        this.#probes = undefined
        probes.onEnd(probes.result())
      }
    }
    if (now >= this.#nextKeepalive) {
      this.send(DatagramType.keepalive, this.#keepaliveCounter++)
      this.#nextKeepalive = now + KEEPALIVE_MICROS
    }
  }

  #tickExchange(now: number): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    if (now >= exchange.deadline) {
      this.#exchange = undefined
      const { host, port } = this.remote.endpoint
      const what = exchange.type === DatagramType.hello ? 'hello' : 'consent'
      this.#modules.outbox.fail(
        exchange.id,
        new UserError(`no answer to ${what} from ${host} UDP port ${port}`, {
          code: 'UNREACHABLE',
          remedy: 'check that the member is up and its UDP port is open',
        }),
      )
    } else if (now >= exchange.nextSend) {
      this.queueSealed(exchange.bytes)
      exchange.nextSend = now + exchange.retry
      exchange.retry = Math.min(exchange.retry * 2, LAST_RETRY_MICROS)
    }
  }

  nextDueMicros(): number {
    let due = this.#nextKeepalive
    if (this.#exchange !== undefined) due = Math.min(due, this.#exchange.nextSend, this.#exchange.deadline)
    if (this.#probes !== undefined) due = Math.min(due, this.#probes.nextDueMicros())
    return due
  }

  /** A datagram of this session with a right tag that is not data. */
  onDatagram(
    type: number,
    sequence: number,
    bytes: Uint8Array,
    offset: number,
    arrivalMicros: number,
    now: number,
  ): void {
    const body = offset + HEADER_BYTES
    if (type === DatagramType.nonce) {
      this.#nonce ??= bytes.slice(body, body + 32)
      this.#finish(DatagramType.hello, this.#nonce)
    } else if (type === DatagramType.ready) {
      if (this.#consentBytes === undefined) return
      this.#ready = true
      this.#nextKeepalive = Math.min(this.#nextKeepalive, now + KEEPALIVE_MICROS)
      this.#finish(DatagramType.consent, undefined)
    } else if (type === DatagramType.probeReply) {
      this.#probes?.onReply(sequence, bytes.slice(body, body + PROBE_BODY_BYTES), arrivalMicros, now)
      // The member's own round-trip time ends with the close: at once.
      for (const close of this.#probes?.dueCloses(now) ?? [])
        this.send(DatagramType.probeClose, close.sequence, close.body)
    }
  }

  #finish(type: DatagramTypeNumber, value: unknown): void {
    const exchange = this.#exchange
    if (exchange?.type !== type) return
    this.#exchange = undefined
    this.#modules.outbox.reply(exchange.id, value)
  }

  close(): void {
    if (this.#ready) this.send(DatagramType.stop, 0)
  }

  free(): void {
    this.gmac.free()
  }
}
