/** How roles end a challenge, what they keep of it, and from whom they read long messages: both roles without a network. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { timeOfRound } from '../../../src/crypto/beacon.js'
import { Identity } from '../../../src/crypto/identity.js'
import type { MemberPlane, ProverPlane, SlotStatistics } from '../../../src/dataplane/index.js'
import { PACKET_BYTES } from '../../../src/pob/constants.js'
import { encodeEvidence, evidenceHashOf } from '../../../src/pob/evidence.js'
import { digestsOf } from '../../../src/pob/request.js'
import { sealOf } from '../../../src/pob/seal.js'
import { Challenger } from '../../../src/roles/challenger.js'
import type { ControlMessage } from '../../../src/roles/control-messages.js'
import type { ChallengeNote, ControlPlane, Remote, RoleModules } from '../../../src/roles/modules.js'
import { Prover } from '../../../src/roles/prover.js'
import { RegistrySource } from '../../../src/roles/registry-source.js'
import { handleShared } from '../../../src/roles/shared-handlers.js'
import { silentLogger } from '../../../src/telemetry/logger.js'
import { buildChallenge, sealed, sealTranscript } from '../../support/challenge-builder.js'

type Admit = (remote: Remote) => boolean
type Handle = (body: unknown, remote: Remote) => Promise<unknown>

const built = buildChallenge({ label: 'endings' })
const { request, plan, planSignature, payerSignature, acceptedAt, acceptanceSignature } = built.evidence
const { challengeId } = digestsOf(request)
const id = Buffer.from(challengeId).toString('hex')
const remoteOf = ({ publicKey, peerId }: Identity): Remote => ({ publicKey, peerId })
const coordinator = remoteOf(built.signers.coordinator)
const stranger = remoteOf(Identity.generate())
const right = sealTranscript(built)
const seal = sealOf(right)
const body = { request, payerSignature, acceptedAt, acceptanceSignature, plan, planSignature }

/** Modules that remember what they were told. */
function recorder(identity: Identity) {
  const handlers = new Map<string, { readonly handle: Handle; readonly admit: Admit | undefined }>()
  const notes: ChallengeNote['phase'][] = []
  const transcripts = new Map<string, Uint8Array>()
  const evidence = new Map<string, Uint8Array>()
  const control: ControlPlane = {
    handle: async <Q, R>(
      message: ControlMessage<Q, R>,
      handle: (body: Q, remote: Remote, signal: AbortSignal) => Promise<R>,
      options?: { readonly admit?: Admit },
    ) => {
      handlers.set(message.name, { handle: handle as unknown as Handle, admit: options?.admit })
    },
    request: () => Promise.reject(new Error('nobody is there')),
  }
  const modules: RoleModules = {
    identity,
    control,
    store: {
      signOnce: async () => 'granted',
      lockedDigest: async () => undefined,
      useOnce: async () => true,
      saveTranscript: async (key, value) => void transcripts.set(key, value),
      saveEvidence: async (key, value) => void evidence.set(key, value),
      keptEvidence: async (key) => evidence.get(key),
      keepFault: async () => {},
      noteChallenge: async ({ phase }) => void notes.push(phase),
    },
    committees: [new RegistrySource({ registry: () => built.registry, beacon: built.beacon })],
    now: () => Date.now(),
    log: silentLogger,
  }
  const ask = (name: string, body: unknown, remote: Remote) =>
    handlers.get(name)?.handle(body, remote) ?? Promise.reject(new Error(`${name} is not handled`))
  const admits = (name: string, remote: Remote) => handlers.get(name)?.admit?.(remote)
  return { modules, notes, transcripts, evidence, ask, admits }
}

beforeEach(() => {
  vi.useFakeTimers({ now: acceptedAt * 1000 })
})
afterEach(() => {
  vi.useRealTimers()
})

const policy = () => ({
  refusal: vi.fn(async (): Promise<string | undefined> => undefined),
  began: vi.fn(async () => {}),
})

async function proverWith(plane?: Partial<ProverPlane>) {
  const recorded = recorder(built.signers.prover)
  const terms = policy()
  const accounted: number[] = []
  const prover = new Prover({
    ...recorded.modules,
    openPlane: async () => ({ close: async () => {}, ...plane }) as ProverPlane,
    policy: terms,
    account: async (bytes) => void accounted.push(bytes),
  })
  await prover.start()
  await handleShared(recorded.modules.control, { prover })
  return { ...recorded, prover, terms, accounted }
}

