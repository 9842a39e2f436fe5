/** Where a node serves, as it registers it. */
import { type Hex, stringToHex } from 'viem'
import { hostToBytes16 } from '../host.js'

export interface Endpoint {
  /** IPv4 or IPv6 literal. */
  readonly host: string
  /** 0 for a node without seats. */
  readonly udpPort: number
  /** 0 for a node without seats. */
  readonly uplinkKbps: number
  /** libp2p multiaddrs of the control plane; at most 8 of 200 bytes. */
  readonly addresses: readonly string[]
}

/** StakeRegistry.Endpoint. @throws UserError BAD_ARGUMENT for a host that is no IP address */
export function toChainEndpoint(endpoint: Endpoint): {
  readonly host: Hex
  readonly udpPort: number
  readonly uplinkKbps: number
  readonly addresses: Hex
} {
  const { host, udpPort, uplinkKbps, addresses } = endpoint
  return { host: hostToBytes16(host), udpPort, uplinkKbps, addresses: stringToHex(addresses.join('\n')) }
}
