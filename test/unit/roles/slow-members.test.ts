/** Members that are slow, not silent: a machine under load is no reason to lose a challenge. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { timeOfRound } from '../../../src/crypto/beacon.js'
import type { Identity } from '../../../src/crypto/identity.js'
import { UserError } from '../../../src/errors.js'
import type { Committee } from '../../../src/pob/committee.js'
import { acceptanceDigest, digestsOf } from '../../../src/pob/request.js'
import { acceptPlan } from '../../../src/roles/challenger/plan.js'
import { ChallengeTable } from '../../../src/roles/challenger/table.js'
import type { CommitteeSource } from '../../../src/roles/committee-source.js'
import type { Admission, ControlMessage, PlanBody } from '../../../src/roles/control-messages.js'
import { agree } from '../../../src/roles/coordinator/agree.js'
import { finish } from '../../../src/roles/coordinator/finish.js'
import { announce } from '../../../src/roles/coordinator/plan.js'
import { CoordinatorRun } from '../../../src/roles/coordinator/run.js'
import type { PeerTarget } from '../../../src/roles/modules.js'
import { RegistrySource } from '../../../src/roles/registry-source.js'
import { silentLogger } from '../../../src/telemetry/logger.js'
import { buildChallenge, identityOf, sealTranscript } from '../../support/challenge-builder.js'

const built = buildChallenge({ label: 'slow members' })
const { evidence, signers } = built
const { request, plan, planSignature, payerSignature, acceptedAt, acceptanceSignature } = evidence
const { challengeId } = digestsOf(request)
const timeout = () => new UserError('no answer in time', { code: 'TIMEOUT' })
const everybody = signers.members.map((_, member) => member)

type Answer = (
  name: string,
  member: number,
  body: unknown,
  deadlineMs: number | undefined,
) => Promise<unknown>

/** A coordinator whose members answer as the test says. */
function coordinator(answer: Answer): CoordinatorRun {
  const control = {
    handle: async () => {},
    request: async <Q, R>(
      to: PeerTarget,
      { name }: ControlMessage<Q, R>,
      body: Q,
      options?: { deadlineMs?: number },
    ) => {
      const member = signers.members.findIndex(({ publicKey }) => publicKey === to.publicKey)
      return (await answer(name, member, body, options?.deadlineMs)) as R
    },
  }
  const modules = { control, identity: signers.coordinator, log: silentLogger, now: () => Date.now() }
  const order = { prover: { publicKey: request.prover, addresses: [] } }
  const run = new CoordinatorRun(
    order as unknown as CoordinatorRun['order'],
    modules as unknown as CoordinatorRun['modules'],
    undefined,
    request,
  )
  const members = signers.members.map(({ publicKey }) => ({ publicKey, addresses: [] }))
  run.committee = { members } as unknown as Committee
  return run
}

describe('a coordinator', () => {
  it('gives a member the whole time again once it has answered', async () => {
    const run = coordinator(async () => null)
    const given: (number | undefined)[] = []
    const step = (answers: boolean) =>
      run.each([0], 'step', async (_, { deadlineMs }) => {
        given.push(deadlineMs)
        if (!answers) throw timeout()
      })
    for (const answers of [false, false, true, true]) await step(answers)
    expect(given).toEqual([undefined, 1500, 1500, undefined])
    expect([[...run.suspects], [...run.unresponsive]]).toEqual([[], [0]])
  })

  it('hands its transcript round beside what goes on, without a hurry', async () => {
    const got: number[] = []
    let release = () => {}
    const slow = new Promise<void>((resolve) => {
      release = resolve
    })
    const given = new Set<number | undefined>()
    const run = coordinator(async (_name, member, _body, deadlineMs) => {
      given.add(deadlineMs)
      if (member === 0) await slow
      got.push(member)
      return { lacksEvidence: 0 }
    })
    vi.useFakeTimers()
    try {
      const ended = finish(run, plan, sealTranscript(built))
      await vi.advanceTimersByTimeAsync(3_000)
      await ended
      expect(got).not.toContain(0)
      release()
      await vi.advanceTimersByTimeAsync(0)
      expect(got).toContain(0)
      // The message's own: a minute.
      expect([...given]).toEqual([undefined])
    } finally {
      vi.useRealTimers()
    }
  })

  it('hurries nobody where so many answers are needed, and waits for no more than those', async () => {
    const run = coordinator(async () => null)
    for (const member of everybody) run.suspects.add(member)
    const given: (number | undefined)[] = []
    const ask = async (
      member: number,
      { deadlineMs, signal }: { deadlineMs?: number; signal?: AbortSignal },
    ) => {
      given.push(deadlineMs)
      if (member === 0)
        await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(timeout())))
      return member
    }
    const answers = await run.each(everybody, 'vote', ask, everybody.length - 1)
    expect([...answers.keys()].sort()).toEqual(everybody.slice(1))
    expect(given).toEqual(everybody.map(() => undefined))
  })

  it('tells the plan again to members that missed it, before it asks them for their votes', async () => {
    const { votes, signatures, ...result } = sealTranscript(built)
    const missed = [0, 2, 4]
    const planned = new Set<number>()
    const heard: string[] = []
    const run = coordinator(async (name, member) => {
      if (member < 0) return null
      heard.push(`${name} ${member}`)
      if (name === 'plan' && missed.includes(member) && !heard.includes(`late ${member}`)) {
        heard.push(`late ${member}`)
        throw timeout()
      }
      if (name === 'plan') return void planned.add(member)
      if (!planned.has(member)) throw new Error('conflict: there is no plan yet')
      return { signature: (name === 'evidence' ? votes : signatures)[member] }
    })
    const admission = {
      request,
      payerSignature,
      acceptedAt,
      acceptanceSignature,
      beaconSignature: plan.beaconSignature,
    }
    await announce(run, admission, plan)
    expect([...run.untold].sort()).toEqual(missed)
    const agreed = await agree(run, evidence)
    expect(agreed.signatures.every((signature) => signature !== null)).toBe(true)
    expect(result.guaranteedKbps).toBe(agreed.assessment.guaranteedKbps)
    expect(heard.filter((each) => each.startsWith('plan')).length).toBe(everybody.length + missed.length)
  })
})