describe('a prover', () => {
  it('reads long messages of the coordinator of its challenge only', async () => {
    const { prover, ask, admits } = await proverWith()
    expect(admits('finish', coordinator)).toBe(false)
    await ask('request', { request, payerSignature }, coordinator)
    expect([admits('finish', coordinator), admits('finish', stranger)]).toEqual([true, false])
    await prover.stop()
    expect(admits('finish', coordinator)).toBe(false)
  })

  it('accepts nothing that its policy or its checks refuse, and counts an acceptance for no interval', async () => {
    const { ask, terms, prover } = await proverWith()
    terms.refusal.mockResolvedValueOnce('not now')
    await expect(ask('request', { request, payerSignature }, coordinator)).rejects.toThrow('not now')
    await expect(
      ask('request', { request, payerSignature: new Uint8Array(65) }, coordinator),
    ).rejects.toThrow('signature')
    expect(prover.active).toBeUndefined()
    await ask('request', { request, payerSignature }, coordinator)
    expect(prover.active).toBe(id)
    expect(terms.began).not.toHaveBeenCalled()
    await prover.stop()
  })

  it('keeps the transcript of its challenge, and nothing else', async () => {
    const planned = async () => {
      const recorded = await proverWith()
      vi.setSystemTime(acceptedAt * 1000)
      await recorded.ask('request', { request, payerSignature }, coordinator)
      vi.setSystemTime(timeOfRound(built.beacon, request.beaconRound) * 1000)
      const { beaconSignature } = plan
      await recorded.ask('prepare', { challengeId, beaconSignature }, coordinator)
      await recorded.ask('plan', body, coordinator)
      return recorded
    }
    const foreign = sealTranscript(buildChallenge({ label: 'another challenge' }))
    const other = encodeEvidence({ ...built.evidence, request: { ...request, salt: new Uint8Array(32) } })
    const relabelled = { ...right, evidenceHash: evidenceHashOf(other) }
    for (const ending of [
      { seal: sealOf(foreign), evidence: foreign.evidence },
      { seal, evidence: other },
      { seal: relabelled, evidence: other },
      { seal, evidence: right.evidence.subarray(1) },
      { seal: { ...seal, guaranteedKbps: seal.guaranteedKbps + 1 }, evidence: right.evidence },
    ]) {
      const { ask, prover, transcripts, notes } = await planned()
      await expect(ask('finish', { challengeId, ...ending }, coordinator)).rejects.toThrow()
      expect([transcripts.size, prover.active, notes]).toEqual([0, undefined, ['accepted', 'abandoned']])
    }
    const { ask, prover, transcripts, notes } = await planned()
    // It saw no vote: signatures alone are too little for it.
    expect(await ask('finish', { challengeId, seal }, coordinator)).toEqual({ lacksEvidence: 1 })
    expect([transcripts.size, prover.active]).toEqual([0, id])
    const ending = { challengeId, seal, evidence: right.evidence }
    expect(await ask('finish', ending, coordinator)).toEqual({ lacksEvidence: 0 })
    expect([transcripts.get(id), prover.active, notes]).toEqual([
      sealed(built),
      undefined,
      ['accepted', 'finished'],
    ])
  })

  it('opens the other paths where one member is slow at every step', async () => {
    const probe = {
      sent: 8,
      received: 8,
      rttMinMicros: 1000,
      rttMedianMicros: 1000,
      jitterMicros: 0,
      rttMicros: [1000],
    }
    const slowly = <T>(value: T, ms: number) =>
      new Promise<T>((resolve) => setTimeout(() => resolve(value), ms))
    const slowId = new Uint8Array(8).fill(255)
    const isSlow = (sessionId: Uint8Array) => Buffer.compare(sessionId, slowId) === 0
    const { ask, prover, modules } = await proverWith({
      addPath: async () => {},
      // Each step within its own deadline.
      hello: (sessionId) => slowly(new Uint8Array(32), isSlow(sessionId) ? 2900 : 1),
      consent: (sessionId) => slowly(undefined, isSlow(sessionId) ? 2900 : 1),
      probe: async () => probe,
    })
    let asked = 0
    modules.control.request = async <_Q, R>(): Promise<R> => {
      const number = asked++
      const sessionId = number === 0 ? slowId : new Uint8Array(8).fill(number)
      return (await slowly({ sessionId, key: new Uint8Array(16) }, number === 0 ? 5900 : 1)) as R
    }
    await ask('request', { request, payerSignature }, coordinator)
    vi.setSystemTime((timeOfRound(built.beacon, request.beaconRound) + 1) * 1000)
    const answer = ask('prepare', { challengeId, beaconSignature: plan.beaconSignature }, coordinator)
    // The coordinator waits for 15 s.
    await vi.advanceTimersByTimeAsync(11_100)
    const { paths } = (await answer) as { paths: { ready: number; reason?: string }[] }
    expect(paths.map(({ ready }) => ready)).toEqual([0, ...paths.slice(1).map(() => 1)])
    expect(paths[0]?.reason).toContain('no path within')
    expect(paths.length).toBeGreaterThan(1)
    await prover.stop()
  })

  it('gives a challenge up when it is idle, and at its end however busy', async () => {
    const idle = await proverWith()
    await idle.ask('request', { request, payerSignature }, coordinator)
    await vi.advanceTimersByTimeAsync(44_000)
    expect(idle.prover.active).toBe(id)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(idle.prover.active).toBeUndefined()

    vi.setSystemTime(acceptedAt * 1000)
    const busy = await proverWith()
    await busy.ask('request', { request, payerSignature }, coordinator)
    const touch = () => busy.ask('slot', { challengeId, slot: 0, attempt: 0, commitments: [] }, coordinator)
    while (Date.now() < request.expiresAt * 1000 - 20_000) {
      await expect(touch()).rejects.toThrow('no plan yet')
      await vi.advanceTimersByTimeAsync(20_000)
    }
    expect(busy.prover.active).toBe(id)
    await expect(touch()).rejects.toThrow('no plan yet')
    await vi.advanceTimersByTimeAsync(20_000)
    expect(busy.prover.active).toBeUndefined()
  })

  it('accounts for all that came, usable or not', async () => {
    const statistics = { packets: 0, duplicates: 3, badTag: 5, overflow: 2 } as SlotStatistics
    const { ask, accounted, prover } = await proverWith({
      runSlot: async () => ({ acks: [], orders: [], statistics }),
    })
    await ask('request', { request, payerSignature }, coordinator)
    vi.setSystemTime(timeOfRound(built.beacon, request.beaconRound) * 1000)
    const { beaconSignature } = plan
    await ask('prepare', { challengeId, beaconSignature }, coordinator)
    await prover.acceptPlan(plan, planSignature, coordinator)
    const commitments = Array.from({ length: plan.teamSize }, () => null)
    await expect(ask('slot', { challengeId, slot: 0, attempt: 0, commitments }, coordinator)).rejects.toThrow(
      'nothing arrived',
    )
    expect(accounted).toEqual([10 * PACKET_BYTES])
    await prover.stop()
  })
})

