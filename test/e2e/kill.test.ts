/**
 * kill -9 of each role in each phase of a challenge, at exact places: after an exchange was handled and its locks are on
 * disk, before its answer leaves. What must hold afterwards: the store opens, nothing was signed twice, ids stay used,
 * nothing is left running, and the same data directory serves the next challenge. Each challenge here is also the one that
 * shows that the victim of the challenge before serves again.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataPaths } from '../../src/config/paths.js'
import { decodeEvidence } from '../../src/pob/evidence.js'
import { planDigest } from '../../src/pob/plan.js'
import { digestsOf } from '../../src/pob/request.js'
import { resultDigest, voteDigest } from '../../src/pob/result.js'
import { testimonyDigest } from '../../src/pob/slot.js'
import { decodeTranscript } from '../../src/pob/transcript.js'
import { verifyTranscript } from '../../src/pob/verify.js'
import { openStore } from '../../src/store/index.js'
import { type Doom, LocalNetwork, type Member, whyNoLoopback } from '../support/local-network.js'
import type { NodeProcess } from '../support/node-process.js'

const reason = await whyNoLoopback()
if (reason !== undefined) process.stderr.write(`e2e kill: skipped: ${reason}\n`)

const PATIENCE_MS = 240_000
/** A millisecond into the train, of 200. */
const IN_TRAIN_MS = 100

describe.skipIf(reason !== undefined)('kill -9', { timeout: PATIENCE_MS }, () => {
  let network: LocalNetwork
  let prover: NodeProcess
  let challengers: NodeProcess[]
  beforeAll(async () => {
    network = await LocalNetwork.create({ challengers: 3 })
    const started = await network.startAll()
    prover = started.prover
    challengers = started.challengers
  }, PATIENCE_MS)
  afterAll(() => network?.close(), 60_000)

  const member = (i: number): Member => network.challengers[i] ?? network.prover

  /** A killed process leaves no thread and no child that still holds its ports. */
  async function expectGone(victim: NodeProcess): Promise<void> {
    expect((await victim.ended).signal).toBe('SIGKILL')
    expect(existsSync(`/proc/${victim.child.pid}/stat`)).toBe(false)
  }

  /** What a transcript's challenge left in a member's store agrees with what was published. */
  async function expectLocks(dataDir: string, path: string, publicKey: Uint8Array): Promise<void> {
    const transcript = decodeTranscript(await readFile(path))
    const evidence = decodeEvidence(transcript.evidence)
    const digests = digestsOf(evidence.request)
    const id = Buffer.from(digests.challengeId).toString('hex')
    const { evidenceHash } = verifyTranscript(await readFile(path), {})
    if (evidenceHash === undefined) throw new Error('no evidence')
    const index = evidence.plan.committee.findIndex((each) => Buffer.compare(each, publicKey) === 0)
    const expected = new Map([
      ['plan', planDigest(digests, evidence.plan)],
      ['vote', voteDigest(digests, evidenceHash)],
      ['result', resultDigest(digests, { ...transcript, evidenceHash })],
    ])
    for (const record of evidence.slots) {
      const testimony = record.testimonies[index % evidence.plan.teamSize]
      if (record.slot !== Math.floor(index / evidence.plan.teamSize) || !testimony) continue
      const name = `testimony/${record.slot}/${record.attempt}`
      expected.set(name, testimonyDigest(digests, record, testimony))
    }
    const store = await openStore(dataPaths(dataDir).store)
    try {
      for (const [what, digest] of expected) {
        const locked = await store.lockedDigest(`${id}/${what}`)
        // A member that died before has no lock; one that has, has this one, and no other can follow.
        if (locked === undefined) continue
        expect([what, Buffer.from(locked).toString('hex')]).toEqual([
          what,
          Buffer.from(digest).toString('hex'),
        ])
        expect(await store.signOnce(`${id}/${what}`, new Uint8Array(32))).toBe('conflict')
      }
      const expiresAtMs = evidence.request.expiresAt * 1000
      if ((await store.lockedDigest(`${id}/commitment/0/0`)) !== undefined)
        expect(await store.useOnce(`session/${id}`, expiresAtMs)).toBe(false)
    } finally {
      await store.close()
    }
  }

  const challengerPhases: readonly Doom[] = [
    { when: 'handle', exchange: 'session' },
    { when: 'handle', exchange: 'plan' },
    { when: 'handle', exchange: 'arm' },
    { when: 'begin', exchange: 'arm', afterMs: IN_TRAIN_MS },
    { when: 'handle', exchange: 'reveal' },
    { when: 'handle', exchange: 'evidence' },
    { when: 'handle', exchange: 'sign' },
  ]
  it('of a challenger in any phase costs no challenge, and nothing is signed twice', async () => {
    const [victim] = network.challengers
    if (victim === undefined) throw new Error('no challenger')
    for (const doom of challengerPhases) {
      await challengers[0]?.stop()
      const doomed = await network.daemon('challenger', victim, { doom })
      // One of three is f: the challenge ends well without it.
      const result = await network.measure()
      await expectGone(doomed)
      await expectLocks(victim.dataDir, result.transcript.path, victim.identity.publicKey)
    }
    challengers[0] = await network.daemon('challenger', victim)
    const { signatures } = decodeTranscript(await readFile((await network.measure()).transcript.path))
    expect(signatures.filter((each) => each !== null).length).toBeGreaterThanOrEqual(2)
  })

  const proverPhases: readonly Doom[] = [
    { when: 'handle', exchange: 'request' },
    { when: 'handle', exchange: 'prepare' },
    { when: 'handle', exchange: 'plan' },
    { when: 'begin', exchange: 'slot', afterMs: IN_TRAIN_MS },
    { when: 'handle', exchange: 'slot' },
    { when: 'handle', exchange: 'finish' },
  ]
  it('of the prover ends the challenge with one line, and the next one works', async () => {
    for (const doom of proverPhases) {
      await prover.stop()
      prover = await network.daemon('prover', network.prover, { doom })
      const { code, stderr, stdout } = await network.run(network.measureArguments())
      await expectGone(prover)
      if (doom.exchange === 'finish') {
        // The members hold all that a result needs.
        expect(code).toBe(0)
        continue
      }
      expect(code).toBe(1)
      expect(stderr.trim().split('\n')).toHaveLength(1)
      expect(JSON.parse(stdout)).toHaveProperty('error.code')
    }
    prover = await network.daemon('prover', network.prover)
    await network.measure()
  })

  const payerPhases = ['request', 'prepare', 'plan', 'arm', 'slot', 'reveal', 'evidence', 'sign']
  it('of the payer in any phase leaves nobody stuck', async () => {
    for (const exchange of payerPhases) {
      const doom: Doom = { when: 'ask', exchange }
      const payer = network.start(network.measureArguments(), { doom })
      await expectGone(payer)
    }
    const result = await network.measure()
    await Promise.all(challengers.map((each) => each.stop()))
    for (const i of [0, 1, 2])
      await expectLocks(member(i).dataDir, result.transcript.path, member(i).identity.publicKey)
    expect(prover.isOver).toBe(false)
  })
})
