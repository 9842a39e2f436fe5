/** Strangers that ask for challenges and leave them: a prover without a network, its store and locks included. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { firstRoundFrom } from '../../../src/crypto/beacon.js'
import { Identity } from '../../../src/crypto/identity.js'
import type { ProverPlane, SlotStatistics } from '../../../src/dataplane/index.js'
import { safetyStore } from '../../../src/node/safety-store.js'
import { digestsOf, type Request } from '../../../src/pob/request.js'
import { REQUEST_MESSAGE } from '../../../src/roles/control-messages.js'
import type { ControlPlane, Remote } from '../../../src/roles/modules.js'
import { Prover } from '../../../src/roles/prover.js'
import { RegistrySource } from '../../../src/roles/registry-source.js'
import { openStore, type Store } from '../../../src/store/index.js'
import { silentLogger } from '../../../src/telemetry/logger.js'
import { buildChallenge } from '../../support/challenge-builder.js'

const built = buildChallenge({
  label: 'prover turn',
  claimKbps: 700,
  committeeSize: 3,
  faulty: 1,
  teamSize: 1,
})
const { evidence } = built
const GRACE_MS = 13_000

interface Asker {
  readonly remote: Remote
  readonly request: Request
  readonly body: { readonly request: Request; readonly payerSignature: Uint8Array }
  readonly challengeId: Uint8Array
}

let count = 0
/** Somebody with a key and an address of their own, and a request for a round that is near when it is made. */
function asker(prefix: string, leadSeconds = 4): Asker {
  const identity = Identity.generate()
  const beaconRound = firstRoundFrom(built.beacon, Date.now() / 1000 + leadSeconds)
  const request: Request = {
    ...evidence.request,
    payer: identity.publicKey,
    coordinator: identity.publicKey,
    beaconRound,
    expiresAt: Math.floor(Date.now() / 1000) + 300,
    salt: new Uint8Array(32).fill(++count),
  }
  const { challengeId } = digestsOf(request)
  const { publicKey, peerId } = identity
  return {
    remote: { publicKey, peerId, address: `/ip4/${prefix}.7/tcp/4001` },
    request,
    body: { request, payerSignature: identity.sign(challengeId) },
    challengeId,
  }
}

const hexOf = ({ challengeId }: Asker) => Buffer.from(challengeId).toString('hex')

