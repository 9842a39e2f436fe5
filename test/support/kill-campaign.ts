/**
 * Random kill -9 of real daemons on loopback, challenge after challenge, and what must hold afterwards: every published
 * transcript is there and right, everybody still has what it signed for it, nothing was signed twice, ids stay used.
 */
import { access, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesToHex } from '@noble/hashes/utils.js'
import { loadConfig } from '../../src/config/load.js'
import { dataPaths } from '../../src/config/paths.js'
import { UserError } from '../../src/errors.js'
import { openPayer } from '../../src/node/measure.js'
import { decodeEvidence, type Evidence, evidenceHashOf } from '../../src/pob/evidence.js'
import { planDigest } from '../../src/pob/plan.js'
import { findFaults } from '../../src/pob/provable-faults.js'
import { digestsOf } from '../../src/pob/request.js'
import { resultDigest, voteDigest } from '../../src/pob/result.js'
import { testimonyDigest } from '../../src/pob/slot.js'
import { decodeTranscript, type Transcript } from '../../src/pob/transcript.js'
import { verifyTranscript } from '../../src/pob/verify.js'
import { openStore, type Store } from '../../src/store/index.js'
import { silentLogger } from '../../src/telemetry/logger.js'
import type { Random } from '../simulator/random.js'
import { LocalNetwork, type Member } from './local-network.js'
import type { NodeProcess } from './node-process.js'

const CHALLENGERS = 3
/** A challenge here takes 3 to 4 s on an idle machine. */
const LEAST_SPAN_MS = 4_500
/** One in so many victims is the payer itself, whose `measure` is a process of its own then. */
const PAYER_SHARE = 0.15
const PROVER_SHARE = 0.25
/** Challenges whose ids may not have expired yet. */
const RECENT = 40
/** The clock goes on between the question and its answer. */
const LEAST_LEFT_MS = 5_000

export interface KillOutcome {
  readonly challenges: number
  readonly kills: { readonly challenger: number; readonly prover: number; readonly payer: number }
  /** Challenges that ended with a signed transcript in spite of it. */
  readonly finished: number
  readonly transcriptsChecked: number
  readonly statementsChecked: number
  /** Ids of published challenges, each asked for once more in the store of a member just killed, before they expired. */
  readonly idsChecked: number
  /** What must not be; empty where everything held. */
  readonly violations: readonly string[]
}

/** @param onProgress told after each challenge @param isOver asked before each: an early end is checked as well */
export async function killCampaign(
  challenges: number,
  random: Random,
  onProgress: (done: number) => void = () => {},
  isOver: () => boolean = () => false,
): Promise<KillOutcome> {
  const network = await LocalNetwork.create({ challengers: CHALLENGERS })
  const kills = { challenger: 0, prover: 0, payer: 0 }
  const published: string[] = []
  const reused: string[] = []
  let idsChecked = 0
  try {
    const started = await network.startAll()
    const running = new Map<Member, NodeProcess>([[network.prover, started.prover]])
    network.challengers.forEach((member, i) => {
      const process = started.challengers[i]
      if (process !== undefined) running.set(member, process)
    })
    const kill = async (member: Member) => {
      const role = member === network.prover ? 'prover' : 'challenger'
      const process = running.get(member)
      process?.kill('SIGKILL')
      await process?.ended
      kills[role]++
      // Expired ids are refused for being expired: whether it knows what it used is asked of a killed one, soon.
      const again = await askedAgain(member, published.slice(-RECENT))
      idsChecked += again.asked
      reused.push(...again.granted)
      running.set(member, await network.daemon(role, member))
    }
    /** A kill falls anywhere in a challenge, as long as the last one took, and a little outside. */
    let spanMs = LEAST_SPAN_MS
    let done = 0
    for (; done < challenges && !isOver(); done++) {
      const afterMs = random.next() * spanMs
      const beganMs = performance.now()
      const dice = random.next()
      if (dice < PAYER_SHARE) {
        const payer = network.start(network.measureArguments())
        await Promise.race([sleep(afterMs), payer.ended])
        if (!payer.isOver) kills.payer++
        payer.kill('SIGKILL')
        await payer.ended
      } else {
        const victim = dice < PAYER_SHARE + PROVER_SHARE ? network.prover : random.pick(network.challengers)
        const measured = measureHere(network).then((path) => {
          if (path !== undefined) spanMs = Math.max(LEAST_SPAN_MS, performance.now() - beganMs)
          return path
        })
        await sleep(afterMs)
        const [path] = await Promise.all([measured, kill(victim)])
        if (path !== undefined) published.push(path)
      }
      onProgress(done + 1)
    }
    await Promise.all([...running.values()].map((process) => process.stop()))
    const everything = await withKilledPayers(network, published)
    const { violations, ...checked } = await checkKept(network, everything)
    return {
      challenges: done,
      kills,
      finished: published.length,
      ...checked,
      idsChecked,
      violations: [...reused, ...violations],
    }
  } finally {
    await network.close()
  }
}