describe('a challenger', () => {
  const [member] = signers.members as [Identity]
  const admission: Admission = {
    request,
    payerSignature,
    acceptedAt,
    acceptanceSignature,
    beaconSignature: plan.beaconSignature,
  }
  const roundMs = timeOfRound(built.beacon, request.beaconRound) * 1000
  beforeEach(() => void vi.useFakeTimers({ now: roundMs + 1000 }))
  afterEach(() => void vi.useRealTimers())

  const registrySource = new RegistrySource({ registry: () => built.registry, beacon: built.beacon })
  function table(source: CommitteeSource = registrySource): ChallengeTable {
    const store = { signOnce: async () => 'granted', noteChallenge: async () => {} }
    return new ChallengeTable(
      {
        identity: member,
        store,
        committees: [source],
        behaviour: { before: async () => {} },
        now: () => Date.now(),
        log: silentLogger,
      } as unknown as ConstructorParameters<typeof ChallengeTable>[0],
      { maxConcurrentSlots: 1 },
    )
  }
  const remote = { publicKey: request.coordinator, peerId: signers.coordinator.peerId }
  const body: PlanBody = { ...admission, plan, planSignature }

  it('takes the plan of a challenge it serves, however long the paths took to open', async () => {
    const served = table()
    await served.admitted(admission, remote)
    vi.setSystemTime(roundMs + 40_000)
    await acceptPlan(served, body, remote)
    expect(served.known(challengeId).plan).toEqual(plan)
  })

  it('begins none by a round that is old, and goes on with none by another signature', async () => {
    vi.setSystemTime(roundMs + 40_000)
    await expect(acceptPlan(table(), body, remote)).rejects.toThrow('the round is 40 s old')
    vi.setSystemTime(roundMs + 1000)
    const served = table()
    await served.admitted(admission, remote)
    const other = { ...admission, beaconSignature: new Uint8Array(48) }
    await expect(served.admitted(other, remote)).rejects.toThrow('another signature')
  })

  it('keeps places for the others, however much one address asks for', async () => {
    const places = 32
    const provers = Array.from({ length: places + 2 }, (_, i) => identityOf(`prover ${i}`))
    const committee = await registrySource.committeeOf(admission, Date.now())
    // Whoever is not listed shares one draw: any number of keys come to the same members.
    const unlisted = { judges: () => true, committeeOf: async () => committee }
    const served = table(unlisted as unknown as CommitteeSource)
    const from = (address: string) => ({ ...remote, address })
    const asking = (prover: Identity): Admission => {
      const own = { ...request, prover: prover.publicKey }
      const digests = digestsOf(own)
      return {
        ...admission,
        request: own,
        payerSignature: signers.payer.sign(digests.challengeId),
        acceptanceSignature: prover.sign(acceptanceDigest(digests, acceptedAt)),
      }
    }
    const ask = (i: number, address: string) => served.admitted(asking(provers[i] as Identity), from(address))
    for (let i = 0; i < places; i++) await ask(i, `/ip4/203.0.113.${i}/tcp/4001`)
    await expect(ask(places, '/ip4/203.0.113.99/tcp/4001')).rejects.toThrow('serves 32 challenges already')
    const other = await ask(places + 1, '/ip4/198.51.100.1/tcp/4001')
    expect([served.served(other.id), served.size]).toEqual([other, places])
    const youngest = digestsOf(asking(provers[places - 1] as Identity).request).challengeId
    expect(served.remembered(bytesToHex(youngest))).toBeUndefined()
  })
})
