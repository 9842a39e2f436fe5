/** Where a peer may be reached, and how that is told to libp2p. */
import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { publicKeyOfPeerId } from '../crypto/identity.js'
import { remembering } from '../crypto/remember.js'
import { UserError } from '../errors.js'
import { libp2pPeerId } from './keys.js'

/**
 * A peer: its key with addresses, its id, or a multiaddr that ends with `/p2p/<id>`. The peer's key is always named:
 * whoever answers at an address must prove it.
 */
export type PeerTarget =
  | string
  | { readonly publicKey: Uint8Array; readonly addresses: readonly string[] }
  | { readonly peerId: string; readonly addresses: readonly string[] }

export interface ResolvedTarget {
  readonly peerId: PeerId
  /** May be empty: then known addresses and the DHT are asked. */
  readonly addresses: readonly Multiaddr[]
}

/** Dialling takes time and sockets; nobody needs more. */
const MAX_ADDRESSES = 8
/** Of those talked to again and again. */
const KNOWN_TARGETS = 256

/** @throws UserError BAD_ARGUMENT for anything that names no secp256k1 peer */
export function resolveTarget(target: PeerTarget): ResolvedTarget {
  if (typeof target === 'string') {
    if (!target.startsWith('/')) return { peerId: parsePeerId(target), addresses: [] }
    const name = /\/p2p\/([^/]+)$/.exec(target)?.[1]
    if (name === undefined)
      throw new UserError(`the address ${target} names no peer`, {
        code: 'BAD_ARGUMENT',
        remedy: 'end it with /p2p/ and the peer id',
      })
    return { peerId: parsePeerId(name), addresses: [parseMultiaddr(target)] }
  }
  const peerId = 'publicKey' in target ? libp2pPeerId(target.publicKey) : parsePeerId(target.peerId)
  const addresses = target.addresses.slice(0, MAX_ADDRESSES).flatMap((text) => {
    // Addresses come from others' announcements and registries: one that cannot be read is left out.
    try {
      const address = parseMultiaddr(text)
      const named = /\/p2p\/([^/]+)$/.exec(text)?.[1]
      if (named === undefined) return [multiaddr(`${text}/p2p/${peerId}`)]
      return named === peerId.toString() ? [address] : []
    } catch {
      return []
    }
  })
  return { peerId, addresses }
}

/** Whether the key is a point costs 0.5 ms: not with each message. */
const parsePeerId = remembering(KNOWN_TARGETS, (text): PeerId => {
  publicKeyOfPeerId(text)
  return peerIdFromString(text)
})

const parseMultiaddr = remembering(KNOWN_TARGETS, (text): Multiaddr => {
  try {
    return multiaddr(text)
  } catch (cause) {
    throw new UserError(`"${text.slice(0, 100)}" is no multiaddr`, {
      code: 'BAD_ARGUMENT',
      remedy: 'write it like /ip4/203.0.113.7/tcp/4021/p2p/16Uiu2...',
      cause,
    })
  }
})
