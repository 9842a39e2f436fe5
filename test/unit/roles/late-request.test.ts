/** A request that reaches its prover when the named round is out: asked again with a later round, and nothing else is. */
import { describe, expect, it } from 'vitest'
import { timeOfRound } from '../../../src/crypto/beacon.js'
import { UserError } from '../../../src/errors.js'
import type { ControlMessage } from '../../../src/roles/control-messages.js'
import { type ChallengeOrder, type CoordinatorModules, runChallenge } from '../../../src/roles/coordinator.js'
import type { PeerTarget } from '../../../src/roles/modules.js'
import type { Venue } from '../../../src/roles/venue.js'
import { silentLogger } from '../../../src/telemetry/logger.js'
import { buildChallenge } from '../../support/challenge-builder.js'

const { beacon, evidence, signers } = buildChallenge({ label: 'late-request' })
const { request } = evidence
const denied = () => new UserError('the round is out', { code: 'DENIED' })
const busy = () => new UserError('another challenge is under way', { code: 'BUSY' })

/** A prover that answers as the list says, reached so many seconds after the request was made. */
async function asked(answers: readonly (() => UserError)[], takesSeconds: number) {
  let nowMs = timeOfRound(beacon, request.beaconRound) * 1000 - 2000
  const rounds: number[] = []
  const named: number[] = []
  const venue = {
    terms: async (_: unknown, late = 0) => {
      named.push(late)
      return { ...request, beaconRound: request.beaconRound + rounds.length * 10 }
    },
    requireCommittee: async () => {},
    roundTime: ({ beaconRound }: { beaconRound: number }) => timeOfRound(beacon, beaconRound),
  } as unknown as Venue
  const control = {
    handle: async () => {},
    request: async <Q, R>(_: PeerTarget, { name }: ControlMessage<Q, R>, body: Q): Promise<R> => {
      expect(name).toBe('request')
      rounds.push((body as { request: { beaconRound: number } }).request.beaconRound)
      nowMs += takesSeconds * 1000
      throw (answers[rounds.length - 1] ?? busy)()
    },
  }
  const order: ChallengeOrder = {
    prover: { publicKey: request.prover, addresses: [] },
    profile: 'standard',
    claimKbps: request.claimKbps,
    committeeSize: request.committeeSize,
    faulty: request.faulty,
  }
  const modules: CoordinatorModules = {
    identity: signers.coordinator,
    control,
    venue,
    now: () => nowMs,
    log: silentLogger,
  }
  const error = await runChallenge(order, modules).catch((reason: unknown) => reason)
  return { named, rounds: rounds.length, code: error instanceof UserError ? error.code : error }
}

describe('a request that is refused', () => {
  it('is made again with a later round where that of the first was out', async () => {
    expect(await asked([denied], 1.5)).toEqual({ named: [0, 1], rounds: 2, code: 'BUSY' })
  })

  it('is made three times at most', async () => {
    const always = [denied, denied, denied, denied]
    expect(await asked(always, 60)).toEqual({ named: [0, 1, 2], rounds: 3, code: 'DENIED' })
  })

  it('is not made again where it came in time, or was refused for another reason', async () => {
    expect(await asked([denied], 0.5)).toEqual({ named: [0], rounds: 1, code: 'DENIED' })
    expect(await asked([busy], 60)).toEqual({ named: [0], rounds: 1, code: 'BUSY' })
  })
})
