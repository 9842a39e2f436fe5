/** What a member makes of the signatures at a challenge's end, over a real store: its own evidence, restarts, forgeries. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { timeOfRound } from '../../../src/crypto/beacon.js'
import { Identity } from '../../../src/crypto/identity.js'
import type { MemberPlane } from '../../../src/dataplane/index.js'
import { safetyStore } from '../../../src/node/safety-store.js'
import { decodeEvidence, evidenceHashOf } from '../../../src/pob/evidence.js'
import { digestsOf } from '../../../src/pob/request.js'
import { resultDigest } from '../../../src/pob/result.js'
import { sealOf } from '../../../src/pob/seal.js'
import { verifyTranscript } from '../../../src/pob/verify.js'
import { honestChallenger } from '../../../src/roles/behaviour.js'
import { sign, vote } from '../../../src/roles/challenger/evidence.js'
import { finish } from '../../../src/roles/challenger/finish.js'
import { acceptPlan } from '../../../src/roles/challenger/plan.js'
import { ChallengeTable } from '../../../src/roles/challenger/table.js'
import { RegistrySource } from '../../../src/roles/registry-source.js'
import { openStore, type Store } from '../../../src/store/index.js'
import { silentLogger } from '../../../src/telemetry/logger.js'
import { buildChallenge, sealed, sealTranscript, withSlot } from '../../support/challenge-builder.js'

const built = buildChallenge({
  label: 'member-finish',
  claimKbps: 700,
  committeeSize: 3,
  faulty: 1,
  teamSize: 1,
})
const { request, plan, planSignature, payerSignature, acceptedAt, acceptanceSignature } = built.evidence
const { challengeId } = digestsOf(request)
const id = Buffer.from(challengeId).toString('hex')
const [member] = built.signers.members
if (member === undefined) throw new Error('no member')
const remoteOf = ({ publicKey, peerId }: Identity) => ({ publicKey, peerId })
const coordinator = remoteOf(built.signers.coordinator)
const transcript = sealTranscript(built)
const seal = sealOf(transcript)
const { evidence } = transcript
/** Of the same challenge: the third team's testimony was not delivered. */
const other = sealTranscript(
  built,
  withSlot(decodeEvidence(evidence), 2, (record) => ({ ...record, testimonies: [null] })),
)

let directory = ''
let store: Store
let table: ChallengeTable

async function start(): Promise<void> {
  store = await openStore(join(directory, 'store'))
  const plane: Partial<MemberPlane> = { removeSession: async () => {} }
  table = new ChallengeTable(
    {
      identity: member,
      store: safetyStore(store, join(directory, 'faults')),
      committees: [new RegistrySource({ registry: () => built.registry, beacon: built.beacon })],
      behaviour: honestChallenger,
      plane,
      now: () => timeOfRound(built.beacon, request.beaconRound) * 1000,
      log: silentLogger,
    } as unknown as ConstructorParameters<typeof ChallengeTable>[0],
    { maxConcurrentSlots: 1 },
  )
}
/** As after kill -9: nothing of memory is left. */
async function restart(): Promise<void> {
  await store.close()
  await start()
}
const announce = () =>
  acceptPlan(
    table,
    { request, payerSignature, acceptedAt, acceptanceSignature, plan, planSignature },
    coordinator,
  )
const kept = () => store.transcripts.get(id)

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plumbline-finish-'))
  await start()
  await announce()
})
afterEach(async () => {
  await store.close()
  await rm(directory, { recursive: true, force: true })
})

