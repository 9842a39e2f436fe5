/** FLAC (RFC 9639) of digital silence: a few bytes a frame, however long. */

const BLOCK_SAMPLES = 512
/** Codes of the frame header (RFC 9639, section 9.1): block size in 16 bits that follow, 16 kHz, 16 bits a sample. */
const BLOCK_SIZE_AND_RATE = 0x75
const SAMPLE_BITS = 0x08
const SAMPLE_RATE = 16_000

/** @param channels 1 or 2, each a constant subframe of zero */
export function silentFlac(seconds: number, channels: 1 | 2 = 1): Buffer {
  const samples = seconds * SAMPLE_RATE
  const info = Buffer.alloc(34)
  info.writeUInt16BE(BLOCK_SAMPLES, 0)
  info.writeUInt16BE(BLOCK_SAMPLES, 2)
  const layout = (BigInt(SAMPLE_RATE) << 44n) | (BigInt(channels - 1) << 41n) | (15n << 36n)
  info.writeBigUInt64BE(layout | BigInt(samples), 10)
  const parts = [Buffer.from('fLaC'), Buffer.from([0x80, 0, 0, info.length]), info]
  for (let frame = 0; frame * BLOCK_SAMPLES < samples; frame++) {
    const last = Math.min(BLOCK_SAMPLES, samples - frame * BLOCK_SAMPLES) - 1
    const head = Buffer.from([
      ...[0xff, 0xf8, BLOCK_SIZE_AND_RATE, ((channels - 1) << 4) | SAMPLE_BITS],
      ...numbered(frame),
      ...[last >> 8, last & 0xff],
    ])
    const silence = Buffer.alloc(3 * channels)
    const body = Buffer.concat([head, Buffer.from([crc(head, 8, 0x07)]), silence])
    const sum = crc(body, 16, 0x8005)
    parts.push(body, Buffer.from([sum >> 8, sum & 0xff]))
  }
  return Buffer.concat(parts)
}

/** As UTF-8 codes a character. */
const numbered = (frame: number): Buffer => Buffer.from(String.fromCodePoint(frame))

function crc(bytes: Uint8Array, bits: number, polynomial: number): number {
  const [top, mask] = [1 << (bits - 1), 2 ** bits - 1]
  let sum = 0
  for (const byte of bytes) {
    sum ^= byte << (bits - 8)
    for (let bit = 0; bit < 8; bit++) sum = ((sum << 1) ^ ((sum & top) === 0 ? 0 : polynomial)) & mask
  }
  return sum
}