/** A measurement from this process; the transcript's path, or undefined where it failed in words. */
async function measureHere(network: LocalNetwork): Promise<string | undefined> {
  const { config } = await loadConfig({ env: {}, flags: { dataDir: network.payer.dataDir } })
  const payer = await openPayer({ config, identity: network.payer.identity, log: silentLogger })
  try {
    const result = await payer.measure({
      target: network.prover.address,
      profile: 'standard',
      claimMbps: 4,
      challengers: CHALLENGERS,
      faulty: 1,
    })
    return result.transcript.path
  } catch (error) {
    if (error instanceof UserError || (error instanceof Error && 'status' in error)) return undefined
    throw error
  } finally {
    await payer.close()
  }
}

/** With the transcripts that payers had on their disk when they were killed. */
async function withKilledPayers(network: LocalNetwork, published: readonly string[]): Promise<string[]> {
  const { transcripts } = dataPaths(network.payer.dataDir)
  const names = await readdir(transcripts).catch(() => [])
  const whole = names.filter((name) => name.endsWith('.pob'))
  return [...new Set([...published, ...whole.map((name) => join(transcripts, name))])]
}

interface Seen {
  readonly evidence: Evidence
  readonly transcript?: Transcript
}

function readTranscript(content: Uint8Array): Required<Seen> {
  const transcript = decodeTranscript(content)
  return { transcript, evidence: decodeEvidence(transcript.evidence) }
}

/** Single-use ids that a member took for a challenge. */
function idsOf(member: Member, { evidence: { request, plan, slots } }: Seen): string[] {
  const id = bytesToHex(digestsOf(request).challengeId)
  if (Buffer.compare(request.prover, member.identity.publicKey) === 0) return [`accept/${id}`]
  const index = plan.committee.findIndex((key) => Buffer.compare(key, member.identity.publicKey) === 0)
  const hasSent = slots.some(
    ({ slot, testimonies }) =>
      index >= 0 &&
      slot === Math.floor(index / plan.teamSize) &&
      (testimonies[index % plan.teamSize] ?? null) !== null,
  )
  return hasSent ? [`session/${id}`] : []
}

/** Whether a member that does not run would use again what it used for these challenges, of those that have not expired. */
export async function askedAgain(member: Member, paths: readonly string[]) {
  const granted: string[] = []
  let asked = 0
  const store = await openStore(dataPaths(member.dataDir).store)
  try {
    for (const path of paths) {
      const one = readTranscript(await readFile(path))
      const expiresMs = one.evidence.request.expiresAt * 1000
      if (expiresMs < Date.now() + LEAST_LEFT_MS) continue
      for (const name of idsOf(member, one)) {
        asked++
        if (await store.useOnce(name, expiresMs)) granted.push(`${member.name}: ${name} can be used again`)
      }
    }
  } finally {
    await store.close()
  }
  return { asked, granted }
}

