/** The registry snapshot and the beacon round that a new challenge may name. */
import { hexToBytes } from 'viem'
import { type BeaconInfo, firstRoundFrom, timeOfRound } from '../../crypto/beacon.js'
import { UserError } from '../../errors.js'
import { type Chain, DEVELOPMENT_CHAINS } from '../chain.js'
import { stakeRegistryAbi } from '../generated/stake-registry.js'
import { explainChainError } from '../reverts.js'

export interface Snapshot {
  /** Unix seconds. */
  readonly snapshot: number
  /** 32 bytes: the request's registryHash. */
  readonly registryHash: Uint8Array
}

/** The youngest second whose registry state a challenge may draw from, and that state's name. */
export async function chooseSnapshot(chain: Chain): Promise<Snapshot> {
  // The block that opens the challenge is not older than this one.
  const { timestamp } = await chain.clock()
  const snapshot = timestamp - chain.terms.activationDelaySeconds
  return { snapshot, registryHash: await readSnapshotHash(chain, snapshot) }
}

/** The name of a past state, from the contract. */
export async function readSnapshotHash(chain: Chain, snapshot: number): Promise<Uint8Array> {
  try {
    const hash = await chain.client.readContract({
      address: chain.deployment.contracts.stakeRegistry,
      abi: stakeRegistryAbi,
      functionName: 'snapshotHash',
      args: [snapshot],
    })
    return hexToBytes(hash)
  } catch (error) {
    throw explainChainError(error, 'reading the registry snapshot')
  }
}

export interface ChosenRound {
  readonly round: number
  /** Unix seconds. */
  readonly roundTime: number
  /** The latest expiry that the contract and the protocol permit. */
  readonly expiresAt: number
}

/** From asking the prover to the block that opens the challenge. */
const INCLUSION_SECONDS = 15
const DEVELOPMENT_INCLUSION_SECONDS = 3
/** A request's life is limited to this by docs/protocol.md section 2. */
const MAX_LIFE_SECONDS = 600
/** Clocks of chain and members may differ. */
const CLOCK_ROOM_SECONDS = 10

/**
 * The earliest round that is still permitted once the opening transaction is mined.
 * @param inclusionSeconds how long that may take
 * @throws UserError UNAVAILABLE where the beacon's rounds are too far apart for the chain's limits
 */
export async function chooseRound(
  chain: Chain,
  beacon: BeaconInfo,
  options: { readonly inclusionSeconds?: number; readonly nowSeconds?: number } = {},
): Promise<ChosenRound> {
  const isDevelopment = DEVELOPMENT_CHAINS.includes(chain.chainId)
  const inclusion =
    options.inclusionSeconds ?? (isDevelopment ? DEVELOPMENT_INCLUSION_SECONDS : INCLUSION_SECONDS)
  const { timestamp } = await chain.clock()
  const now = Math.max(timestamp, Math.floor(options.nowSeconds ?? Date.now() / 1000))
  const round = firstRoundFrom(beacon, now + chain.terms.driftMarginSeconds + inclusion)
  const roundTime = timeOfRound(beacon, round)
  if (roundTime > now + chain.terms.maxLeadSeconds)
    throw new UserError(
      `the beacon's next round after the drift margin is ${roundTime - now} s ahead, the chain permits ${chain.terms.maxLeadSeconds} s`,
      { code: 'UNAVAILABLE', remedy: 'use a beacon with a shorter period' },
    )
  const life = Math.min(chain.terms.maxLifeSeconds, MAX_LIFE_SECONDS - (roundTime - now) - CLOCK_ROOM_SECONDS)
  return { round, roundTime, expiresAt: roundTime + Math.max(1, life) }
}
