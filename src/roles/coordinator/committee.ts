/** The committee that the named round draws. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { verifyRound } from '../../crypto/beacon.js'
import { UserError } from '../../errors.js'
import { type Committee, drawCommittee } from '../../pob/committee.js'
import type { CoordinatorRun } from './run.js'

export function drawCommitteeOf(run: CoordinatorRun, beaconSignature: Uint8Array): Committee {
  const { beacon } = run.modules
  const randomness = verifyRound(beacon, run.request.beaconRound, beaconSignature)
  if (randomness === false) throw new Error('the beacon client handed on an unverified round')
  const drawn = drawWith(run, randomness)
  run.progress({
    event: 'drawn',
    committee: drawn.members.map((member) => bytesToHex(member.publicKey)),
    teams: drawn.teams,
    teamSize: drawn.teamSize,
    memberRateMbps: drawn.memberRateKbps / 1000,
    allOn: drawn.allOn,
  })
  return drawn
}

/** @throws UserError where the registry gives no committee */
export function drawWith(run: CoordinatorRun, randomness: Uint8Array): Committee {
  const { hash: registryHash, entries } = run.modules.registry()
  const drawn = drawCommittee({ request: run.request, registryHash, entries, randomness })
  if (drawn === 'no_guarantee')
    throw new UserError('these beta, delta and teams allow no guarantee', {
      code: 'BAD_ARGUMENT',
      remedy: 'ask for more teams or a larger delta',
    })
  if (drawn === 'too_few_members')
    throw new UserError(
      `the registry's ${entries.length} challengers are too few or too slow for ${run.request.claimKbps / 1000} Mbit/s`,
      { code: 'UNAVAILABLE', remedy: 'lower --claim or --faulty, or use a larger registry' },
    )
  return drawn
}
