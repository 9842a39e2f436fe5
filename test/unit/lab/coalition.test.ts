/**
 * Corrupt parties that help each other, on genuine challenges in memory: what they sign and send is what the real protocol
 * would take, but for the one thing that is wrong with it.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { afterAll, describe, expect, it } from 'vitest'
import { dataPaths } from '../../../src/config/paths.js'
import { addressOfPublicKey, type Signer, verifySignature } from '../../../src/crypto/identity.js'
import { parseAttack } from '../../../src/lab/adversary/attack.js'
import { corruptChallenger } from '../../../src/lab/adversary/challenger.js'
import { teammateOf } from '../../../src/lab/adversary/copy-commit.js'
import { CORRUPT_FACTS, memberFact, secondListFact } from '../../../src/lab/adversary/facts.js'
import { observeAttack } from '../../../src/lab/adversary/observe.js'
import { corruptProver, type SecondList } from '../../../src/lab/adversary/prover.js'
import { SideChannel, SideChannelHub } from '../../../src/lab/adversary/side-channel.js'
import { readFaultFiles } from '../../../src/lab/fault-files.js'
import { writeFaultProof } from '../../../src/node/fault-files.js'
import { assess } from '../../../src/pob/assess.js'
import { encodeEvidence } from '../../../src/pob/evidence.js'
import { addressBytesOf } from '../../../src/pob/party.js'
import { digestsOf } from '../../../src/pob/request.js'
import {
  ackListDigest,
  capturedRoots,
  commitmentDigest,
  seedHashOf,
  testimonyDigest,
} from '../../../src/pob/slot.js'
import {
  type ChallengerBehaviour,
  honestChallenger,
  honestCoordinator,
  honestProver,
  type MemberStep,
} from '../../../src/roles/behaviour.js'
import { buildChallenge, sealed, withSlot } from '../../support/challenge-builder.js'

const directory = await mkdtemp(join(tmpdir(), 'plumbline-coalition-'))
const path = join(directory, 'colluders.sock')
const hub = new SideChannelHub()
await hub.listen(path)
const channel = new SideChannel(path)
afterAll(async () => {
  channel.close()
  await hub.close()
  await rm(directory, { recursive: true })
})

const built = buildChallenge({ label: 'coalition', teamSize: 2, committeeSize: 10, faulty: 2 })
const { evidence, signers } = built
const { plan } = evidence
const digests = digestsOf(evidence.request)
const [first, second] = signers.members
if (first === undefined || second === undefined) throw new Error('no members')
const FIRST_SLOT = { slot: 0, attempt: 0 }
const [record] = evidence.slots
const [firstTestimony, secondTestimony] = record?.testimonies ?? []
const [, secondCommitment] = record?.commitments ?? []
if (!firstTestimony || !secondTestimony || !secondCommitment) throw new Error('no first slot')
const context = { digests, id: FIRST_SLOT, tauMicros: plan.tauMicros }
const prover = { publicKey: signers.prover.publicKey, isCorrupt: false }
const nobody = { prover, coordinatorIsCorrupt: false, held: [] }
const colluding = { channel, identity: signers.prover }

const TRAIN = { packetCount: 1000, tauMicros: 200_000 }

describe('the side channel', () => {
  it('hands a fact to who asks, also to who asked before it was told, and nothing that never came', async () => {
    const other = new SideChannel(path)
    const early = other.ask('later', 60_000)
    channel.tell('later', 'here')
    expect(await early).toBe('here')
    expect(await other.ask('later', 0)).toBe('here')
    expect(await other.ask('never', 5)).toBeUndefined()
    other.close()
    expect(await other.ask('later', 60_000)).toBeUndefined()
  })

  it('counts until it is reset', async () => {
    channel.count('things', 2)
    channel.count('things')
    await channel.list('')
    expect(hub.count('things')).toBe(3)
    hub.reset()
    expect(hub.count('things')).toBe(0)
  })
})

describe('equivocate', () => {
  const behaviour = corruptChallenger(['equivocate'], () => ({ identity: first, channel }))

  it('testifies the truth, and signs a lie beside it that is as valid', async () => {
    expect(await behaviour.testimony(firstTestimony, context)).toEqual(firstTestimony)
    const told = await channel.ask(
      memberFact('second-testimony', plan.challengeId, FIRST_SLOT, first.publicKey),
      1000,
    )
    expect(told).toBeDefined()
  })

  it('makes a second transcript that proves it at fault, alone, and that no quorum stands behind', async () => {
    hub.tell(`${CORRUPT_FACTS}${bytesToHex(first.publicKey)}`, 'equivocate')
    await behaviour.before('evidence', encodeEvidence(evidence))
    await channel.list('')
    const observed = observeAttack(sealed(built), [], hub, nobody)
    expect(observed.provenFaults).toEqual({ corrupt: 1, honest: 0 })
    expect(observed.second?.votes).toBe(1)
    expect(observed.second?.faults).toEqual(['votes_missing', 'signatures_missing'])
  })

  it('is no fault of a member that signed once', () => {
    const alone = new SideChannelHub()
    expect(observeAttack(sealed(built), [], alone, nobody).provenFaults).toEqual({ corrupt: 0, honest: 0 })
  })
})

describe('copy-commit', () => {
  const behaviour = corruptChallenger(['copy-commit'], () => ({ identity: first, channel }))

  it("takes a teammate's real commitment and seed, and tells the prover whose packets to count twice", async () => {
    expect(teammateOf(plan, first.publicKey)).toEqual(second.publicKey)
    expect(teammateOf({ ...plan, teamSize: 1 }, first.publicKey)).toBeUndefined()
    await behaviour.before('plan', { plan })
    channel.tell(
      memberFact('commitment', plan.challengeId, FIRST_SLOT, second.publicKey),
      bytesToHex(secondCommitment.seedHash),
    )
    channel.tell(
      memberFact('revealed', plan.challengeId, FIRST_SLOT, second.publicKey),
      bytesToHex(secondTestimony.seed),
    )
    const honest = new Uint8Array(32)
    expect(await behaviour.seedHash(honest, plan.challengeId, FIRST_SLOT)).toEqual(secondCommitment.seedHash)
    expect(await behaviour.testimony(firstTestimony, context)).toEqual({
      ...firstTestimony,
      seed: secondTestimony.seed,
    })
    const corrupt = corruptProver([], colluding)
    const team = plan.committee.slice(0, plan.teamSize)
    expect(await corrupt.capture(FIRST_SLOT, plan.challengeId, team, TRAIN)).toEqual({
      mirrors: [{ from: 1, to: 0 }],
    })
  })

  it('gains nothing: a commitment holds its member, so the copy opens to no bits, and proves the fault', () => {
    const commitment = {
      ...secondCommitment,
      signature: first.sign(commitmentDigest(digests, FIRST_SLOT, secondCommitment)),
    }
    const statement = { ...firstTestimony, seed: secondTestimony.seed }
    const testimony = {
      ...statement,
      signature: first.sign(testimonyDigest(digests, FIRST_SLOT, statement)),
    }
    const copied = withSlot(evidence, 0, (slot) => {
      const { capture } = slot
      if (capture === null) throw new Error('no capture')
      return {
        ...slot,
        commitments: [commitment, ...slot.commitments.slice(1)],
        testimonies: [testimony, ...slot.testimonies.slice(1)],
      }
    })
    const [members] = assess(copied).slots
    expect(members?.members[0]?.proven).toBe(false)
    expect(members?.team.acks.every(({ bits }) => bits[0] === 0)).toBe(true)
    expect(observeAttack(sealed(built, copied), [], hub, nobody).provenFaults).toEqual({
      corrupt: 1,
      honest: 0,
    })
    // Without the member in the hash it would have opened: the attack is no toy.
    const opened = seedHashOf(
      secondTestimony.seed,
      plan.challengeId,
      addressBytesOf(second.publicKey),
      FIRST_SLOT,
    )
    expect(opened).toEqual(commitment.seedHash)
    expect(
      verifySignature(
        first.publicKey,
        commitmentDigest(digests, FIRST_SLOT, commitment),
        commitment.signature,
      ),
    ).toBe(true)
  })
})

describe('rush', () => {
  it('counts a colluder’s whole train as late as counts, so that its ack is one that counts', async () => {
    const member = plan.committee[0] as Uint8Array
    channel.tell(memberFact('seed', plan.challengeId, FIRST_SLOT, member), '01'.repeat(32))
    const capture = await corruptProver([], colluding).capture(FIRST_SLOT, plan.challengeId, [member], TRAIN)
    expect(capture?.phantoms).toEqual([
      { position: 0, seed: new Uint8Array(32).fill(1), packetCount: 1000, afterMs: 161 },
    ])
  })
})

describe('early-ack', () => {
  it('makes up the first member’s train at once, with another seed each time', async () => {
    const corrupt = corruptProver(['early-ack'], colluding)
    const capture = () =>
      corrupt.capture({ slot: 7, attempt: 0 }, new Uint8Array(32), [new Uint8Array(33)], TRAIN)
    const [one, other] = [await capture(), await capture()]
    expect(one?.phantoms).toMatchObject([{ position: 0, packetCount: 1000, afterMs: 0 }])
    expect(one?.phantoms?.[0]?.seed).not.toEqual(other?.phantoms?.[0]?.seed)
  })
})

describe('an honest node', () => {
  it('has seams that change nothing', async () => {
    const hash = new Uint8Array(32).fill(1)
    expect(honestChallenger.seed(hash, hash, FIRST_SLOT)).toBe(hash)
    expect(await honestChallenger.seedHash(hash, hash, FIRST_SLOT)).toBe(hash)
    expect(await honestChallenger.testimony(firstTestimony, context)).toBe(firstTestimony)
    expect(honestChallenger.train()).toBeUndefined()
    expect(await honestProver.capture(FIRST_SLOT, hash, [], TRAIN)).toBeUndefined()
    expect(honestProver.probeCloseDelayMs()).toBe(0)
    expect(Object.keys(honestCoordinator)).toHaveLength(6)
  })
})

describe('two-lists', () => {
  const capture = record?.capture
  if (!capture) throw new Error('no capture')
  const roots = capturedRoots(capture)

  it('signs a second list that is as valid as the first, and only then', async () => {
    await corruptProver(['drop'], colluding).signed(digests, FIRST_SLOT, roots)
    expect(await channel.ask(secondListFact(plan.challengeId, FIRST_SLOT), 0)).toBeUndefined()
    await corruptProver(['two-lists'], colluding).signed(digests, FIRST_SLOT, roots)
    const told = await channel.ask(secondListFact(plan.challengeId, FIRST_SLOT), 1000)
    const second = JSON.parse(told ?? '{}') as SecondList
    const others = second.roots.map(hexToBytes)
    expect(others.length).toBe(roots.length - 1)
    const digest = ackListDigest(digests, FIRST_SLOT, others)
    expect(verifySignature(signers.prover.publicKey, digest, hexToBytes(second.signature))).toBe(true)
    // Of one ack there is no shorter list.
    await corruptProver(['two-lists'], colluding).signed(digests, { slot: 1, attempt: 0 }, roots.slice(0, 1))
    const doubled = await channel.ask(secondListFact(plan.challengeId, { slot: 1, attempt: 0 }), 1000)
    expect((JSON.parse(doubled ?? '{}') as SecondList).roots).toHaveLength(2)
  })

  it('is proven by the file that a member keeps of it, which accuses the prover alone; others prove nothing', async () => {
    const told = await channel.ask(secondListFact(plan.challengeId, FIRST_SLOT), 1000)
    const second = JSON.parse(told ?? '{}') as SecondList
    const lists = [
      { value: roots, signature: capture.signature },
      { value: second.roots.map(hexToBytes), signature: hexToBytes(second.signature) },
    ] as const
    const accused = addressOfPublicKey(signers.prover.publicKey)
    const scope = { challengeId: plan.challengeId, ...digests.domain }
    const holder = (member: Signer) => ({
      address: addressOfPublicKey(member.publicKey),
      dataDir: join(directory, addressOfPublicKey(member.publicKey)),
    })
    const third = signers.members[2]
    if (third === undefined) throw new Error('no third member')
    const holders = [signers.members[1] ?? third, third].map(holder)
    const [folder = '', other = ''] = holders.map(({ dataDir }) => dataPaths(dataDir).faults)
    await writeFaultProof(folder, scope, { kind: 'ack-lists', accused, run: FIRST_SLOT, lists })
    await mkdir(other, { recursive: true })
    const challenge = bytesToHex(plan.challengeId)
    await writeFile(join(other, `${challenge}-plans-0x00.fault`), 'no proof')
    await writeFile(join(other, `${'00'.repeat(32)}-plans-0x00.fault`), 'of another challenge')
    const held = await readFaultFiles(holders, plan.challengeId)
    expect(held).toHaveLength(2)
    const observe = (isCorrupt: boolean) =>
      observeAttack(sealed(built), [], new SideChannelHub(), {
        prover: { publicKey: signers.prover.publicKey, isCorrupt },
        coordinatorIsCorrupt: false,
        held,
      }).filed
    const filed = { void: 1, holders: 2, kinds: ['ack-lists'] }
    expect(observe(true)).toEqual({ ...filed, corrupt: 1, honest: 0 })
    // Had it accused an honest prover, that would be seen.
    expect(observe(false)).toEqual({ ...filed, corrupt: 0, honest: 1 })
    // Folders that are not there hold nothing.
    expect(await readFaultFiles([{ ...holder(first), dataDir: '/nowhere' }], plan.challengeId)).toEqual([])
  })
})

describe('lie-echo', () => {
  it('testifies a whole train within the shortest time that counts, and touches no downlink', async () => {
    const behaviour = corruptChallenger(['lie-echo'], () => ({ identity: first, channel }))
    expect(await behaviour.testimony(firstTestimony, context)).toEqual(firstTestimony)
    const echoed = {
      ...firstTestimony,
      sentPackets: 900,
      ownMicros: [150_000, 260_000],
      echoCounts: [300, 620],
    }
    expect(await behaviour.testimony(echoed, context)).toMatchObject({
      ownMicros: [Math.floor(0.8 * plan.tauMicros) + 1],
      echoCounts: [900],
    })
  })
})

describe('failures in one step alone', () => {
  const context = () => ({ identity: first, channel })
  const STEPS = ['session', 'plan', 'arm', 'reveal', 'evidence', 'sign'] as const

  it('are parsed beside the others, and nothing else with an @ is', () => {
    expect(parseAttack('silent@arm:2,rush+crash@sign:1', 10).challengers).toEqual([
      ['silent@arm'],
      ['silent@arm'],
      ['rush', 'crash@sign'],
    ])
    for (const text of ['silent@lunch:1', 'dance@arm:1', 'silent@arm@plan:1', '@:1'])
      expect(() => parseAttack(text, 10)).toThrow(/no attack of challengers/)
  })

  it.each(STEPS)('fail at %s and are honest everywhere else', async (step) => {
    const silent = corruptChallenger([`silent@${step}`], context)
    const lying = corruptChallenger([`lie@${step}`], context)
    const answered = (behaviour: ChallengerBehaviour, asked: MemberStep) =>
      Promise.race([
        behaviour.before(asked, {}).then(
          () => 'yes',
          () => 'no',
        ),
        sleep(5).then(() => 'silence'),
      ])
    for (const asked of STEPS) {
      expect(await answered(silent, asked)).toBe(asked === step ? 'silence' : 'yes')
      const refuses = asked === step && step !== 'arm' && step !== 'reveal'
      expect(await answered(lying, asked)).toBe(refuses ? 'no' : 'yes')
    }
    // Where something is signed, the lie is what it signs.
    const seedHash = await lying.seedHash(new Uint8Array(32), plan.challengeId, FIRST_SLOT)
    expect(seedHash.every((byte) => byte === 0)).toBe(step !== 'arm')
    const testimony = await lying.testimony(
      { ...firstTestimony, ownMicros: [190_000] },
      {
        digests,
        id: FIRST_SLOT,
        tauMicros: 200_000,
      },
    )
    expect(testimony.ownMicros[0] === 190_000).toBe(step !== 'reveal')
  })

  it('in the train send nothing, half as fast, or other bytes', () => {
    const train = (failure: 'silent' | 'slow' | 'lie') =>
      corruptChallenger([`${failure}@train`], context).train()
    expect([train('silent'), train('slow'), train('lie')]).toEqual([
      { sendShare: 0.001 },
      { rateFactor: 0.5 },
      { garbage: true },
    ])
  })
})
