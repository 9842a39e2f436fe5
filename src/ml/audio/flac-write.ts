/**
 * Writes FLAC (RFC 9639) of 16-bit samples: fixed predictors and partitioned Rice codes, which halve speech and lose
 * nothing. Channels are coded each by itself.
 */
import { createHash } from 'node:crypto'

const BLOCK_SAMPLES = 4096
/** Section 9.1.1: 256 x 2^(12 - 8) samples; and a size in 16 bits that follow, for the last block. */
const BLOCK_SIZE_CODE = 12
const BLOCK_SIZE_FOLLOWS = 7
/** Section 9.1.4, with the reserved bit behind it. */
const SIXTEEN_BITS = 4 << 1
const SAMPLE_BITS = 16
/** Section 9.1.2: rates that have a number of their own; others follow in 16 bits, so that a frame can be played by itself. */
const RATES: Readonly<Record<number, number>> = {
  88200: 1,
  176400: 2,
  192000: 3,
  8000: 4,
  16000: 5,
  22050: 6,
  24000: 7,
  32000: 8,
  44100: 9,
  48000: 10,
  96000: 11,
}
const RATE_FOLLOWS = 13
/** Those alone stand nowhere but in STREAMINFO. */
const MOST_RATE_IN_FRAME_HZ = 65_535
const MOST_ORDER = 4
const MOST_PARTITION_ORDER = 6
/** Of codes with a parameter of four bits: 15 says that bare numbers follow. */
const MOST_RICE_PARAMETER = 14
const MOST_CHANNELS = 8
/** Twenty bits of STREAMINFO. */
const MOST_SAMPLE_RATE_HZ = 2 ** 20 - 1
const STREAMINFO_BYTES = 34

/**
 * The whole file.
 * @param pcm16 little-endian samples, channels in turns
 * @throws RangeError for a rate or a number of channels that FLAC does not have, or a part of a sample
 */
export function writeFlac({
  sampleRate,
  pcm16,
  channels = 1,
}: {
  readonly sampleRate: number
  readonly pcm16: Uint8Array
  readonly channels?: number
}): Uint8Array {
  if (!Number.isInteger(sampleRate) || sampleRate < 1 || sampleRate > MOST_SAMPLE_RATE_HZ)
    throw new RangeError(`FLAC has no sample rate of ${sampleRate} Hz`)
  if (!Number.isInteger(channels) || channels < 1 || channels > MOST_CHANNELS)
    throw new RangeError(`FLAC has 1 to ${MOST_CHANNELS} channels, not ${channels}`)
  if (pcm16.length % (2 * channels) !== 0) throw new RangeError('the last sample is cut off')
  const frames = pcm16.length / (2 * channels)
  const view = new DataView(pcm16.buffer, pcm16.byteOffset, pcm16.length)
  const parts = [streamInfo(sampleRate, channels, frames, pcm16)]
  for (let number = 0, at = 0; at < frames; number++, at += BLOCK_SAMPLES) {
    const size = Math.min(BLOCK_SAMPLES, frames - at)
    const blocks = Array.from({ length: channels }, (_, channel) =>
      Int32Array.from({ length: size }, (_, i) => view.getInt16(2 * ((at + i) * channels + channel), true)),
    )
    parts.push(frame(number, blocks, { size, sampleRate }))
  }
  return new Uint8Array(Buffer.concat(parts))
}

/** The mark and the one block of metadata (sections 6 and 8.2). */
function streamInfo(sampleRate: number, channels: number, frames: number, pcm16: Uint8Array): Uint8Array {
  const out = new Uint8Array(8 + STREAMINFO_BYTES)
  const view = new DataView(out.buffer)
  out.set(new TextEncoder().encode('fLaC'))
  // The last block of metadata, and its length.
  view.setUint32(4, 0x8000_0000 | STREAMINFO_BYTES)
  view.setUint16(8, BLOCK_SAMPLES)
  view.setUint16(10, BLOCK_SAMPLES)
  const layout =
    (BigInt(sampleRate) << 44n) | (BigInt(channels - 1) << 41n) | (BigInt(SAMPLE_BITS - 1) << 36n)
  view.setBigUint64(18, layout | BigInt(frames))
  out.set(createHash('md5').update(pcm16).digest(), 26)
  return out
}