export async function checkKept(network: LocalNetwork, published: readonly string[]) {
  const violations: string[] = []
  /** Everything that anybody holds, by challenge. */
  const seen = new Map<string, Seen[]>()
  let statementsChecked = 0
  const see = (one: Seen) => {
    const id = bytesToHex(digestsOf(one.evidence.request).challengeId)
    seen.set(id, [...(seen.get(id) ?? []), one])
  }
  const members = [...network.challengers, network.prover]
  const stores = new Map<Member, Store>()
  for (const member of members) stores.set(member, await openStore(dataPaths(member.dataDir).store))
  try {
    for (const path of published) {
      if ((await access(path).catch(() => 'gone')) === 'gone') {
        violations.push(`the transcript ${path} was acknowledged, and is gone`)
        continue
      }
      const content = await readFile(path)
      const { level, faults } = verifyTranscript(content)
      if (level === undefined) violations.push(`${path}: ${faults[0]?.message}`)
      const one = readTranscript(content)
      see(one)
      for (const [member, store] of stores)
        for (const found of await lost(member, store, one)) violations.push(`${member.name}: ${found}`)
    }
    for (const store of stores.values()) {
      for (const { id } of store.evidence.list()) {
        const content = await store.evidence.get(id)
        if (content !== undefined) see({ evidence: decodeEvidence(content) })
      }
      for (const { id } of store.transcripts.list()) {
        const content = await store.transcripts.get(id)
        if (content !== undefined) see(readTranscript(content))
      }
    }
    for (const [id, all] of seen) {
      statementsChecked += all.length
      for (const { kind, accused } of findFaults(all).faults)
        violations.push(`challenge ${id}: ${accused} is convicted of ${kind}`)
    }
    for (const member of members) {
      const kept = await readdir(dataPaths(member.dataDir).faults).catch(() => [])
      for (const name of kept) violations.push(`${member.name} met a fault: ${join('faults', name)}`)
    }
  } finally {
    for (const store of stores.values()) await store.close()
  }
  return { transcriptsChecked: published.length, statementsChecked, violations }
}

/** What a node no longer has of a transcript that was published. */
async function lost(
  member: Member,
  store: Store,
  { evidence, transcript }: Required<Seen>,
): Promise<string[]> {
  const out: string[] = []
  const { request, plan } = evidence
  const digests = digestsOf(request)
  const id = bytesToHex(digests.challengeId)
  const index = plan.committee.findIndex((key) => Buffer.compare(key, member.identity.publicKey) === 0)
  if (index < 0) return out
  const evidenceHash = evidenceHashOf(transcript.evidence)
  const expected: [string, Uint8Array, boolean][] = [
    ['plan', planDigest(digests, plan), transcript.votes[index] !== null],
    ['vote', voteDigest(digests, evidenceHash), transcript.votes[index] !== null],
    ['result', resultDigest(digests, { ...transcript, evidenceHash }), transcript.signatures[index] !== null],
  ]
  for (const record of evidence.slots) {
    const testimony = record.testimonies[index % plan.teamSize] ?? null
    if (record.slot !== Math.floor(index / plan.teamSize) || testimony === null) continue
    expected.push([
      `testimony/${record.slot}/${record.attempt}`,
      testimonyDigest(digests, record, testimony),
      true,
    ])
  }
  for (const [what, digest, mustHave] of expected) {
    const locked = await store.lockedDigest(`${id}/${what}`)
    if (locked === undefined) {
      if (mustHave) out.push(`challenge ${id}: the lock of ${what} is gone`)
    } else if (Buffer.compare(locked, digest) !== 0) out.push(`challenge ${id}: another ${what} is locked`)
  }
  if (transcript.votes[index] !== null && !store.evidence.has(id))
    out.push(`challenge ${id}: the evidence that it voted for is gone`)
  return out
}
