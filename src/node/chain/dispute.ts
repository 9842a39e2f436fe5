/** Raises a dispute with what transcripts or fault proofs show: anybody who holds them may, and is paid a part of what is slashed. */
import { setTimeout as sleep } from 'node:timers/promises'
import { concat, type Hex, keccak256, stringToHex, toHex } from 'viem'
import {
  announceFault,
  type Chain,
  type FaultReport,
  type Mined,
  type ProvenFault,
  proveAckLists,
  proveResults,
  proveSeed,
  proveTestimonies,
  readCommittee,
  reclaimReportBond,
} from '../../chain/index.js'
import type { Address } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import { sameBytes } from '../../pob/party.js'
import type { FaultScope, ProvableFault } from '../../pob/provable-faults.js'

/** Coordinators have no stake: what two plans prove, the contracts do not take. */
export type DisputableFault = Exclude<ProvableFault, { readonly kind: 'plans' }>

export function isDisputable(fault: ProvableFault): fault is DisputableFault {
  return fault.kind !== 'plans'
}

export interface RaisedDispute {
  readonly fault: DisputableFault
  readonly announced: Mined | undefined
  /** Undefined where the chain has a proof of a fault of the accused in this challenge already. */
  readonly proven: ProvenFault | undefined
  /** The bond of an announcement of ours that somebody else's proof overtook. */
  readonly reclaimed: Mined | undefined
}

/**
 * Announces a fault and proves it in a later block; called again after a crash it goes on where it was. Where somebody
 * else was first, the announcement's bond is taken back.
 * @throws UserError where the challenge is another chain's, its committee is not fixed, or the contract refuses the proof
 */
export async function raiseDispute(
  chain: Chain,
  search: FaultScope,
  fault: DisputableFault,
  signal?: AbortSignal,
): Promise<RaisedDispute> {
  const { domain } = chain
  if (search.chainId !== domain.chainId || !sameBytes(search.verifyingContract, domain.verifyingContract))
    throw new UserError(
      `the challenge is of chain ${search.chainId}, contract ${toHex(search.verifyingContract)}; this is chain ` +
        `${domain.chainId}, contract ${toHex(domain.verifyingContract)}`,
      { code: 'BAD_ARGUMENT', remedy: 'name the chain that the challenge settles on', exitStatus: 2 },
    )
  const challengeId = toHex(search.challengeId)
  const fixed = await readCommittee(chain, challengeId)
  if (fixed === undefined)
    throw new UserError('the chain has no committee of this challenge', {
      code: 'NOT_FOUND',
      remedy: 'faults can be proven from the moment the committee is fixed',
    })
  const { accused } = fault
  const salt = await saltOf(chain, challengeId, accused)
  const announced = await announce(chain, { challengeId, accused, salt }, signal)
  while (announced !== undefined && (await chain.clock()).blockNumber <= announced.blockNumber) {
    signal?.throwIfAborted()
    await sleep(chain.pollMs)
  }
  const committee = fault.kind === 'ack-lists' ? [] : fixed.committee
  try {
    const proven = await prove(chain, { challengeId, accused, salt, committee }, fault, signal)
    return { fault, announced, proven, reclaimed: undefined }
  } catch (error) {
    // The announcement is gone where an earlier call of ours proved the fault.
    if (!isRevert(error, 'AlreadyFaulty') && !isRevert(error, 'NotAnnounced')) throw error
    const reclaimed = await reclaim(chain, { challengeId, accused, salt }, signal)
    if (reclaimed === undefined && isRevert(error, 'AlreadyFaulty')) throw error
    return { fault, announced, proven: undefined, reclaimed }
  }
}

interface Report {
  readonly challengeId: Hex
  readonly accused: Address
  readonly salt: Hex
}

const isRevert = (error: unknown, name: string): boolean =>
  error instanceof UserError && error.details.revert === name

/** Secret until the proof, and the same after a restart: nothing has to be kept for the bond to be found again. */
async function saltOf(chain: Chain, challengeId: Hex, accused: Address): Promise<Hex> {
  const { account } = chain
  if (account?.sign === undefined)
    throw new UserError('a dispute needs a key that pays for it', {
      code: 'BAD_KEY',
      remedy: 'open the chain with the account that reports',
    })
  const where = concat([toHex(chain.chainId), chain.deployment.contracts.disputeGame])
  const what = keccak256(concat([stringToHex('plumbline/1/report'), where, challengeId, accused]))
  return keccak256(await account.sign({ hash: what }))
}

/** Undefined where an announcement of ours is there from before. */
async function announce(
  chain: Chain,
  report: Report,
  signal: AbortSignal | undefined,
): Promise<Mined | undefined> {
  try {
    return await announceFault(chain, report, { signal })
  } catch (error) {
    if (isRevert(error, 'AlreadyAnnounced')) return undefined
    throw error
  }
}

/** Undefined where no announcement of ours is open. */
async function reclaim(
  chain: Chain,
  report: Report,
  signal: AbortSignal | undefined,
): Promise<Mined | undefined> {
  try {
    return await reclaimReportBond(chain, report, { signal })
  } catch (error) {
    if (isRevert(error, 'NotAnnounced')) return undefined
    // Nobody proved it: the proof's own error is the one to tell.
    throw error
  }
}

function prove(
  chain: Chain,
  report: FaultReport,
  fault: DisputableFault,
  signal: AbortSignal | undefined,
): Promise<ProvenFault> {
  switch (fault.kind) {
    case 'seed':
      return proveSeed(chain, { report, ...fault }, { signal })
    case 'testimonies':
      return proveTestimonies(chain, { report, ...fault }, { signal })
    case 'results':
      return proveResults(chain, { report, ...fault }, { signal })
    case 'ack-lists':
      return proveAckLists(chain, { report, ...fault }, { signal })
  }
}