/** Section 9: header, a subframe for each channel, and their sums. */
function frame(
  number: number,
  blocks: readonly Int32Array[],
  { size, sampleRate }: { readonly size: number; readonly sampleRate: number },
): Uint8Array {
  const rate = RATES[sampleRate] ?? (sampleRate <= MOST_RATE_IN_FRAME_HZ ? RATE_FOLLOWS : 0)
  const bits = new BitWriter(32 + blocks.length * (2 * size + 2))
  bits.write(0xfff8, 16)
  bits.write(size === BLOCK_SAMPLES ? BLOCK_SIZE_CODE : BLOCK_SIZE_FOLLOWS, 4)
  bits.write(rate, 4)
  bits.write(blocks.length - 1, 4)
  bits.write(SIXTEEN_BITS, 4)
  writeNumber(bits, number)
  if (size !== BLOCK_SAMPLES) bits.write(size - 1, 16)
  if (rate === RATE_FOLLOWS) bits.write(sampleRate, 16)
  bits.write(checksum(bits.bytes(), CRC8, 8), 8)
  for (const block of blocks) writeSubframe(bits, block)
  bits.align()
  bits.write(checksum(bits.bytes(), CRC16, 16), 16)
  return bits.bytes()
}

/** Section 9.1.5: as UTF-8 codes a character, up to 31 bits. */
function writeNumber(bits: BitWriter, number: number): void {
  if (number < 0x80) {
    bits.write(number, 8)
    return
  }
  let more = 1
  while (number >= 2 ** (5 * more + 6)) more++
  // As many ones as there are bytes, a zero, and the uppermost bits.
  bits.write(((0xff << (7 - more)) & 0xff) | (number >> (6 * more)), 8)
  for (let i = more - 1; i >= 0; i--) bits.write(0x80 | ((number >> (6 * i)) & 0x3f), 8)
}

/** Section 9.2: the cheapest of a constant, a fixed predictor's residuals, and the samples themselves. */
function writeSubframe(bits: BitWriter, block: Int32Array): void {
  const [first = 0] = block
  if (block.every((sample) => sample === first)) {
    bits.write(0, 8)
    bits.write(first, SAMPLE_BITS)
    return
  }
  const { order, residual } = predicted(block)
  const code = riceCode(residual, order, block.length)
  if (order * SAMPLE_BITS + code.bits >= block.length * SAMPLE_BITS) {
    bits.write(0b10, 8)
    for (const sample of block) bits.write(sample, SAMPLE_BITS)
    return
  }
  bits.write((0b001000 | order) << 1, 8)
  for (const sample of block.subarray(0, order)) bits.write(sample, SAMPLE_BITS)
  bits.write(0, 2)
  bits.write(code.partitionOrder, 4)
  let at = order
  for (const { parameter, end } of code.partitions) {
    bits.write(parameter, 4)
    for (; at < end; at++) bits.rice(folded(residual[at] ?? 0), parameter)
  }
}

/** Section 9.2.5: each order's residual is the difference of the one before; the smallest sum is likely the fewest bits. */
function predicted(block: Int32Array): { readonly order: number; readonly residual: Int32Array } {
  let residual = block
  let best = { order: 0, residual, sum: Number.POSITIVE_INFINITY }
  for (let order = 0; order <= Math.min(MOST_ORDER, block.length - 1); order++) {
    if (order > 0) {
      const before = residual
      residual = before.map((value, i) => (i < order ? value : value - (before[i - 1] ?? 0)))
    }
    let sum = 0
    for (let i = order; i < residual.length; i++) sum += Math.abs(residual[i] ?? 0)
    if (sum < best.sum) best = { order, residual, sum }
  }
  return best
}

interface RiceCode {
  readonly partitionOrder: number
  readonly partitions: readonly { readonly parameter: number; readonly end: number }[]
  /** All of it. */
  readonly bits: number
}

