/**
 * Each cheat against the sampling that is to catch it. Jobs, receipts, vouchers and the beacon are real; the model is a
 * small function, so that thousands of jobs can be run, since what is tested is who is caught, and when.
 */
import { beforeAll, describe, expect, it } from 'vitest'
import { localBeacon, signRound, verifyRound } from '../../../../src/crypto/beacon.js'
import { Identity } from '../../../../src/crypto/identity.js'
import { auditJob, type JobEvidence } from '../../../../src/inference/audit/audit.js'
import { auditChain } from '../../../../src/inference/audit/chain-audit.js'
import { isContradicted } from '../../../../src/inference/audit/contradiction.js'
import { isSampled, jobsUntilCaught, SAMPLED_PERMILLE } from '../../../../src/inference/audit/sampling.js'
import type { Job, JobAnswer, JobSource } from '../../../../src/inference/job.js'
import {
  encodeInput,
  encodeOutput,
  encodeTerms,
  hashOf,
} from '../../../../src/inference/network/job-codec.js'
import { Payee, Payer, receiptDigest } from '../../../../src/inference/payment/index.js'
import { honestProvider, type ProviderBehaviour } from '../../../../src/inference/provider/behaviour.js'
import {
  CHAIN_ATTACKS,
  corruptProvider,
  PROVIDER_ATTACKS,
  shownChain,
} from '../../../../src/lab/adversary/provider.js'
import { bytes32, CHANNEL, DOMAIN, MemoryBooks } from '../payment/support.js'

const MODEL = new Uint8Array(32).fill(7)
const RATE = 100
const WORDS = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight']

const SOLD_HEX = Buffer.from(MODEL).toString('hex')
/** What the provider sells: the model of all jobs, and another one. */
const SOLD = new Map([SOLD_HEX, '08'.repeat(32)].map((sha256) => [sha256, { task: 'transcribe' }]))

/** Hears a word in every two bytes, and another model the next word. */
const model: JobSource = {
  models: async () => [],
  close: async () => {},
  run: async ({ input, model: sha256 }: Job): Promise<JobAnswer> => {
    if (input.kind !== 'sound') throw new Error('no sound')
    const shift = sha256 === SOLD_HEX ? 0 : 1
    const words = Array.from({ length: input.pcm16.length / 2 }, (_, i) => ({
      text: WORDS[((input.pcm16[2 * i] ?? 0) + shift) % WORDS.length] ?? '',
      startSeconds: i,
      endSeconds: i + 1,
      confidence: 1,
    }))
    const text = words.map((word) => word.text).join(' ')
    return { output: { kind: 'transcription', text, words, language: 'en' }, runSeconds: 0 }
  },
}

interface Sold {
  readonly evidence: readonly JobEvidence[]
  readonly behaviour: ProviderBehaviour
  readonly payee: Identity
  readonly head: {
    readonly channelId: Uint8Array
    readonly receipts: number
    readonly receiptsHead: Uint8Array
  }
}

/** So many jobs through both ledgers. */
async function sell(behaviour: ProviderBehaviour, jobs: number): Promise<Sold> {
  const [payee, payer] = [Identity.generate(), Identity.generate()]
  const channel = { ...CHANNEL, depositWei: 10n ** 9n }
  const id = channel.channelId
  const limits = { exposureWei: 10n ** 6n, maxJobs: 8, leastRemainingSeconds: 1 }
  const books = (): MemoryBooks => new MemoryBooks(true)
  const seller = await Payee.open(
    { domain: DOMAIN, signer: payee, books: books(), now: () => 1_900_000_000 },
    limits,
  )
  const buyer = await Payer.open({ domain: DOMAIN, signer: payer, books: books() }, limits)
  await seller.setChannel(payer.address, channel)
  await buyer.setChannel(payee.address, channel)
  const evidence: JobEvidence[] = []
  for (let n = 1; n <= jobs; n++) {
    const pcm16 = Uint8Array.from({ length: 4 + 2 * (n % 5) }, (_, i) => (n * 31 + i * 17) % 251)
    const job: Job = {
      task: 'transcribe',
      model: SOLD_HEX,
      input: { kind: 'sound', sampleRate: RATE, pcm16 },
      parameters: {},
    }
    const input = encodeInput(job.input)
    const price = { units: 1, priceWeiPerUnit: 3n }
    const terms = encodeTerms({ task: 'transcribe', unit: 'audio-second', ...price, audit: true })
    const asked = { jobId: bytes32(n), model: MODEL, input: hashOf(input), terms: hashOf(terms) }
    await buyer.begin(id, { ...asked, maxPriceWei: 3n })
    seller.admit(id, { jobId: asked.jobId, maxPriceWei: 3n })
    const run = async (instead = SOLD_HEX) =>
      encodeOutput((await model.run({ ...job, model: instead })).output)
    const output = await behaviour.output({ model: SOLD_HEX, input, terms, sold: SOLD }, run)
    const work = { ...asked, output: hashOf(output), units: 1, priceWei: 3n }
    const receipt = await seller.issue(id, behaviour.work(work))
    await seller.accept(await buyer.receive(receipt))
    await buyer.deliver(id, asked.jobId, hashOf(output))
    seller.acknowledge(id, asked.jobId)
    evidence.push({ receipt, input, terms, output })
  }
  const { voucher } = seller.account(id)
  if (voucher === null) throw new Error('nothing was paid')
  return { evidence, behaviour, payee, head: voucher }
}

