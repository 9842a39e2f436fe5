/** Which flag sets which value of the configuration, and how a mistake in one is told: by the flag's name. */
import { UserError } from '../errors.js'
import { badArgument } from './option.js'

/** Flag by configuration path. */
export const CONFIG_FLAGS: Readonly<Record<string, string>> = {
  'network.listen': 'listen',
  'network.announce': 'announce',
  'network.bootstrap': 'bootstrap',
  'network.relays': 'relays',
  'registry.path': 'registry',
  'dataPlane.backend': 'backend',
  'dataPlane.udpPort': 'udp-port',
  'metrics.port': 'metrics-port',
  'prover.claimMbps': 'claim',
  'prover.maxClaimMbps': 'max-claim',
  'prover.allowList': 'allow',
  'prover.dataCapGiBPerMonth': 'data-cap',
  'prover.quietHours': 'quiet-hours',
  'prover.minIntervalSeconds': 'min-interval',
  'inference.provider.models': 'sell',
  'challenger.uplinkMbps': 'uplink',
  'challenger.operator': 'operator',
  'chain.rpcUrls': 'rpc',
  'chain.chainId': 'chain-id',
  'chain.addresses': 'addresses',
  'chain.maxFeePerGasGwei': 'max-fee',
  'chain.confirmations': 'confirmations',
}

/** A refused value that came from a flag is wrong usage, and is told by the flag's name; anything else stays as it is. */
export function asUsageError(error: unknown): unknown {
  if (!(error instanceof UserError) || error.code !== 'BAD_CONFIG') return error
  const [, path = '', what = ''] = /^command line: ([\w.]+)(?:\[\d+\])*: (.+)$/s.exec(error.message) ?? []
  const flag = CONFIG_FLAGS[path]
  return flag === undefined ? error : badArgument(`--${flag}: ${what}`, error.remedy)
}
