/**
 * The order in which a member's packets arrived, as runs of consecutive sequences (docs/protocol.md section 7):
 *
 *     run = zigzag-LEB128(first sequence - expected) || LEB128(length - 1)
 *
 * expected is 0 at first and then one past the run before. Runs are maximal, so an order has one encoding.
 */
import { UserError } from '../errors.js'

/** Consecutive sequences first, first + 1, ... first + length - 1, in this order. */
export interface Run {
  readonly first: number
  readonly length: number
}

/** Two LEB128 numbers: 33 bits of zigzag and 32 bits of length. */
const MAX_RUN_BYTES = 10
const MIN_CAPACITY = 256
/** Sequences are u32. */
const MAX_PACKETS = 2 ** 32
/** LEB128 of 33 bits. */
const MAX_NUMBER_BYTES = 5

/** Appends sequences one by one; no allocation but a doubling of its buffer. */
export class OrderEncoder {
  #bytes: Uint8Array
  #used = 0
  /** One past the last finished run. */
  #base = 0
  #first = 0
  #length = 0

  constructor(capacityBytes: number = MIN_CAPACITY) {
    this.#bytes = new Uint8Array(Math.max(MIN_CAPACITY, capacityBytes))
  }

  append(sequence: number): void {
    if (this.#length > 0 && sequence === this.#first + this.#length) {
      this.#length++
      return
    }
    this.#flush()
    this.#first = sequence
    this.#length = 1
  }

  /** The order so far, a copy; appending may go on (a run in progress is written whole later). */
  encoded(): Uint8Array {
    const { used, base } = { used: this.#used, base: this.#base }
    const [first, length] = [this.#first, this.#length]
    this.#flush()
    const bytes = this.#bytes.slice(0, this.#used)
    this.#used = used
    this.#base = base
    this.#first = first
    this.#length = length
    return bytes
  }

  #flush(): void {
    if (this.#length === 0) return
    if (this.#used + MAX_RUN_BYTES > this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2)
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    const delta = this.#first - this.#base
    this.#number(delta >= 0 ? delta * 2 : -delta * 2 - 1)
    this.#number(this.#length - 1)
    this.#base = this.#first + this.#length
    this.#length = 0
  }

  #number(value: number): void {
    let rest = value
    while (rest >= 128) {
      this.#bytes[this.#used++] = (rest % 128) + 128
      rest = Math.floor(rest / 128)
    }
    this.#bytes[this.#used++] = rest
  }
}

/** Encodes a whole order. */
export function encodeOrder(sequences: Iterable<number>): Uint8Array {
  const encoder = new OrderEncoder()
  for (const sequence of sequences) encoder.append(sequence)
  return encoder.encoded()
}

/** Reads minimal LEB128 numbers one after another. @throws UserError BAD_MESSAGE */
class NumberReader {
  #position = 0
  constructor(readonly bytes: Uint8Array) {}

  get ended(): boolean {
    return this.#position >= this.bytes.length
  }

  next(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < MAX_NUMBER_BYTES; i++) {
      const byte = this.bytes[this.#position++]
      if (byte === undefined) throw bad('ends inside a number')
      value += (byte % 128) * scale
      if (byte < 128) {
        if (byte === 0 && i > 0) throw bad('has a number that is not minimal')
        return value
      }
      scale *= 128
    }
    throw bad('has a number of more than 35 bits')
  }
}

/**
 * Reads an order strictly: minimal LEB128, maximal runs, every sequence below `packetCount`, none twice. Work and
 * memory are bounded by `packetCount` and the input.
 * @throws UserError BAD_MESSAGE with what is wrong.
 */
export function decodeOrder(bytes: Uint8Array, packetCount: number): readonly Run[] {
  if (!Number.isInteger(packetCount) || packetCount < 0 || packetCount > MAX_PACKETS)
    throw new RangeError(`packetCount ${packetCount}`)
  const seen = new Uint8Array(Math.ceil(packetCount / 8))
  const runs: Run[] = []
  const numbers = new NumberReader(bytes)
  let expected = 0
  let total = 0
  while (!numbers.ended) {
    const zigzag = numbers.next()
    const first = expected + (zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2)
    const length = numbers.next() + 1
    if (zigzag === 0 && runs.length > 0) throw bad('has a run that continues the one before')
    if (first < 0 || first + length > packetCount) throw bad(`has a sequence outside 0 to ${packetCount - 1}`)
    total += length
    if (total > packetCount) throw bad(`has more than ${packetCount} packets`)
    for (let sequence = first; sequence < first + length; sequence++) {
      const index = sequence >>> 3
      const bit = 1 << (sequence & 7)
      const byte = seen[index] ?? 0
      if ((byte & bit) !== 0) throw bad(`has sequence ${sequence} twice`)
      seen[index] = byte | bit
    }
    runs.push({ first, length })
    expected = first + length
  }
  return runs
}

/**
 * The packets that an order says it has, at most `packetCount`, without unpacking it: work is bounded by the input. An
 * order that {@link decodeOrder} refuses counts with what it says up to there.
 */
export function declaredPackets(bytes: Uint8Array, packetCount: number): number {
  const numbers = new NumberReader(bytes)
  let total = 0
  try {
    while (!numbers.ended && total < packetCount) {
      numbers.next()
      total += numbers.next() + 1
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error
  }
  return Math.min(total, packetCount)
}

/** Packets in an order. */
export function orderLength(runs: readonly Run[]): number {
  let total = 0
  for (const run of runs) total += run.length
  return total
}

function bad(what: string): UserError {
  return new UserError(`the arrival order ${what}`, { code: 'BAD_MESSAGE' })
}
