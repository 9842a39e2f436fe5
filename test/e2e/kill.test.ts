/**
 * kill -9 of each role in each phase of a challenge, at exact places: after an exchange was handled and its locks are on
 * disk, before its answer leaves. What must hold afterwards: the store opens, nothing was signed twice, ids stay used,
 * nothing is left running, and the same data directory serves the next challenge. Each challenge here is also the one that
 * shows that the victim of the challenge before serves again. Two networks at once: challenges mostly wait for the beacon.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, type TestContext } from 'vitest'
import { dataPaths } from '../../src/config/paths.js'
import { firstRoundFrom } from '../../src/crypto/beacon.js'
import { decodeEvidence } from '../../src/pob/evidence.js'
import { planDigest } from '../../src/pob/plan.js'
import { digestsOf } from '../../src/pob/request.js'
import { resultDigest, voteDigest } from '../../src/pob/result.js'
import { testimonyDigest } from '../../src/pob/slot.js'
import { decodeTranscript } from '../../src/pob/transcript.js'
import { verifyTranscript } from '../../src/pob/verify.js'
import { REQUEST_MESSAGE } from '../../src/roles/control-messages.js'
import { openStore } from '../../src/store/index.js'
import { type Doom, LocalNetwork, type Member, whyNoLoopback } from '../support/local-network.js'
import type { NodeProcess } from '../support/node-process.js'
import { ScriptedPayer, statusOf } from '../support/scripted-payer.js'

const reason = await whyNoLoopback()
if (reason !== undefined) process.stderr.write(`e2e kill: skipped: ${reason}\n`)

const PATIENCE_MS = 300_000
/** Milliseconds into a train, of 200. */
const IN_TRAIN_MS = 100
/** A dead child is noticed within. */
const NOTICE_MS = 500
/** A member stands in the third team once in three draws. */
const MAX_TRIES = 12

/** A killed process leaves no thread and no child that still holds its ports. */
async function expectGone(victim: NodeProcess): Promise<void> {
  expect((await victim.ended).signal).toBe('SIGKILL')
  expect(existsSync(`/proc/${victim.child.pid}/stat`)).toBe(false)
}

/** What a transcript's challenge left in a member's store agrees with what was published. */
async function expectLocks({ dataDir, identity }: Member, path: string): Promise<void> {
  const transcript = decodeTranscript(await readFile(path))
  const evidence = decodeEvidence(transcript.evidence)
  const digests = digestsOf(evidence.request)
  const id = Buffer.from(digests.challengeId).toString('hex')
  const { evidenceHash } = verifyTranscript(await readFile(path), {})
  if (evidenceHash === undefined) throw new Error('no evidence')
  const index = evidence.plan.committee.findIndex((each) => Buffer.compare(each, identity.publicKey) === 0)
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
      expect([what, Buffer.from(locked).toString('hex')]).toEqual([what, Buffer.from(digest).toString('hex')])
      expect(await store.signOnce(`${id}/${what}`, new Uint8Array(32))).toBe('conflict')
    }
    expect(await store.useOnce(`session/${id}`, evidence.request.expiresAt * 1000)).toBe(false)
  } finally {
    await store.close()
  }
}

async function startNetwork({ onTestFinished }: TestContext) {
  const network = await LocalNetwork.create({ challengers: 3 })
  onTestFinished(() => network.close(), 60_000)
  return { network, ...(await network.startAll()) }
}

const CHALLENGER_PHASES: readonly Doom[] = [
  { when: 'handle', exchange: 'session' },
  { when: 'handle', exchange: 'plan' },
  { when: 'handle', exchange: 'arm' },
  { when: 'begin', exchange: 'arm', afterMs: IN_TRAIN_MS },
  { when: 'handle', exchange: 'reveal' },
  { when: 'handle', exchange: 'evidence' },
  { when: 'handle', exchange: 'sign' },
]

/** One of three members is f: every challenge ends well without it. */
async function killChallengers(context: TestContext): Promise<void> {
  const { network, challengers } = await startNetwork(context)
  const [victim] = network.challengers
  if (victim === undefined) throw new Error('no challenger')
  await challengers[0]?.stop()
  for (const doom of CHALLENGER_PHASES) {
    const doomed = await network.daemon('challenger', victim, { doom })
    for (let tries = 0; tries < MAX_TRIES && !doomed.isOver; tries++) {
      const result = await network.measure()
      await Promise.race([doomed.ended, sleep(NOTICE_MS)])
      // A challenge that is content after two teams leaves the third in peace.
      if (doomed.isOver) await expectLocks(victim, result.transcript.path)
    }
    await expectGone(doomed)
  }
  await network.daemon('challenger', victim)
  const { signatures } = decodeTranscript(await readFile((await network.measure()).transcript.path))
  expect(signatures.filter((each) => each !== null).length).toBeGreaterThanOrEqual(2)
}

const PROVER_PHASES: readonly Doom[] = [
  { when: 'handle', exchange: 'prepare' },
  { when: 'handle', exchange: 'plan' },
  { when: 'begin', exchange: 'slot', afterMs: IN_TRAIN_MS },
  { when: 'handle', exchange: 'slot' },
]
const PAYER_PHASES = ['request', 'prepare', 'plan', 'arm', 'slot', 'reveal', 'evidence', 'sign']

async function killProvers(network: LocalNetwork): Promise<void> {
  for (const doom of PROVER_PHASES) {
    const prover = await network.daemon('prover', network.prover, { doom })
    const { code, stderr, stdout } = await network.run(network.measureArguments())
    await expectGone(prover)
    expect([code, doom]).toEqual([1, doom])
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(JSON.parse(stdout)).toHaveProperty('error.code')
  }
}

/** Killed after it accepted, before it said so: the same request is not accepted again. */
async function killAcceptingProver(network: LocalNetwork): Promise<void> {
  const doomed = await network.daemon('prover', network.prover, {
    doom: { when: 'handle', exchange: 'request' },
  })
  const payer = await ScriptedPayer.create(network)
  const request = payer.request({ beaconRound: firstRoundFrom(network.beacon, Date.now() / 1000 + 40) })
  const payerSignature = payer.identity.sign(digestsOf(request).challengeId)
  const ask = () => payer.host.request(payer.proverTarget, REQUEST_MESSAGE, { request, payerSignature })
  await expect(ask()).rejects.toThrow()
  await expectGone(doomed)
  const prover = await network.daemon('prover', network.prover)
  expect(await statusOf(ask())).toMatch(/^conflict: this request was accepted before/)
  await payer.close()
  await prover.stop()
}

describe.skipIf(reason !== undefined)('kill -9', { timeout: PATIENCE_MS }, () => {
  it.concurrent(
    'of a challenger in any phase costs no challenge, and nothing is signed twice',
    killChallengers,
  )

  it.concurrent('of the prover ends the challenge with one line; of the payer, leaves nobody stuck', async (context) => {
    const { network, prover: first, challengers } = await startNetwork(context)
    await first.stop()
    await killProvers(network)
    await killAcceptingProver(network)
    const prover = await network.daemon('prover', network.prover)
    for (const exchange of PAYER_PHASES)
      await expectGone(network.start(network.measureArguments(), { doom: { when: 'ask', exchange } }))
    const result = await network.measure()
    await Promise.all(challengers.map((each) => each.stop()))
    for (const each of network.challengers) await expectLocks(each, result.transcript.path)
    expect(prover.isOver).toBe(false)
  })
})