describe('a challenger', () => {
  it('keeps the evidence that it voted for, and reads it from the coordinator only', async () => {
    vi.setSystemTime(timeOfRound(built.beacon, request.beaconRound) * 1000)
    const [member] = built.signers.members
    if (member === undefined) throw new Error('no member')
    const { modules, evidence, transcripts, notes, ask, admits } = recorder(member)
    const plane = { onConsent: () => {}, removeSession: async () => {} } as unknown as MemberPlane
    const challenger = new Challenger({ maxConcurrentSlots: 1 }, { ...modules, plane })
    await challenger.start()
    await handleShared(modules.control, { challenger })
    expect(admits('evidence', coordinator)).toBe(false)
    await ask('plan', body, coordinator)
    for (const name of ['evidence', 'finish'])
      expect([admits(name, coordinator), admits(name, stranger)]).toEqual([true, false])
    const bytes = encodeEvidence(built.evidence)
    await ask('evidence', { evidence: bytes }, coordinator)
    expect([...evidence]).toEqual([[id, bytes]])
    expect(notes).toEqual(['planned', 'voted'])
    await ask('finish', { challengeId, seal }, coordinator)
    expect([...transcripts]).toEqual([[id, sealed(built)]])
    expect(admits('evidence', coordinator)).toBe(false)
  })
})
