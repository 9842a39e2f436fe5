/** Raises a dispute with what transcripts prove: anybody who holds them may, and is paid a part of what is slashed. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { toHex } from 'viem'
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
} from '../../chain/index.js'
import { UserError } from '../../errors.js'
import { sameBytes } from '../../pob/party.js'
import type { FaultSearch, ProvableFault } from '../../pob/provable-faults.js'

export interface RaisedDispute {
  readonly fault: ProvableFault
  readonly announced: Mined
  readonly proven: ProvenFault
}

/**
 * Announces a fault and proves it in a later block.
 * @throws UserError where the challenge is another chain's, its committee is not fixed, or the contract refuses the proof
 */
export async function raiseDispute(
  chain: Chain,
  search: Pick<FaultSearch, 'challengeId' | 'chainId' | 'verifyingContract'>,
  fault: ProvableFault,
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
  const salt = toHex(Uint8Array.from(randomBytes(32)))
  const announced = await announceFault(chain, { challengeId, accused, salt }, { signal })
  while ((await chain.clock()).blockNumber <= announced.blockNumber) {
    signal?.throwIfAborted()
    await sleep(chain.pollMs)
  }
  const committee = fault.kind === 'ack-lists' ? [] : fixed.committee
  const proven = await prove(chain, { challengeId, accused, salt, committee }, fault, signal)
  return { fault, announced, proven }
}

function prove(
  chain: Chain,
  report: FaultReport,
  fault: ProvableFault,
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
