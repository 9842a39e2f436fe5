/** Drawn jobs of several providers: that one of them cannot keep an auditor from what the others owe. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { UserError } from '../../../../src/errors.js'
import { Asking, PATIENCE } from '../../../../src/inference/audit/asking.js'
import { epochSeconds } from '../../../../src/inference/audit/drawing.js'
import { DrawnJobs, type DrawnJobsModules } from '../../../../src/inference/audit/drawn-jobs.js'
import { type Finding, readFinding } from '../../../../src/inference/audit/finding.js'
import { Refusals } from '../../../../src/inference/audit/refusals.js'
import type { WaitingReceipt } from '../../../../src/inference/audit/watched-channel.js'
import { encodeTerms, hashOf } from '../../../../src/inference/network/job-codec.js'
import type { EvidenceReply } from '../../../../src/inference/network/messages.js'
import { ReceiptKind, receiptDigest, signReceipt } from '../../../../src/inference/payment/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { bytes32, CHANNEL, DOMAIN } from '../payment/support.js'
import { beacon, START } from './drawing-beacon.js'

const keyOf = (n: number): Identity => Identity.fromSecret(new Uint8Array(32).fill(n))
const [decoy, cheat, auditor] = [keyOf(61), keyOf(62), keyOf(63)]
const PROVIDERS = new Map(
  [decoy, cheat].map(({ address, peerId, publicKey }) => [
    address,
    { target: { peerId, addresses: [] }, publicKey, name: peerId },
  ]),
)
const BUSY: EvidenceReply = { kind: 'refused', code: 'BUSY', message: 'later', retryAfterSeconds: 3600 }
const NONE: EvidenceReply = { kind: 'refused', code: 'NOT_FOUND', message: 'what?' }

/** What shows that a job was not to be audited. */
const TERMS = encodeTerms({
  task: 'translate',
  unit: 'request',
  units: 1,
  priceWeiPerUnit: 1n,
  audit: false,
})
const OPTED_OUT: EvidenceReply = { kind: 'optedOut', terms: TERMS }

function waiting(index: number, payee: Identity, issuedAt = START, terms = bytes32(index)): WaitingReceipt {
  const hash = bytes32(index)
  const receipt = signReceipt(
    DOMAIN,
    {
      ...{ channelId: CHANNEL.channelId, index, previous: hash, kind: ReceiptKind.job, jobId: hash },
      ...{ model: hash, input: hash, terms, output: hash, units: 1 },
      ...{ priceWei: 1n, totalWei: BigInt(index), issuedAt },
    },
    payee,
  )
  return { receipt, digest: receiptDigest(DOMAIN, receipt), isHidden: false }
}

interface Bench {
  readonly jobs: DrawnJobs
  readonly findings: readonly Finding[]
  /** Who was asked, in order. */
  readonly asked: readonly string[]
  now: number
  round(): Promise<void>
}

/** @param secondsOf how long it takes until a provider has answered */
function bench(
  reply: (peerId: string, receipt: Uint8Array) => EvidenceReply,
  secondsOf: (peerId: string) => number = () => 0,
  isFound: DrawnJobsModules['isFound'] = () => false,
): Bench {
  const findings: Finding[] = []
  const asked: string[] = []
  const jobs = new DrawnJobs({
    ...{ beacon, signer: auditor, log: silentLogger, domain: DOMAIN, patience: PATIENCE },
    ...{
      refusals: Refusals.passing(),
      isSeated: async () => true,
      isFound,
      keep: async () => {},
    },
    now: () => made.now * 1000,
    elapsedMs: () => made.now * 1000,
    openExecutions: () => Promise.reject(new Error('nothing is to be run')),
    onFinding: async (message) => void findings.push(readFinding(message)),
    host: {
      request: async (
        { peerId }: { readonly peerId: string },
        _message: unknown,
        { receipt }: { readonly receipt: Uint8Array },
      ) => {
        asked.push(peerId)
        made.now += secondsOf(peerId)
        return reply(peerId, receipt)
      },
    } as unknown as DrawnJobsModules['host'],
  })
  const made = {
    ...{ jobs, findings, asked, now: START },
    round: () => jobs.audit(PROVIDERS, new AbortController().signal),
  }
  return made
}

describe('an auditor that one provider gives more drawn jobs than it has room for', () => {
  it('has room for what others owe, and says what found none', async () => {
    const { jobs, findings, round } = bench((peerId) => (peerId === cheat.peerId ? NONE : BUSY))
    const one = waiting(1, decoy)
    let added = 0
    while (added < 20_000 && jobs.add({ ...one, digest: bytes32(added) }, decoy.address)) added++
    expect(added).toBeLessThan(10_000)
    expect(jobs.add({ ...one, digest: bytes32(added) }, decoy.address)).toBe(false)
    const lie = waiting(2, cheat)
    expect(jobs.add(lie, cheat.address)).toBe(true)
    expect([...jobs.asked()].some(([digest]) => digest === bytesToHex(lie.digest))).toBe(true)
    await round()
    expect(findings).toMatchObject([{ provider: cheat.publicKey, verdict: 'missing', index: 2 }])
  })
})

