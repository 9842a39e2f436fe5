/** Addresses of parties named by public key. */
import { addressBytes, addressOfPublicKey } from '../crypto/address.js'

/** 20 bytes. @throws where the key is no curve point. */
export function addressBytesOf(publicKey: Uint8Array): Uint8Array {
  return addressBytes(addressOfPublicKey(publicKey))
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
