/** The beacon of tests that draw jobs, whose rounds and epochs follow from its start. */
import { localBeacon } from '../../../../src/crypto/beacon.js'

/** Unix seconds. */
export const START = 1_900_000_000
const secret = new Uint8Array(32).fill(9)
secret[0] = 1
export const beacon = localBeacon(secret, { genesisTimeSeconds: START - 1000, periodSeconds: 3 })
