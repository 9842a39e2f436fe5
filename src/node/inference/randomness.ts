/** The beacon's randomness of a round that is due, verified; the newest few are remembered. */
import { beaconOf } from '../../config/beacon.js'
import type { Config } from '../../config/schema.js'
import { type BeaconInfo, randomnessOf } from '../../crypto/beacon.js'
import { BeaconClient } from '../../p2p/beacon-client.js'

export interface Randomness {
  readonly beacon: BeaconInfo
  /** @throws UserError UNAVAILABLE where no server has it */
  of(round: number, signal?: AbortSignal): Promise<Uint8Array>
}

/** Of all epochs of a day, which auditors draw from: receipts in any order of dates ask a server for each of them once. */
const REMEMBERED = 4096

/** @throws UserError BAD_CONFIG */
export function openRandomness(config: Config): Randomness {
  const info = beaconOf(config.beacon)
  const client = new BeaconClient({ info, urls: config.beacon.urls })
  const known = new Map<number, Uint8Array>()
  return {
    beacon: info,
    of: async (round, signal) => {
      const remembered = known.get(round)
      if (remembered !== undefined) return remembered
      const randomness = randomnessOf(await client.round(round, signal))
      known.set(round, randomness)
      const [oldest] = known.keys()
      if (known.size > REMEMBERED && oldest !== undefined) known.delete(oldest)
      return randomness
    },
  }
}
