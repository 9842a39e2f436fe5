/**
 * libp2p peer ids of secp256k1 keys, without loading libp2p (which `verify` does not need).
 *
 * A key of 42 bytes or less is inlined: peer id = base58btc(identity multihash of the protobuf
 * `PublicKey { Type = 2 (Secp256k1), Data = 33 bytes }`).
 * Source: https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md
 */
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { UserError } from '../errors.js'
import { decodeBase58, encodeBase58 } from './base58.js'

/** Compressed SEC1 point. */
export const PUBLIC_KEY_BYTES = 33
/** identity multihash (0x00), 37 bytes; protobuf field 1 varint 2; field 2 of 33 bytes. */
const PREFIX = Uint8Array.of(0x00, 0x25, 0x08, 0x02, 0x12, 0x21)

/** @throws RangeError where the key has not 33 bytes. */
export function peerIdOfPublicKey(publicKey: Uint8Array): string {
  if (publicKey.length !== PUBLIC_KEY_BYTES)
    throw new RangeError(`a compressed public key has ${PUBLIC_KEY_BYTES} bytes, not ${publicKey.length}`)
  const bytes = new Uint8Array(PREFIX.length + PUBLIC_KEY_BYTES)
  bytes.set(PREFIX)
  bytes.set(publicKey, PREFIX.length)
  return encodeBase58(bytes)
}

/**
 * The compressed secp256k1 key inside a peer id.
 * @throws UserError BAD_ARGUMENT for another kind of key, a hash, or a point off the curve.
 */
export function publicKeyOfPeerId(peerId: string): Uint8Array {
  const bytes = decodeBase58(peerId)
  const key = bytes.subarray(PREFIX.length)
  const inlined =
    bytes.length === PREFIX.length + PUBLIC_KEY_BYTES && PREFIX.every((byte, i) => byte === bytes[i])
  if (!inlined || !secp256k1.utils.isValidPublicKey(key, true))
    throw new UserError(`"${peerId}" is not the peer id of a secp256k1 key`, {
      code: 'BAD_ARGUMENT',
      remedy: 'use the id that "plumbline status" or "plumbline keys list" prints (it starts with 16Uiu2)',
    })
  return key.slice()
}