describe('a member at the end of a challenge', () => {
  it('makes the transcript of the evidence that it voted for, after a kill -9 too', async () => {
    await vote(table, evidence, coordinator)
    expect(await finish(table, { challengeId, seal }, coordinator)).toEqual({ lacksEvidence: 0 })
    expect([await kept(), table.size]).toEqual([sealed(built), 0])

    await store.transcripts.delete(id)
    await restart()
    expect(table.size).toBe(0)
    expect(await finish(table, { challengeId, seal }, coordinator)).toEqual({ lacksEvidence: 0 })
    const rebuilt = await kept()
    expect(rebuilt).toEqual(sealed(built))
    expect(verifyTranscript(rebuilt ?? new Uint8Array(), {}).level).toBe('consistent')
  })

  it('asks for the evidence where it has none, and keeps its place until that is there', async () => {
    expect(await finish(table, { challengeId, seal }, coordinator)).toEqual({ lacksEvidence: 1 })
    expect([await kept(), table.size]).toEqual([undefined, 1])
    await finish(table, { challengeId, seal, evidence }, coordinator)
    expect([await kept(), table.size]).toEqual([sealed(built), 0])
  })

  it('asks for it, too, where its archive has lost it', async () => {
    await vote(table, evidence, coordinator)
    await store.evidence.delete(id)
    expect(await finish(table, { challengeId, seal }, coordinator)).toEqual({ lacksEvidence: 1 })
    await finish(table, { challengeId, seal, evidence }, coordinator)
    expect(await kept()).toEqual(sealed(built))
  })

  it('lets go where the challenge was given up, and keeps nothing', async () => {
    await vote(table, evidence, coordinator)
    await finish(table, { challengeId }, coordinator)
    expect([await kept(), table.size]).toEqual([undefined, 0])
  })

  it('believes no seal without a quorum, none of other figures, and no evidence but that of the seal', async () => {
    const one = [seal.signatures[0] ?? null, null, null]
    const forged = [
      { ...seal, signatures: one },
      { ...seal, votes: one },
      { ...seal, votes: seal.signatures, signatures: seal.votes },
      { ...seal, signatures: seal.signatures.slice(0, 2) },
      { ...seal, guaranteedKbps: seal.guaranteedKbps + 1 },
      { ...seal, owed: new Uint8Array(32) },
    ]
    for (const wrong of forged) {
      await vote(table, evidence, coordinator)
      await expect(finish(table, { challengeId, seal: wrong }, coordinator)).rejects.toThrow(
        /valid|not one place/,
      )
      expect([await kept(), table.size]).toEqual([undefined, 0])
      await announce()
    }
    const handed = { challengeId, seal: sealOf(other), evidence: new Uint8Array(100) }
    await expect(finish(table, handed, coordinator)).rejects.toThrow('not that of the seal')
    expect(await kept()).toBeUndefined()
  })

  it('keeps nothing that contradicts its own vote or its own signature', async () => {
    await vote(table, evidence, coordinator)
    const contradiction = { challengeId, seal: sealOf(other), evidence: other.evidence }
    await expect(finish(table, contradiction, coordinator)).rejects.toThrow('signed another vote')
    await announce()
    await vote(table, evidence, coordinator)
    await sign(table, challengeId, evidenceHashOf(evidence), transcript.votes)
    // A corrupt quorum states another figure about the right evidence.
    const lie = { ...transcript, guaranteedKbps: transcript.guaranteedKbps + 1 }
    const digest = resultDigest(digestsOf(request), { ...lie, evidenceHash: evidenceHashOf(evidence) })
    const signatures = built.signers.members.map((each) => each.sign(digest))
    await expect(
      finish(table, { challengeId, seal: sealOf({ ...lie, signatures }) }, coordinator),
    ).rejects.toThrow('signed another result')
    expect(await kept()).toBeUndefined()
  })

  it('hears nobody but the coordinator, and knows no challenge that it did not vote in', async () => {
    const stranger = remoteOf(Identity.generate())
    await vote(table, evidence, coordinator)
    await expect(finish(table, { challengeId, seal }, stranger)).rejects.toThrow('only the coordinator')
    await restart()
    await expect(finish(table, { challengeId, seal }, stranger)).rejects.toThrow('only the coordinator')
    const unknown = { challengeId: new Uint8Array(32), seal, evidence }
    await expect(finish(table, unknown, coordinator)).rejects.toThrow('no such challenge')
    expect(await kept()).toBeUndefined()
  })
})
