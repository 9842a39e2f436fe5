/** Members and a prover on loopback, with real workers and sockets; and a raw socket that speaks out of turn. */
import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { fastCrypto } from '../../../src/crypto/fast/index.js'
import {
  type BackendName,
  type MemberPlane,
  openMemberPlane,
  openProverPlane,
  type ProverPlane,
  type SlotCapture,
  type TrainBehaviour,
  type TrainReport,
} from '../../../src/dataplane/index.js'
import { sealedDatagram } from '../../../src/dataplane/seal.js'
import type { CaptureBehaviour } from '../../../src/dataplane/types.js'
import type { DatagramTypeNumber } from '../../../src/pob/datagram.js'

export const bytes = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
export const LAYER3_BITS = 1436 * 8
/** On a busy machine; nothing here waits this long where all is well. */
export const DEADLINE_MS = 10_000

export interface TestMember {
  readonly plane: MemberPlane
  readonly sessionId: Uint8Array
  readonly key: Uint8Array
  readonly seed: Uint8Array
}

export interface TestTeam {
  readonly prover: ProverPlane
  readonly members: readonly TestMember[]
  close(): Promise<void>
}

export interface TeamOptions {
  readonly member?: BackendName
  readonly prover?: BackendName
  readonly count?: number
  readonly host?: string
  readonly maxBytes?: number
  /** Stop before consent. */
  readonly unconsented?: boolean
  readonly onConsent?: Parameters<MemberPlane['onConsent']>[0]
}

export async function openTeam(options: TeamOptions = {}): Promise<TestTeam> {
  const host = options.host ?? '127.0.0.1'
  const prover = await openProverPlane({ backend: options.prover ?? 'native', host, port: 0 })
  const members: TestMember[] = []
  for (let i = 0; i < (options.count ?? 2); i++) {
    const plane = await openMemberPlane({ backend: options.member ?? 'native', host, port: 0 })
    const member = { plane, sessionId: bytes(8), key: bytes(16), seed: bytes(32) }
    members.push(member)
    plane.onConsent(options.onConsent ?? (async () => true))
    const { sessionId, key } = member
    const maxBytes = options.maxBytes ?? 2 ** 40
    await plane.addSession({ sessionId, key, maxBytes, expiresAtMs: Date.now() + 120_000 })
    await prover.addPath({ sessionId, key, remote: { host, port: plane.endpoint.port } })
    if (options.unconsented !== true) await consent(prover, member)
  }
  const close = async (): Promise<void> => {
    await Promise.all([prover.close(), ...members.map(({ plane }) => plane.close())])
  }
  return { prover, members, close }
}

export async function consent(prover: ProverPlane, { sessionId }: TestMember): Promise<void> {
  const nonce = await prover.hello(sessionId, DEADLINE_MS)
  await prover.consent(sessionId, grant(nonce), DEADLINE_MS)
}

export function grant(nonce: Uint8Array): {
  nonce: Uint8Array
  expiresAt: number
  maxBytes: number
  signature: Uint8Array
} {
  const expiresAt = Math.floor(Date.now() / 1000) + 100
  return { nonce, expiresAt, maxBytes: 2 ** 40, signature: new Uint8Array(65).fill(7) }
}

export interface SlotOptions {
  readonly slot?: number
  readonly attempt?: number
  readonly rateKbps?: number
  readonly tauMicros?: number
  readonly drainMicros?: number
  readonly behaviours?: readonly (TrainBehaviour | undefined)[]
  readonly capture?: CaptureBehaviour
  /** The prover sends everything back. */
  readonly echo?: boolean
  /** Members that are not armed. */
  readonly silent?: readonly number[]
  /** Runs once all are armed and the slot has been asked for. */
  readonly meanwhile?: () => Promise<void>
}

export interface SlotResult {
  readonly packetCount: number
  readonly capture: SlotCapture
  /** undefined for silent members. */
  readonly reports: readonly (TrainReport | undefined)[]
}

export async function runSlot(team: TestTeam, options: SlotOptions = {}): Promise<SlotResult> {
  const { slot = 0, attempt = 0, rateKbps = 20_000, tauMicros = 100_000, drainMicros = 300_000 } = options
  const packetCount = Math.ceil((rateKbps * tauMicros) / (LAYER3_BITS * 1000))
  const armed = team.members.map((_, i) => options.silent?.includes(i) !== true)
  await Promise.all(
    team.members.map(async ({ plane, sessionId, seed }, i) => {
      const behaviour = options.behaviours?.[i]
      const order = {
        sessionId,
        slot,
        attempt,
        seed,
        packetCount,
        rateKbps,
        armedForMs: DEADLINE_MS,
        echo: options.echo === true,
      }
      if (armed[i] === true) await plane.prepareTrain({ ...order, ...(behaviour && { behaviour }) })
    }),
  )
  const running = team.prover.runSlot({
    slot,
    attempt,
    tauMicros,
    drainMicros,
    members: team.members.map(({ sessionId }) => ({ sessionId, packetCount, rttMicros: 200 })),
    echo: options.echo === true,
    ...(options.capture && { behaviour: options.capture }),
  })
  await options.meanwhile?.()
  const capture = await running
  const reports = await Promise.all(
    team.members.map(({ plane, sessionId }, i) =>
      armed[i] === true ? plane.collectTrain({ sessionId, slot, attempt }) : undefined,
    ),
  )
  return { packetCount, capture, reports }
}

/** A socket with a key, right or wrong. */
export class RawPeer {
  readonly socket: Socket
  readonly received: Uint8Array[] = []
  readonly #to: { readonly host: string; readonly port: number }
  readonly #sessionId: Uint8Array
  readonly #key: Uint8Array

  static async open(
    to: { readonly host: string; readonly port: number },
    sessionId: Uint8Array,
    key: Uint8Array,
    host = to.host,
  ): Promise<RawPeer> {
    const peer = new RawPeer(to, sessionId, key)
    await new Promise<void>((resolve) => peer.socket.bind(0, host, resolve))
    return peer
  }

  private constructor(to: { host: string; port: number }, sessionId: Uint8Array, key: Uint8Array) {
    this.socket = createSocket('udp4')
    this.#to = to
    this.#sessionId = sessionId
    this.#key = key
    this.socket.on('message', (message) => this.received.push(new Uint8Array(message)))
  }

  seal(type: DatagramTypeNumber, sequence: number, body?: Uint8Array, slot = 0, attempt = 0): Uint8Array {
    const { crypto } = fastCrypto()
    const gmac = crypto.createGmac(this.#key)
    const header = { type, slot, attempt, sessionId: this.#sessionId, sequence }
    const datagram = sealedDatagram(gmac, crypto.allocate(2048), header, body)
    gmac.free()
    return datagram
  }

  async send(datagram: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) =>
      this.socket.send(datagram, this.#to.port, this.#to.host, (error) =>
        error ? reject(error) : resolve(),
      ),
    )
  }

  /** The first datagram of a type that has come or comes. */
  async next(type: DatagramTypeNumber): Promise<Uint8Array> {
    const end = Date.now() + DEADLINE_MS
    while (Date.now() < end) {
      const found = this.received.find((datagram) => datagram[0] === type)
      if (found !== undefined) return found
      await sleep(2)
    }
    throw new Error(`no datagram of type ${type}`)
  }

  close(): void {
    this.socket.close()
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits until a plane's counters say so. */
export async function until(condition: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + DEADLINE_MS
  while (!(await condition())) {
    if (Date.now() > end) throw new Error('it never came true')
    await sleep(5)
  }
}
