/** What a chain knows of the challenge in a transcript: for `verify`. */
import { type Chain, fromOutcome, readChallenge, readOpening, type SeatCache } from '../../chain/index.js'
import { decodeEvidence } from '../../pob/evidence.js'
import { challengeIdOf } from '../../pob/request.js'
import { seatCommittee, seatQueryOf } from '../../pob/seat-draw.js'
import { decodeTranscript } from '../../pob/transcript.js'
import type { ChainRecord } from '../../pob/verify.js'

/** @throws UserError BAD_MESSAGE for bytes that are no transcript; UNREACHABLE where no RPC server answers */
export async function readChainRecord(
  chain: Chain,
  seats: SeatCache,
  content: Uint8Array,
): Promise<ChainRecord> {
  const { request } = decodeEvidence(decodeTranscript(content).evidence)
  const challengeId = challengeIdOf(request)
  const [opening, state] = await Promise.all([
    readOpening(chain, challengeId),
    readChallenge(chain, challengeId),
  ])
  const { evidenceHash, guaranteedKbps, estimateKbps } = state
  const outcome = { evidenceHash: hex(evidenceHash), guaranteedKbps: BigInt(guaranteedKbps) }
  return {
    chainId: chain.chainId,
    verifyingContract: chain.domain.verifyingContract,
    acceptedAt: opening?.acceptedAt,
    draw: (randomness) => {
      if (opening === undefined) return 'too_few_members'
      const drawn = seats.entriesOf(seats.draw(seatQueryOf(request, opening.terms, randomness)))
      return drawn === undefined ? 'too_few_members' : seatCommittee(request, drawn)
    },
    result:
      state.status === 'settled'
        ? fromOutcome({ ...outcome, estimateKbps: BigInt(estimateKbps), owed: state.owed })
        : state.status,
    standing: {
      signers: ones(state.signers & ~state.faults),
      quorum: state.drawn - state.faulty,
      proverFaulty: state.proverFaulty,
    },
  }
}

const ones = (bits: bigint): number => bits.toString(2).replaceAll('0', '').length

const hex = (bytes: Uint8Array): `0x${string}` => `0x${Buffer.from(bytes).toString('hex')}`
