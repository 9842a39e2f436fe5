/** Drawn jobs of several providers: that one of them cannot keep an auditor from what the others owe. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { describe, expect, it } from 'vitest'
import { localBeacon } from '../../../../src/crypto/beacon.js'
import { Identity } from '../../../../src/crypto/identity.js'
import { UserError } from '../../../../src/errors.js'
import { PATIENCE } from '../../../../src/inference/audit/asking.js'
import { epochSeconds } from '../../../../src/inference/audit/drawing.js'
import { DrawnJobs, type DrawnJobsModules } from '../../../../src/inference/audit/drawn-jobs.js'
import { type Finding, readFinding } from '../../../../src/inference/audit/finding.js'
import { Refusals } from '../../../../src/inference/audit/refusals.js'
import type { WaitingReceipt } from '../../../../src/inference/audit/watched-channel.js'
import type { EvidenceReply } from '../../../../src/inference/network/messages.js'
import { ReceiptKind, receiptDigest, signReceipt } from '../../../../src/inference/payment/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { bytes32, CHANNEL, DOMAIN } from '../payment/support.js'

const secret = new Uint8Array(32).fill(9)
secret[0] = 1
const START = 1_900_000_000
const beacon = localBeacon(secret, { genesisTimeSeconds: START - 1000, periodSeconds: 3 })
const [decoy, cheat, auditor] = [61, 62, 63].map((n) => Identity.fromSecret(new Uint8Array(32).fill(n)))
if (decoy === undefined || cheat === undefined || auditor === undefined) throw new Error('no keys')
const PROVIDERS = new Map(
  [decoy, cheat].map(({ address, peerId, publicKey }) => [
    address,
    { target: { peerId, addresses: [] }, publicKey, name: peerId },
  ]),
)
const BUSY: EvidenceReply = { kind: 'refused', code: 'BUSY', message: 'later', retryAfterSeconds: 3600 }
const NONE: EvidenceReply = { kind: 'refused', code: 'NOT_FOUND', message: 'what?' }

function waiting(index: number, payee: Identity, issuedAt = START): WaitingReceipt {
  const hash = bytes32(index)
  const receipt = signReceipt(
    DOMAIN,
    {
      ...{ channelId: CHANNEL.channelId, index, previous: hash, kind: ReceiptKind.job, jobId: hash },
      ...{ model: hash, input: hash, terms: hash, output: hash, units: 1 },
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
): Bench {
  const findings: Finding[] = []
  const asked: string[] = []
  const jobs = new DrawnJobs({
    ...{ beacon, signer: auditor as Identity, log: silentLogger, domain: DOMAIN, patience: PATIENCE },
    ...{
      refusals: Refusals.passing(),
      isSeated: async () => true,
      isFound: () => false,
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
