/**
 * A train's bytes (docs/protocol.md section 6): packet seq carries bytes [1376 seq, 1376 (seq + 1)) of the
 * AES-128-CTR keystream under the first 16 bytes of SHA-256("plumbline/1/keystream" || seed). Whoever has the seed
 * recomputes what arrived: about 1 us a packet, 150 MB in about 0.1 s.
 */
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { type FastCrypto, fastCrypto, sha256 } from './fast/index.js'

export const SEED_BYTES = 32
const KEY_BYTES = 16
const KEY_TAG = utf8ToBytes('plumbline/1/keystream')
/** 86 AES blocks: packets begin at block boundaries. */
export const KEYSTREAM_PACKET_BYTES = 1376
const BLOCKS_PER_PACKET = KEYSTREAM_PACKET_BYTES / 16
/** sequence u32 || keystream: what one arrival adds to the running SHA-256. */
const RECORD_BYTES = 4 + KEYSTREAM_PACKET_BYTES
/** Records hashed by one native call: 88 KB, which stays in a core's second-level cache. */
const RECORDS_PER_CALL = 64

/** The AES-128 key of a seed. @throws RangeError where the seed has not 32 bytes. */
export function keystreamKey(seed: Uint8Array): Uint8Array {
  if (seed.length !== SEED_BYTES) throw new RangeError(`a seed has ${SEED_BYTES} bytes, not ${seed.length}`)
  const bytes = new Uint8Array(KEY_TAG.length + SEED_BYTES)
  bytes.set(KEY_TAG)
  bytes.set(seed, KEY_TAG.length)
  return sha256(bytes).subarray(0, KEY_BYTES)
}

/** The AES block at which a packet's keystream begins. */
export function firstBlock(sequence: number): number {
  return sequence * BLOCKS_PER_PACKET
}

/** The keystream of `packets` packets from `first` on, 1376 bytes each. */
export function keystreamPackets(
  seed: Uint8Array,
  first: number,
  packets: number,
  crypto: FastCrypto = fastCrypto().crypto,
): Uint8Array {
  const region = crypto.allocate(packets * KEYSTREAM_PACKET_BYTES)
  const keystream = crypto.createKeystream(keystreamKey(seed))
  try {
    keystream.seek(firstBlock(first))
    keystream.write(region, 0, packets * KEYSTREAM_PACKET_BYTES)
  } finally {
    keystream.free()
  }
  return region.bytes.subarray(0, packets * KEYSTREAM_PACKET_BYTES)
}

/**
 * SHA-256 of the first `counts[k]` arrivals (sequence || keystream each), for every k: what an honest prover's acks
 * commit to.
 *
 * @param runs consecutive sequences in the order of arrival, as pob/arrival-order.ts decodes them
 * @param counts any order; equal ones allowed; each a whole number from 0 to the number of arrivals
 * @returns digests[k] of 32 bytes for counts[k]; undefined where counts[k] exceeds the arrivals
 */
export function arrivalDigests(
  seed: Uint8Array,
  runs: Iterable<{ readonly first: number; readonly length: number }>,
  counts: readonly number[],
  crypto: FastCrypto = fastCrypto().crypto,
): readonly (Uint8Array | undefined)[] {
  const stops = [...new Set(counts)].sort((a, b) => a - b)
  const digests = new Map<number, Uint8Array>()
  const keystream = crypto.createKeystream(keystreamKey(seed))
  const hash = crypto.createSha256()
  const region = crypto.allocate(RECORDS_PER_CALL * RECORD_BYTES)
  const view = new DataView(region.bytes.buffer, region.bytes.byteOffset)
  let done = 0
  let stop = 0
  const record = (): void => {
    while (stop < stops.length && (stops[stop] ?? 0) <= done) {
      if (stops[stop] === done) digests.set(done, hash.snapshot())
      stop++
    }
  }
  try {
    record()
    for (const run of runs) {
      if (stop >= stops.length) break
      keystream.seek(firstBlock(run.first))
      let position = 0
      while (position < run.length && stop < stops.length) {
        const untilStop = (stops[stop] ?? 0) - done
        const records = Math.min(RECORDS_PER_CALL, run.length - position, untilStop)
        for (let i = 0; i < records; i++) {
          view.setUint32(i * RECORD_BYTES, run.first + position + i)
          keystream.write(region, i * RECORD_BYTES + 4, KEYSTREAM_PACKET_BYTES)
        }
        hash.update(region, 0, records * RECORD_BYTES)
        position += records
        done += records
        record()
      }
    }
  } finally {
    keystream.free()
    hash.free()
  }
  return counts.map((count) => digests.get(count))
}
