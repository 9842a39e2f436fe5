/** Amounts of a channel: 96 bits as the contract has them, 12 bytes big-endian on the wire and on the disk. */
import type { Schema } from '../../crypto/cbor-schema.js'
import { UserError } from '../../errors.js'

export const WEI_BYTES = 12
export const MAX_WEI = 2n ** 96n - 1n

/** @throws RangeError for what has more than 96 bits or is negative: a bug of the caller */
export function weiToBytes(wei: bigint): Uint8Array {
  if (wei < 0n || wei > MAX_WEI) throw new RangeError(`${wei} wei do not fit 96 bits`)
  const bytes = new Uint8Array(WEI_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, Number(wei >> 64n))
  view.setBigUint64(4, wei & 0xffff_ffff_ffff_ffffn)
  return bytes
}

/** Reads the 12 bytes. */
export const weiSchema: Schema<bigint> = {
  read: (value, path) => {
    if (!(value instanceof Uint8Array) || value.length !== WEI_BYTES)
      throw new UserError(`${path}: expected ${WEI_BYTES} bytes of an amount`, { code: 'BAD_MESSAGE' })
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
    return (BigInt(view.getUint32(0)) << 64n) | view.getBigUint64(4)
  },
}

export const largest = (a: bigint, b: bigint): bigint => (a > b ? a : b)
export const smallest = (a: bigint, b: bigint): bigint => (a < b ? a : b)

/** The one that there is, where there is only one. */
export const smaller = (a: bigint | undefined, b: bigint | undefined): bigint | undefined =>
  a === undefined || b === undefined ? (a ?? b) : smallest(a, b)