const secret = new Uint8Array(32).fill(9)
secret[0] = 1
const beacon = localBeacon(secret, { genesisTimeSeconds: 1_700_000_000, periodSeconds: 3 })

function randomnessOf(round: number): Uint8Array {
  const randomness = verifyRound(beacon, round, signRound(secret, round))
  if (randomness === false) throw new Error('the round is not signed')
  return randomness
}

/** The first job, from 1, whose audit fails under each round; undefined where none does. */
function firstCaught(sold: Sold, failed: ReadonlySet<number>, rounds: readonly Uint8Array[]) {
  const { evidence, payee, behaviour, head } = sold
  const who = { domain: DOMAIN, payee: payee.address }
  const digests = evidence.map(({ receipt }) => receiptDigest(DOMAIN, receipt))
  const produced = evidence
    .map(({ receipt }) => receipt)
    .filter((receipt) => behaviour.producesReceipt(receipt, receipt.issuedAt))
  return rounds.map((randomness, round) => {
    const byReceipt = digests.findIndex((digest, i) => failed.has(i) && isSampled(randomness, digest))
    // Nobody misses a receipt of a provider that produces all: once is enough to see that.
    const { missing } =
      produced.length === 0 || round === 0 ? auditChain(who, head, produced, randomness) : { missing: [] }
    const all = [...(byReceipt < 0 ? [] : [byReceipt + 1]), ...missing.slice(0, 1)]
    return all.length === 0 ? undefined : Math.min(...all)
  })
}

/** Every job of a sale audited; what was found bad. */
async function auditAll({ evidence, payee }: Sold): Promise<ReadonlySet<number>> {
  const auditor = { domain: DOMAIN, payee: payee.address, executions: [model, model] as const }
  const failed = new Set<number>()
  for (const [i, each] of evidence.entries())
    if ((await auditJob(auditor, each)).verdict === 'bad') failed.add(i)
  return failed
}

const ROUNDS = 60
const JOBS = 120

describe('a provider under audit', () => {
  const bound = jobsUntilCaught(1)
  let rounds: readonly Uint8Array[]
  beforeAll(() => {
    rounds = Array.from({ length: ROUNDS }, (_, i) => randomnessOf(1000 + i))
  })

  it('in theory is caught within 59 jobs with 95 % certainty at 5 %', () => {
    expect(SAMPLED_PERMILLE).toBe(50)
    expect(bound).toBe(59)
    // Half of the jobs honest: about twice as long.
    expect(jobsUntilCaught(0.5)).toBe(119)
  })

  it.each(PROVIDER_ATTACKS)('%s is caught as soon as theory says', async (attack) => {
    const sold = await sell(corruptProvider(attack), JOBS)
    const failed = await auditAll(sold)
    const caught = firstCaught(sold, failed, rounds)
    const within = caught.filter((job) => job !== undefined && job <= bound).length
    // 57 of 60 are expected; fewer than 50 come once in ten thousand tries.
    expect(within).toBeGreaterThanOrEqual(50)
    // On average the twentieth cheat is drawn.
    const mean = caught.reduce<number>((sum, job) => sum + (job ?? JOBS), 0) / ROUNDS
    expect(mean).toBeGreaterThan(10)
    expect(mean).toBeLessThan(32)
  })

  it.each(CHAIN_ATTACKS)('%s is caught as soon as theory says, by what is not shown', async (attack) => {
    const { evidence, payee, head } = await sell(corruptProvider('shortened-output'), JOBS)
    const sold = evidence.map(({ receipt }) => receipt)
    const shown = shownChain(attack, sold, { domain: DOMAIN, signer: payee })
    const who = { domain: DOMAIN, payee: payee.address }
    const caught = rounds.map((randomness) => auditChain(who, head, shown, randomness).missing[0])
    expect(caught.filter((job) => job !== undefined && job <= bound).length).toBeGreaterThanOrEqual(50)
    const last = shown.at(-1)
    if (last === undefined) throw new Error('nothing is shown')
    expect(isContradicted(who, head, last)).toBe(attack === 'forked-chain')
    expect(sold.some((receipt) => isContradicted(who, head, receipt))).toBe(false)
  })

  it('that is honest is never found out', async () => {
    const sold = await sell(honestProvider, JOBS)
    const failed = await auditAll(sold)
    expect(failed.size).toBe(0)
    expect(firstCaught(sold, failed, rounds).filter((job) => job !== undefined)).toEqual([])
  })

  it('is not blamed by an auditor whose two executions differ', async () => {
    const sold = await sell(corruptProvider('shortened-output'), 3)
    const other: JobSource = {
      ...model,
      run: async () => ({
        output: { kind: 'transcription', text: 'else', words: [], language: null },
        runSeconds: 0,
      }),
    }
    const [evidence] = sold.evidence
    if (evidence === undefined) throw new Error('no job')
    const who = { domain: DOMAIN, payee: sold.payee.address }
    expect(await auditJob({ ...who, executions: [model, other] }, evidence)).toMatchObject({
      verdict: 'undecided',
    })
    expect(await auditJob({ ...who, executions: [model] }, evidence)).toMatchObject({ verdict: 'undecided' })
    // Nor for what the client exchanged.
    const swapped = { ...evidence, output: encodeOutput({ kind: 'translation', text: 'x' }) }
    expect(await auditJob({ ...who, executions: [model, model] }, swapped)).toMatchObject({
      verdict: 'undecided',
    })
  })
})
