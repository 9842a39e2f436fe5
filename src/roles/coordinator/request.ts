/** The request of a challenge, and the prover's acceptance before anybody knows the round. */
import { randomBytes } from 'node:crypto'
import { bytesToHex } from '@noble/hashes/utils.js'
import { firstRoundFrom, timeOfRound } from '../../crypto/beacon.js'
import { verifySignature } from '../../crypto/identity.js'
import { UserError } from '../../errors.js'
import { BEACON_MARGIN_SECONDS, PROTOCOL_VERSION } from '../../pob/constants.js'
import { acceptanceDigest, Direction, Profile, type Request } from '../../pob/request.js'
import { type Admission, REQUEST_MESSAGE } from '../control-messages.js'
import { drawWith } from './committee.js'
import type { CoordinatorRun } from './run.js'
import type { ChallengeOrder, CoordinatorModules } from './types.js'

/** Time to reach the prover and have it check the request, on top of the beacon's margin. */
const ACCEPT_SECONDS = 1
const REQUEST_VALIDITY_SECONDS = 120

export function makeRequest(order: ChallengeOrder, modules: CoordinatorModules): Request {
  const nowSeconds = modules.now() / 1000
  const { publicKey } = modules.identity
  const strict = order.profile === 'strict'
  const single = order.profile === 'quick' || order.profile === 'published'
  return {
    version: PROTOCOL_VERSION,
    chainId: 0,
    verifyingContract: new Uint8Array(20),
    prover: order.prover.publicKey,
    payer: publicKey,
    coordinator: publicKey,
    direction: Direction.down,
    profile: Profile[order.profile],
    claimKbps: order.claimKbps,
    committeeSize: order.committeeSize,
    faulty: strict ? 0 : order.faulty,
    teams: single ? 1 : strict ? (order.teams ?? 5) : 2 * order.faulty + 1,
    betaMillionths: strict ? (order.betaMillionths ?? 100_000) : 0,
    deltaMillionths: strict ? (order.deltaMillionths ?? 10_000) : 0,
    registryHash: modules.registry().hash,
    beaconChain: modules.beacon.chainHash,
    beaconRound: firstRoundFrom(modules.beacon, nowSeconds + BEACON_MARGIN_SECONDS + ACCEPT_SECONDS),
    expiresAt: Math.floor(nowSeconds) + REQUEST_VALIDITY_SECONDS,
    salt: new Uint8Array(randomBytes(32)),
  }
}

/** Request, acceptance, and the round that nobody knew before. */
export async function accept(run: CoordinatorRun): Promise<Admission> {
  // Whether there is a committee at all hardly depends on the round: ask before the prover spends its turn.
  drawWith(run, new Uint8Array(32))
  const { control, identity, beacon, fetchRound, now } = run.modules
  const request = run.request
  const payerSignature = identity.sign(run.digests.challengeId)
  const answer = await control.request(
    run.order.prover,
    REQUEST_MESSAGE,
    { request, payerSignature },
    run.options(),
  )
  run.accepted = true
  const digest = acceptanceDigest(run.digests, answer.acceptedAt)
  if (!verifySignature(request.prover, digest, answer.signature))
    throw new UserError('the prover answered with a signature that is not its own', {
      code: 'BAD_MESSAGE',
      remedy: 'check the prover id',
    })
  run.progress({
    event: 'requested',
    challengeId: bytesToHex(run.digests.challengeId),
    round: request.beaconRound,
    waitSeconds: Math.max(0, timeOfRound(beacon, request.beaconRound) - now() / 1000),
  })
  const beaconSignature = await fetchRound(request.beaconRound, run.signal)
  return {
    request,
    payerSignature,
    acceptedAt: answer.acceptedAt,
    acceptanceSignature: answer.signature,
    beaconSignature,
  }
}
