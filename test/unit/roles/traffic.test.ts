/** What a challenge tells of the data it moves: every train that was told to start, whatever became of it. */
import { describe, expect, it } from 'vitest'
import { UserError } from '../../../src/errors.js'
import { PACKET_BYTES, packetCountOf } from '../../../src/pob/constants.js'
import { addressBytesOf } from '../../../src/pob/party.js'
import { digestsOf } from '../../../src/pob/request.js'
import { commitmentDigest, seedHashOf } from '../../../src/pob/slot.js'
import { STEP_MICROS } from '../../../src/pob/telemetry/available.js'
import type { ControlMessage } from '../../../src/roles/control-messages.js'
import { findAvailable } from '../../../src/roles/coordinator/available.js'
import { CoordinatorRun } from '../../../src/roles/coordinator/run.js'
import { runSlot } from '../../../src/roles/coordinator/slot.js'
import type { PeerTarget } from '../../../src/roles/modules.js'
import { maxBytesOf } from '../../../src/roles/prover.js'
import { silentLogger } from '../../../src/telemetry/logger.js'
import { buildChallenge } from '../../support/challenge-builder.js'

type Answer = (name: string, member: number, body: Readonly<Record<string, unknown>>) => unknown

function coordinator(built: ReturnType<typeof buildChallenge>, answer: Answer) {
  const { evidence, signers } = built
  const told: number[] = []
  const control = {
    handle: async () => {},
    request: async <Q, R>(to: PeerTarget, { name }: ControlMessage<Q, R>, body: Q) => {
      const member = signers.members.findIndex(({ publicKey }) => publicKey === to.publicKey)
      return (await answer(name, member, body as Readonly<Record<string, unknown>>)) as R
    },
  }
  const modules = {
    control,
    identity: signers.coordinator,
    log: silentLogger,
    now: () => 0,
    onTraffic: (bytes: number) => void told.push(bytes),
  }
  const run = new CoordinatorRun(
    {
      prover: { publicKey: evidence.request.prover, addresses: [] },
    } as unknown as CoordinatorRun['order'],
    modules as unknown as CoordinatorRun['modules'],
    undefined,
    evidence.request,
  )
  const members = signers.members.map(({ publicKey }) => ({ publicKey, addresses: [] }))
  run.committee = { members } as unknown as NonNullable<CoordinatorRun['committee']>
  return { run, told }
}

/** What an honest member answers to arm. */
function armed({ evidence, signers }: ReturnType<typeof buildChallenge>, member: number) {
  const { plan, request } = evidence
  const digests = digestsOf(request)
  const id = { slot: Math.floor(member / plan.teamSize), attempt: 0 }
  const address = addressBytesOf(signers.members[member]?.publicKey ?? new Uint8Array(33))
  const commitment = {
    seedHash: seedHashOf(new Uint8Array(32), digests.challengeId, address, id),
    rateKbps: plan.memberRateKbps,
    packetCount: packetCountOf(plan.memberRateKbps, plan.tauMicros),
  }
  const signature = signers.members[member]?.sign(commitmentDigest(digests, id, commitment))
  return { ...commitment, signature }
}

const unreachable = () => {
  throw new UserError('no answer in time', { code: 'TIMEOUT' })
}

describe('a slot', () => {
  it.each(['down', 'up'] as const)(
    'of the %slink counts although its prover does not answer',
    async (direction) => {
      const built = buildChallenge({ label: 'traffic', direction, teamSize: direction === 'up' ? 1 : 2 })
      const { plan } = built.evidence
      const { run, told } = coordinator(built, (name, member) =>
        name === 'arm' ? armed(built, member) : unreachable(),
      )
      const record = await runSlot(run, plan, 0, 0)
      expect(record.capture).toBeNull()
      const train = plan.teamSize * packetCountOf(plan.memberRateKbps, plan.tauMicros) * PACKET_BYTES
      expect(told).toEqual([direction === 'up' ? 2 * train : train])
      expect(run.trafficBytes).toBe(told[0])
    },
  )

  it('counts those alone that were armed, and nothing where nobody was', async () => {
    const built = buildChallenge({ label: 'traffic', teamSize: 2 })
    const { plan } = built.evidence
    const one = coordinator(built, (name, member) =>
      name === 'arm' && member === 1 ? armed(built, member) : unreachable(),
    )
    await runSlot(one.run, plan, 0, 0)
    expect(one.told).toEqual([packetCountOf(plan.memberRateKbps, plan.tauMicros) * PACKET_BYTES])
    const none = coordinator(built, unreachable)
    await runSlot(none.run, plan, 0, 0)
    expect(none.told).toEqual([])
  })
})

describe('the search for available bandwidth', () => {
  const built = buildChallenge({ label: 'traffic', claimKbps: 1000 })
  const { plan, request } = built.evidence
  const stepBytes = (body: Readonly<Record<string, unknown>>) =>
    plan.teamSize * packetCountOf(Number(body.rateKbps), STEP_MICROS) * PACKET_BYTES

  it('counts every train, also those of which the prover says nothing', async () => {
    const sent: number[] = []
    const { run, told } = coordinator(built, (name, _, body) => {
      if (name !== 'step') return null
      if (!('slot' in body)) return null
      sent.push(stepBytes(body))
      return unreachable()
    })
    await findAvailable(run, plan, 1000)
    expect(sent.length).toBe(3)
    expect(told).toEqual(sent)
  })

  it('ends before the challenge moves more than its prover consented to', async () => {
    const { run, told } = coordinator(built, () => ({ packets: 0, growthMicros: 0 }))
    const most = maxBytesOf(request)
    const room = 100_000
    run.noteTraffic(most - room)
    const { steps } = await findAvailable(run, plan, 1000)
    expect(steps.length).toBe(told.length - 1)
    expect(told.length).toBeGreaterThan(1)
    expect(run.trafficBytes).toBeLessThanOrEqual(most)
  })
})
