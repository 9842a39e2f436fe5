/** The beacon that the configuration names, as the protocol's `BeaconInfo`. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { type BeaconInfo, localChainHash, QUICKNET } from '../crypto/beacon.js'
import { UserError } from '../errors.js'
import type { Config } from './schema.js'

const bytesOf = (hex: string): Uint8Array => hexToBytes(hex.replace(/^0x/, '').toLowerCase())

/**
 * The trusted beacon. Without parameters of its own a `drand` beacon is quicknet.
 * @throws UserError BAD_CONFIG for incomplete parameters, or a local chain hash that does not match them.
 */
export function beaconOf(beacon: Config['beacon']): BeaconInfo {
  const { kind, chainHash, publicKey, genesisTimeSeconds, periodSeconds } = beacon
  const given = [publicKey, genesisTimeSeconds, periodSeconds].filter((each) => each !== undefined).length
  const isQuicknet =
    chainHash === undefined || bytesToHex(bytesOf(chainHash)) === bytesToHex(QUICKNET.chainHash)
  if (kind === 'drand' && given === 0 && isQuicknet) return QUICKNET
  if (publicKey === undefined || genesisTimeSeconds === undefined || periodSeconds === undefined)
    throw incomplete(kind)
  const parameters = { publicKey: bytesOf(publicKey), genesisTimeSeconds, periodSeconds }
  if (kind === 'drand') {
    if (chainHash === undefined) throw incomplete(kind)
    return { kind, chainHash: bytesOf(chainHash), ...parameters }
  }
  const computed = localChainHash(parameters)
  if (chainHash !== undefined && bytesToHex(bytesOf(chainHash)) !== bytesToHex(computed))
    throw new UserError('beacon.chainHash does not belong to the other parameters of the local beacon', {
      code: 'BAD_CONFIG',
      remedy: `remove it, or write ${bytesToHex(computed)}`,
    })
  return { kind, chainHash: computed, ...parameters }
}

/** The mistake in a beacon's parameters, if any. */
export function beaconProblem(beacon: Config['beacon']): UserError | undefined {
  try {
    beaconOf(beacon)
    return undefined
  } catch (error) {
    if (error instanceof UserError) return error
    throw error
  }
}

function incomplete(kind: 'drand' | 'local'): UserError {
  const wanted = kind === 'drand' ? 'chainHash, publicKey' : 'publicKey'
  return new UserError(
    `a ${kind} beacon of its own needs beacon.${wanted}, genesisTimeSeconds and periodSeconds`,
    {
      code: 'BAD_CONFIG',
      remedy:
        kind === 'drand' ? 'give all four, or none for quicknet' : 'copy them from the beacon you trust',
    },
  )
}
