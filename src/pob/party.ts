/** Addresses of parties named by public key. */
import { addressBytes, addressOfPublicKey } from '../crypto/address.js'

const PUBLIC_KEY_BYTES = 33

/** 20 bytes. @throws where the key is no curve point. */
export function addressBytesOf(publicKey: Uint8Array): Uint8Array {
  return addressBytes(addressOfPublicKey(publicKey))
}

/** Whether 33 bytes are a compressed point of the curve: others name nobody. About 0.1 ms. */
export function isPublicKey(bytes: Uint8Array): boolean {
  try {
    addressOfPublicKey(bytes)
    return bytes.length === PUBLIC_KEY_BYTES
  } catch {
    return false
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
