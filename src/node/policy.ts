/** The prover operator's own terms: who may ask, when, how often, and how much data a month. */

import { fitsDataCap, monthKey, remainingBytes } from '../config/data-cap.js'
import { parseQuietRange, quietUntil } from '../config/quiet-hours.js'
import type { Config } from '../config/schema.js'
import { addressOfPublicKey } from '../crypto/address.js'
import { peerIdOfPublicKey } from '../crypto/peer-id.js'
import type { AdmissionPolicy } from '../roles/prover.js'
import type { Store } from '../store/index.js'

const BYTES_PER_GIB = 2 ** 30
/** An operator who states a line of so much does not expect challenges far beyond it. */
const MAX_CLAIM_OVER_CLAIM = 2

/** Kept in the store: a restart is no way around the interval. */
const LAST_BEGAN = 'prover-last-accepted-ms'

/** Builds the policy; `now` in milliseconds since the Unix epoch. */
export function operatorPolicy(config: Config['prover'], store: Store, now: () => number): AdmissionPolicy {
  const ranges = config.quietHours.map(parseQuietRange)
  const maxClaimMbps =
    config.maxClaimMbps ??
    (config.claimMbps === undefined ? Number.POSITIVE_INFINITY : MAX_CLAIM_OVER_CLAIM * config.claimMbps)
  const intervalMs = config.minIntervalSeconds * 1000
  const refusal: AdmissionPolicy['refusal'] = async ({ payer, coordinator, claimKbps, maxBytes }) => {
    const date = new Date(now())
    const names = [payer, coordinator].flatMap((key) => [peerIdOfPublicKey(key), addressOfPublicKey(key)])
    if (config.allowList.length > 0 && !config.allowList.some((allowed) => names.includes(allowed)))
      return "the payer is not on this operator's allow-list"
    const quiet = quietUntil(ranges, date)
    if (quiet !== undefined) return `quiet hours until ${quiet.toTimeString().slice(0, 5)} local time`
    if (claimKbps > maxClaimMbps * 1000) return `claims above ${maxClaimMbps} Mbit/s are not served here`
    const lastBeganMs = Number((await store.getMetadata(LAST_BEGAN)) ?? Number.NEGATIVE_INFINITY)
    // A clock that was set back makes nobody wait longer than the interval.
    const waitMs = Math.min(intervalMs, lastBeganMs + intervalMs - now())
    if (waitMs > 0)
      return `one challenge every ${config.minIntervalSeconds} s; try again in ${Math.ceil(waitMs / 1000)} s`
    const cap = {
      capGiBPerMonth: config.dataCapGiBPerMonth,
      usedBytes: await store.usage.get(monthKey(date)),
    }
    if (!fitsDataCap(cap, maxBytes)) {
      const [need, have] = [maxBytes, remainingBytes(cap)].map((bytes) => (bytes / BYTES_PER_GIB).toFixed(2))
      return `the operator's data cap leaves ${have} GiB this month, the challenge may need ${need} GiB`
    }
    return undefined
  }
  return {
    refusal,
    began: () => store.setMetadata(LAST_BEGAN, String(now())),
  }
}
