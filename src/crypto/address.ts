/** EVM addresses: the last 20 bytes of keccak256 of the uncompressed key, in EIP-55 mixed case. */
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, hexToBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { UserError } from '../errors.js'
import { remembering } from './remember.js'

export type Address = `0x${string}`
export const ADDRESS_BYTES = 20
/** Some 200 bytes each: all providers that a client hears of, and more. */
const KNOWN_KEYS = 4096

/** EIP-55: a hex letter is upper case where the keccak of the lower-case text has a nibble >= 8. */
export function checksumAddress(bytes: Uint8Array): Address {
  if (bytes.length !== ADDRESS_BYTES) throw new RangeError(`an address has 20 bytes, not ${bytes.length}`)
  const hex = bytesToHex(bytes)
  const hash = bytesToHex(keccak_256(utf8ToBytes(hex)))
  let text = ''
  for (let i = 0; i < hex.length; i++) {
    const letter = hex.charAt(i)
    text += Number.parseInt(hash.charAt(i), 16) >= 8 ? letter.toUpperCase() : letter
  }
  return `0x${text}`
}

/** @throws an error from the curve where the bytes are no point (33 or 65 bytes SEC1). */
export function addressOfPublicKey(publicKey: Uint8Array): Address {
  return addressOfHexKey(bytesToHex(publicKey))
}

/** The square root costs 0.5 ms, and one peer's key is asked for with each of its messages. */
const addressOfHexKey = remembering(KNOWN_KEYS, (key): Address => {
  const uncompressed = secp256k1.Point.fromHex(key).toBytes(false)
  return checksumAddress(keccak_256(uncompressed.subarray(1)).subarray(12))
})

/**
 * Reads an address: all lower case, all upper case, or with a correct EIP-55 checksum.
 * @throws UserError BAD_ARGUMENT otherwise.
 */
export function parseAddress(text: string): Address {
  if (!/^0x[0-9a-fA-F]{40}$/.test(text))
    throw new UserError(`"${text.slice(0, 64)}" is no EVM address`, {
      code: 'BAD_ARGUMENT',
      remedy: 'write 0x and 40 hexadecimal digits',
    })
  const checksummed = checksumAddress(hexToBytes(text.slice(2)))
  const digits = text.slice(2)
  const mixed = digits !== digits.toLowerCase() && digits !== digits.toUpperCase()
  if (mixed && checksummed !== text)
    throw new UserError(`address ${text} has a wrong checksum`, {
      code: 'BAD_ARGUMENT',
      remedy: 'copy it again: a letter was mistyped',
    })
  return checksummed
}

/** The 20 bytes of an address, checksum verified. @throws UserError BAD_ARGUMENT */
export function addressBytes(address: string): Uint8Array {
  return hexToBytes(parseAddress(address).slice(2))
}