describe('a prover that strangers ask', () => {
  let directory: string
  let store: Store
  const began = vi.fn(async () => {})
  const handlers = new Map<string, (body: unknown, remote: Remote) => Promise<unknown>>()
  let prover: Prover
  let isPaid = false
  const closed = vi.fn()

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'plumbline-turn-'))
    store = await openStore(join(directory, 'store'), { now: () => Date.now() })
    vi.useFakeTimers({ now: evidence.acceptedAt * 1000, toFake: ['Date', 'setTimeout', 'clearTimeout'] })
    isPaid = false
    began.mockClear()
    closed.mockClear()
    const control = {
      handle: async ({ name }: { name: string }, handle: never) => void handlers.set(name, handle),
      request: () => Promise.reject(new Error('nobody is there')),
    } as unknown as ControlPlane
    const source = new RegistrySource({ registry: () => built.registry, beacon: built.beacon })
    const drawn = { members: [], teamSize: 1, teams: 3 }
    const statistics = { packets: 0, duplicates: 0, badTag: 0, overflow: 0 } as unknown as SlotStatistics
    prover = new Prover({
      identity: built.signers.prover,
      control,
      store: safetyStore(store, join(directory, 'faults')),
      committees: [
        Object.assign(source, { isPaid: async () => isPaid, committeeOf: async () => drawn as never }),
      ],
      now: () => Date.now(),
      log: silentLogger,
      openPlane: async () =>
        ({
          close: async () => closed(),
          runSlot: async () => ({ acks: [], orders: [], statistics }),
        }) as unknown as ProverPlane,
      policy: { refusal: async () => undefined, began },
      account: async () => {},
    })
    await prover.start()
  })
  afterEach(async () => {
    await prover.stop()
    vi.useRealTimers()
    await store.close()
    await rm(directory, { recursive: true })
  })

  const ask = (name: string, body: unknown, remote: Remote) =>
    handlers.get(name)?.(body, remote) ?? Promise.reject(new Error(`${name} is not handled`))
  const request = ({ body, remote }: Asker) => ask(REQUEST_MESSAGE.name, body, remote)
  const prepare = ({ challengeId, remote }: Asker) =>
    ask('prepare', { challengeId, beaconSignature: evidence.plan.beaconSignature }, remote)
  const pass = (ms: number) => vi.setSystemTime(Date.now() + ms)

  it('serves who asks from elsewhere after a grace, and tells the other', async () => {
    const first = asker('203.0.113')
    await request(first)
    const second = asker('198.51.100')
    await expect(request(second)).rejects.toThrow(/another challenge is under way; ask again in 13 s/)
    expect(prover.active).toBe(hexOf(first))
    pass(GRACE_MS)
    // The same again from its own prefix, with a fresh key, gets nothing.
    await expect(request(asker('203.0.113'))).rejects.toThrow('ask again in a moment')
    const third = asker('198.51.100')
    await request(third)
    expect(prover.active).toBe(hexOf(third))
    await expect(prepare(first)).rejects.toMatchObject({
      status: 'busy',
      message: 'this challenge did not begin in time and made room for another; ask again in a moment',
    })
    // What was accepted once is not accepted again, whoever had to make room.
    pass(GRACE_MS)
    await expect(request(first)).rejects.toThrow(/round \d+ is out|accepted before|under way/)
    expect(began).not.toHaveBeenCalled()
  })

  it('accepts no id twice, not from who was displaced and may displace again', async () => {
    const replayed = asker('203.0.113', 50)
    await request(replayed)
    pass(GRACE_MS)
    await request(asker('198.51.100'))
    pass(GRACE_MS)
    // It left its own longer ago, and is due to the place: for another challenge.
    await expect(request(replayed)).rejects.toMatchObject({ status: 'conflict' })
    await request(asker('203.0.113'))
  })

  it('has one challenge, however many ask at once', async () => {
    const first = asker('203.0.113')
    await request(first)
    pass(GRACE_MS)
    const crowd = Array.from({ length: 12 }, (_, i) => asker(`198.51.${i}`))
    const answers = await Promise.allSettled(crowd.map(request))
    const accepted = crowd.filter((_, i) => answers[i]?.status === 'fulfilled')
    expect(accepted.map(hexOf)).toEqual([prover.active])
    for (const each of answers)
      if (each.status === 'rejected') expect(each.reason).toMatchObject({ status: 'busy' })
  })

  it('keeps a challenge that money waits for', async () => {
    const first = asker('203.0.113')
    await request(first)
    isPaid = true
    pass(10 * GRACE_MS)
    await expect(request(asker('198.51.100'))).rejects.toThrow('another challenge is under way')
    expect(prover.active).toBe(hexOf(first))
  })

  it('counts as begun what ran a slot that a member committed itself to, and keeps it then', async () => {
    const { request: asked, payerSignature, plan, planSignature } = evidence
    const { publicKey, peerId } = built.signers.coordinator
    const remote = { publicKey, peerId, address: '/ip4/203.0.113.7/tcp/4001' }
    // The members as the beacon drew them, with paths that are open.
    const source = new RegistrySource({ registry: () => built.registry, beacon: built.beacon })
    Object.assign(prover.modules.committees[0] as object, {
      committeeOf: (admission: never, nowMs: number) => source.committeeOf(admission, nowMs),
    })
    let number = 0
    Object.assign(prover.modules.control, {
      request: async () => ({ sessionId: new Uint8Array(8).fill(++number), key: new Uint8Array(16) }),
    })
    const plane = await prover.modules.openPlane()
    Object.assign(prover.modules, {
      openPlane: async () => ({
        ...plane,
        addPath: async () => {},
        hello: async () => new Uint8Array(32),
        consent: async () => {},
        probe: async () => ({ received: 8, rttMinMicros: 1000, jitterMicros: 0, rttMicros: [1000] }),
      }),
    })
    await ask('request', { request: asked, payerSignature }, remote)
    const { challengeId } = plan
    pass(8_000)
    await ask('prepare', { challengeId, beaconSignature: plan.beaconSignature }, remote)
    await prover.acceptPlan(plan, planSignature, remote)
    const slot = (commitments: unknown, attempt: number) =>
      ask('slot', { challengeId, slot: 0, attempt, commitments }, remote)
    await expect(slot([null], 0)).rejects.toThrow('nothing arrived')
    expect(began).not.toHaveBeenCalled()
    await expect(slot(evidence.slots[0]?.commitments, 0)).rejects.toThrow('nothing arrived')
    expect(began).toHaveBeenCalledOnce()
    await expect(slot(evidence.slots[0]?.commitments, 0)).rejects.toThrow('nothing arrived')
    expect(began).toHaveBeenCalledOnce()
    pass(100_000)
    await expect(request(asker('198.51.100'))).rejects.toThrow('another challenge is under way')
    expect(prover.active).toBe(Buffer.from(challengeId).toString('hex'))
  })

  it('makes room of opened paths that nothing runs on, and closes them', async () => {
    const first = asker('203.0.113')
    await request(first)
    await prepare(first)
    pass(40_000)
    await expect(request(asker('198.51.100'))).rejects.toThrow('ask again in 20 s')
    pass(20_000)
    const second = asker('198.51.100')
    await request(second)
    expect([prover.active, closed.mock.calls.length]).toEqual([hexOf(second), 1])
  })

  it('accepts no more from a prefix that left too many, and others still', async () => {
    for (let i = 0; i < 8; i++) {
      const each = asker('203.0.113')
      await request(each)
      await prover.finish({ challengeId: each.challengeId }, each.remote)
    }
    await expect(request(asker('203.0.113'))).rejects.toMatchObject({
      status: 'rate_limited',
      message: 'too many challenges from your network were asked for and never run; ask again in 300 s',
    })
    await request(asker('198.51.100'))
  })
})