/** Section 9.2.7: the partition order that takes the fewest bits, each partition with the parameter that does. */
function riceCode(residual: Int32Array, order: number, size: number): RiceCode {
  let best: RiceCode | undefined
  for (let partitionOrder = 0; partitionOrder <= MOST_PARTITION_ORDER; partitionOrder++) {
    const length = size >> partitionOrder
    if (length << partitionOrder !== size || length <= order) break
    let bits = 6
    const partitions = Array.from({ length: 1 << partitionOrder }, (_, i) => {
      const end = (i + 1) * length
      const cheapest = riceParameter(residual, i === 0 ? order : i * length, end)
      bits += 4 + cheapest.bits
      return { parameter: cheapest.parameter, end }
    })
    if (best === undefined || bits < best.bits) best = { partitionOrder, partitions, bits }
  }
  if (best === undefined) throw new Error('a block shorter than its predictor')
  return best
}

function riceParameter(
  residual: Int32Array,
  start: number,
  end: number,
): { readonly parameter: number; readonly bits: number } {
  let sum = 0
  for (let i = start; i < end; i++) sum += folded(residual[i] ?? 0)
  // The logarithm of the mean, or one of its neighbours.
  const near = Math.max(0, Math.floor(Math.log2((sum + 1) / Math.max(1, end - start))))
  let best = { parameter: 0, bits: Number.POSITIVE_INFINITY }
  for (let parameter = Math.max(0, near - 1); parameter <= near + 1; parameter++) {
    if (parameter > MOST_RICE_PARAMETER) break
    let bits = (end - start) * (1 + parameter)
    for (let i = start; i < end; i++) bits += folded(residual[i] ?? 0) >>> parameter
    if (bits < best.bits) best = { parameter, bits }
  }
  return best.bits === Number.POSITIVE_INFINITY ? { parameter: MOST_RICE_PARAMETER, bits: best.bits } : best
}

/** 0, -1, 1, -2, ... as 0, 1, 2, 3, ... */
const folded = (value: number): number => (value << 1) ^ (value >> 31)

const CRC8 = tableOf(8, 0x07)
const CRC16 = tableOf(16, 0x8005)

function tableOf(bits: number, polynomial: number): Uint16Array {
  const [top, mask] = [1 << (bits - 1), 2 ** bits - 1]
  return Uint16Array.from({ length: 256 }, (_, byte) => {
    let sum = byte << (bits - 8)
    for (let i = 0; i < 8; i++) sum = ((sum << 1) ^ ((sum & top) === 0 ? 0 : polynomial)) & mask
    return sum
  })
}

function checksum(bytes: Uint8Array, table: Uint16Array, bits: number): number {
  let sum = 0
  for (const byte of bytes)
    sum = ((sum << 8) ^ (table[((sum >> (bits - 8)) ^ byte) & 0xff] ?? 0)) & (2 ** bits - 1)
  return sum
}

/** The most significant bit first. */
class BitWriter {
  readonly #out: Uint8Array
  #bits = 0

  constructor(mostBytes: number) {
    this.#out = new Uint8Array(mostBytes)
  }

  /** @param count up to 24; of a negative value as many bits of its two's complement */
  write(value: number, count: number): void {
    for (let left = count; left > 0; ) {
      const room = 8 - (this.#bits & 7)
      const taken = Math.min(room, left)
      const piece = (value >> (left - taken)) & ((1 << taken) - 1)
      const at = this.#bits >> 3
      this.#out[at] = (this.#out[at] ?? 0) | (piece << (room - taken))
      this.#bits += taken
      left -= taken
    }
  }

  /** So many zeros as the upper bits say, a one, and the lower bits. */
  rice(value: number, parameter: number): void {
    this.#bits += value >>> parameter
    this.write(1, 1)
    this.write(value, parameter)
  }

  align(): void {
    this.#bits = (this.#bits + 7) & ~7
  }

  /** Whole ones. */
  bytes(): Uint8Array {
    return this.#out.subarray(0, this.#bits >> 3)
  }
}
