/** Between our identity and libp2p's notion of it. */
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { PeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Identity, peerIdOfPublicKey } from '../crypto/identity.js'

/** libp2p keeps the bytes it is given, so it gets a copy of its own. */
export function libp2pPrivateKey(identity: Identity): PrivateKey {
  return identity.withSecret((secret) => privateKeyFromRaw(secret.slice()))
}

/** The compressed key of an authenticated peer; undefined for peers with other kinds of key, which we do not serve. */
export function publicKeyOfRemote(peerId: PeerId): Uint8Array | undefined {
  return peerId.publicKey?.type === 'secp256k1' ? new Uint8Array(peerId.publicKey.raw) : undefined
}

export function libp2pPeerId(publicKey: Uint8Array): PeerId {
  return peerIdFromString(peerIdOfPublicKey(publicKey))
}
