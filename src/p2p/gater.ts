/** Who may connect: nobody who is banned, and as relay clients only where we are a relay. */
import type { ConnectionGater, PeerId } from '@libp2p/interface'
import type { PeerScores } from './scores.js'

export interface GaterOptions {
  readonly isRelay: boolean
}

export function createGater(options: GaterOptions, scores: PeerScores): ConnectionGater {
  const banned = (peerId: PeerId): boolean => scores.isBanned(peerId.toString())
  return {
    denyDialPeer: banned,
    // After the handshake, for only then is the name proven.
    denyInboundEncryptedConnection: banned,
    denyOutboundEncryptedConnection: banned,
    denyInboundUpgradedConnection: banned,
    denyInboundRelayReservation: (source) => !options.isRelay || banned(source),
    denyOutboundRelayedConnection: (source, destination) => banned(source) || banned(destination),
    denyInboundRelayedConnection: (_relay, remote) => banned(remote),
  }
}