describe('a provider whose jobs take long', () => {
  it('leaves others their turn in the same round, and comes again in the next', async () => {
    const made = bench(
      () => NONE,
      (peerId) => (peerId === decoy.peerId ? 50 : 1),
    )
    for (let n = 1; n <= 10; n++) made.jobs.add(waiting(n, decoy), decoy.address)
    for (let n = 11; n <= 15; n++) made.jobs.add(waiting(n, cheat), cheat.address)
    const times = (peerId: string): number => made.asked.filter((each) => each === peerId).length
    await made.round()
    expect([times(decoy.peerId), times(cheat.peerId)]).toEqual([3, 5])
    // In turns: the other one does not wait until its time is over.
    expect(made.asked.slice(0, 2)).toEqual([decoy.peerId, cheat.peerId])
    await made.round()
    expect(times(decoy.peerId)).toBe(6)
    expect([...made.jobs.asked()]).toHaveLength(4)
  })

  it('does not hold a round up for long, however many there are, and who had no turn begins the next', async () => {
    const made = bench(
      () => NONE,
      () => 700,
    )
    for (let n = 1; n <= 3; n++) made.jobs.add(waiting(n, decoy), decoy.address)
    made.jobs.add(waiting(4, cheat), cheat.address)
    await made.round()
    await made.round()
    expect(made.asked).toEqual([decoy.peerId, cheat.peerId])
  })

  it('that is silent about one of them puts off no other of the channel', async () => {
    const lie = waiting(1, cheat)
    const made = bench((_, receipt) => {
      if (Buffer.compare(receipt, lie.digest) !== 0) return NONE
      throw new UserError('no answer within 60 s', { code: 'TIMEOUT' })
    })
    made.jobs.add(lie, cheat.address)
    for (let n = 2; n <= 10; n++) made.jobs.add(waiting(n, cheat), cheat.address)
    for (let round = 0; round < 20; round++) {
      await made.round()
      made.now += epochSeconds(beacon)
    }
    expect(made.findings.map(({ index }) => index)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect([...made.jobs.asked()]).toHaveLength(1)
  })

  it('is blamed for nothing that there was no time to ask for', async () => {
    const made = bench(
      () => BUSY,
      () => 1000,
    )
    for (let n = 1; n <= 10; n++) made.jobs.add(waiting(n, decoy), decoy.address)
    await made.round()
    expect(made.asked).toHaveLength(1)
    made.now = START + PATIENCE.keptSeconds + 1
    await made.round()
    expect(made.findings).toEqual([])
    expect([...made.jobs.asked()]).toEqual([])
  })
})

describe('a provider that is silent about a drawn job until its evidence need not be kept', () => {
  const lie = waiting(1, cheat)
  /** @param of whether it is silent then about that receipt */
  async function day(of: (receipt: Uint8Array, now: number) => boolean, isFound = () => false) {
    const made = bench(
      (_, receipt) => {
        if (!of(receipt, made.now)) return OPTED_OUT
        throw new UserError('no answer within 60 s', { code: 'TIMEOUT' })
      },
      undefined,
      () => made.now > START + PATIENCE.keptSeconds && isFound(),
    )
    made.jobs.add(lie, cheat.address)
    for (let n = 2; made.now < START + PATIENCE.keptSeconds + 1000; n++) {
      if (n < 20) made.jobs.add(waiting(n, cheat, made.now, hashOf(TERMS)), cheat.address)
      await made.round()
      made.now += 600
    }
    return made.findings
  }
  const isLie = (receipt: Uint8Array): boolean => Buffer.compare(receipt, lie.digest) === 0

  it('and answered for others since, has that in its record, and is blamed for nothing', async () => {
    expect(await day(isLie)).toMatchObject([
      { provider: cheat.publicKey, verdict: 'undecided', index: 1, receipt: lie.digest },
    ])
  })

  it('has not where it was away, before it answered for others or altogether', async () => {
    expect(await day(() => true)).toEqual([])
    // It was there first, and then not any more.
    expect(await day((receipt, now) => isLie(receipt) || now > START)).toEqual([])
  })

  it('has not where it came back too late to be asked for it again', async () => {
    const back = START + PATIENCE.keptSeconds - 1800
    let lastAsked = 0
    const findings = await day((receipt, now) => {
      if (isLie(receipt)) lastAsked = now
      return now < back
    })
    expect(lastAsked).toBeLessThan(back)
    expect(findings).toEqual([])
  })

  it('has not where this node found something else of it meanwhile', async () => {
    expect(await day(isLie, () => true)).toEqual([])
  })

  it('has not where it answered in the end', async () => {
    expect(await day((receipt, now) => isLie(receipt) && now < START + 50_000)).toMatchObject([
      { verdict: 'missing', reason: expect.stringContaining('other terms'), index: 1 },
    ])
  })

  it('has not where it answered for others after a first question in vain, and was away from then on', () => {
    const asking = new Asking(START, PATIENCE)
    const first = START + 100
    for (let n = 0; n < 30; n++) asking.unanswered(first + n * 1000, n === 0 ? undefined : first + 10)
    expect(asking.isPassedOver).toBe(false)
    // It came back, and was silent about this one again.
    asking.unanswered(first + 40_000, first + 39_000)
    expect(asking.isPassedOver).toBe(true)
  })
})
