/**
 * Sends packets that are not the attacker's to send, from its own namespace and with other people's addresses: captured
 * ones again (`replay`), or its own in their name (`spoof`, `ack-flood`). An accomplice on the path tells it what goes by,
 * so that addresses, sessions, slots and numbers are the true ones.
 */
import { randomBytes } from 'node:crypto'
import {
  DATAGRAM_LENGTHS,
  DatagramType,
  type DatagramTypeNumber,
  directionOf,
  HEADER_BYTES,
  MAX_ACKS,
  SEQUENCE_OFFSET,
  SESSION_ID_OFFSET,
  TAG_OFFSET,
  writeU32,
} from '../../pob/datagram.js'
import { type CapturedDatagram, decodeCaptured, headerOf } from './capture.js'
import { RawSocket } from './raw-socket.js'
import type { SideChannel } from './side-channel.js'

export type InjectorKind = 'replay' | 'spoof' | 'ack-flood'

const TICK_MS = 10
/** After the last plan; a challenge takes less. */
const ACTIVE_MS = 60_000
/**
 * Packets a tick. Whoever floods a line can fill it, with any bytes: the injected data is kept to some 1 % of a line of 220
 * Mbit/s, to see what it does beyond taking room.
 */
const DATA_A_TICK = 2
const SMALL_A_TICK = 10
const ACKS_A_TICK = 100
/** What is remembered for a replay, of this and earlier challenges. */
const MAX_REMEMBERED = 4000

export class Injector {
  readonly #kind: InjectorKind
  readonly #channel: SideChannel
  readonly #socket = new RawSocket()
  readonly #data: CapturedDatagram[] = []
  readonly #small: CapturedDatagram[] = []
  /** The last datagram of each session and direction: who it is between. */
  readonly #paths = new Map<string, CapturedDatagram>()
  #timer: NodeJS.Timeout | undefined
  #until = 0
  #turn = 0

  constructor(kind: InjectorKind, channel: SideChannel) {
    this.#kind = kind
    this.#channel = channel
    channel.follow((value) => this.#see(decodeCaptured(value)))
  }

  /** Goes on for a while from now. */
  start(): void {
    this.#until = performance.now() + ACTIVE_MS
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref()
  }

  stop(): void {
    this.#until = 0
    this.#socket.close()
    clearInterval(this.#timer)
  }

  #see(captured: CapturedDatagram): void {
    const { type } = headerOf(captured.payload)
    const kept = type === DatagramType.data ? this.#data : this.#small
    kept.push(captured)
    if (kept.length > MAX_REMEMBERED) kept.splice(Math.floor(Math.random() * MAX_REMEMBERED), 1)
    const session = Buffer.from(captured.payload.subarray(SESSION_ID_OFFSET, TAG_OFFSET)).toString('hex')
    const name = `${session}/${directionOf(type)}`
    this.#paths.delete(name)
    this.#paths.set(name, captured)
    const [oldest] = this.#paths.keys()
    if (this.#paths.size > 2 * MAX_ACKS && oldest !== undefined) this.#paths.delete(oldest)
  }

  #tick(): void {
    if (performance.now() > this.#until) {
      clearInterval(this.#timer)
      this.#timer = undefined
      return
    }
    if (this.#kind === 'replay') {
      for (let i = 0; i < DATA_A_TICK; i++) this.#send(anyOf(this.#data))
      for (let i = 0; i < SMALL_A_TICK; i++) this.#send(anyOf(this.#small))
    } else if (this.#kind === 'spoof') {
      for (let i = 0; i < DATA_A_TICK; i++) this.#send(this.#forged(DatagramType.data))
      for (let i = 0; i < SMALL_A_TICK; i++) this.#send(this.#forged(SPOOFED[this.#turn++ % SPOOFED.length]))
    } else for (let i = 0; i < ACKS_A_TICK; i++) this.#send(this.#forged(DatagramType.ack))
  }

  /** Somebody's datagram of a type, as it would be now but for its tag. */
  #forged(type: DatagramTypeNumber | undefined): CapturedDatagram | undefined {
    if (type === undefined) return undefined
    const direction = directionOf(type)
    const like = anyOf([...this.#paths].filter(([name]) => name.endsWith(`/${direction}`)))?.[1]
    return like === undefined ? undefined : { ...like, payload: forgedDatagram(type, like.payload) }
  }

  #send(datagram: CapturedDatagram | undefined): void {
    if (datagram === undefined) return
    const bytes = this.#socket.send(datagram)
    if (bytes === 0) return
    this.#channel.count('packets injected')
    this.#channel.count('bytes injected', bytes)
  }
}

/** What harms a member most that believes it is its prover. */
const SPOOFED: readonly DatagramTypeNumber[] = [
  DatagramType.stop,
  DatagramType.go,
  DatagramType.ack,
  DatagramType.consent,
]

/** The same session, slot and attempt as in `like`, a number near its own, the rest made up. */
export function forgedDatagram(type: DatagramTypeNumber, like: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(randomBytes(DATAGRAM_LENGTHS[type] ?? HEADER_BYTES))
  bytes.set(like.subarray(0, TAG_OFFSET))
  bytes[0] = type
  if (type !== DatagramType.data && type !== DatagramType.ack && type !== DatagramType.go) bytes.fill(0, 2, 4)
  const { sequence } = headerOf(like)
  const numbered = type === DatagramType.data ? sequence + 1 : Math.floor(Math.random() * MAX_ACKS)
  writeU32(bytes, SEQUENCE_OFFSET, type === DatagramType.data || type === DatagramType.ack ? numbered : 0)
  // A train that starts at once.
  if (type === DatagramType.go) writeU32(bytes, HEADER_BYTES, 0)
  return bytes
}

function anyOf<T>(values: readonly T[]): T | undefined {
  return values[Math.floor(Math.random() * values.length)]
}
