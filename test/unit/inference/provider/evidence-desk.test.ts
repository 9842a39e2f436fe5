/** What a provider keeps for auditors, on a real shelf: when it is shown, put off, and refused. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { localBeacon } from '../../../../src/crypto/beacon.js'
import { Identity } from '../../../../src/crypto/identity.js'
import { UserError } from '../../../../src/errors.js'
import { drawnFrom } from '../../../../src/inference/audit/drawing.js'
import type { KeptEvidence } from '../../../../src/inference/audit/evidence.js'
import { EvidenceShelf } from '../../../../src/inference/audit/evidence-shelf.js'
import { isSampled } from '../../../../src/inference/audit/sampling.js'
import { encodeTerms } from '../../../../src/inference/network/job-codec.js'
import { Payee, ReceiptKind, receiptDigest, signReceipt } from '../../../../src/inference/payment/index.js'
import { EvidenceDesk } from '../../../../src/inference/provider/evidence-desk.js'
import type { Remote } from '../../../../src/p2p/index.js'
import { openStore } from '../../../../src/store/index.js'
import { createLogger } from '../../../../src/telemetry/logger.js'
import { askedJob, bytes32, CHANNEL, DOMAIN, workOf } from '../payment/support.js'

const log = createLogger({ level: 'silent', format: 'json' })
const provider = Identity.fromSecret(new Uint8Array(32).fill(31))
const START = 1_900_000_000
const secret = new Uint8Array(32).fill(9)
secret[0] = 1
const beacon = localBeacon(secret, { genesisTimeSeconds: START - 1000, periodSeconds: 3 })
const random = sha256(Uint8Array.of(1))
const remote = { peerId: 'auditor', publicKey: provider.publicKey, address: '', limited: false } as Remote

function evidenceOf(n: number, isAudited = true): KeptEvidence {
  const hash = bytes32(n)
  const receipt = signReceipt(
    DOMAIN,
    {
      ...{ channelId: CHANNEL.channelId, index: n, previous: hash, kind: ReceiptKind.job, jobId: hash },
      ...{ model: hash, input: hash, terms: hash, output: hash, units: 1, priceWei: 1n, totalWei: BigInt(n) },
      issuedAt: START,
    },
    provider,
  )
  const price = { units: 1, priceWeiPerUnit: 1n }
  const terms = encodeTerms({ task: 'transcribe', unit: 'audio-second', ...price, audit: isAudited })
  return { receipt, terms, input: bytes32(n), output: hash, provider: provider.publicKey, domain: DOMAIN }
}

const digestOf = ({ receipt }: KeptEvidence): Uint8Array => receiptDigest(DOMAIN, receipt)
/** The first that the round draws, and the first that it does not. */
function firstOf(isDrawn: boolean): KeptEvidence {
  for (let n = 1; ; n++) if (isSampled(random, digestOf(evidenceOf(n))) === isDrawn) return evidenceOf(n)
}

let directory: string
let now: number
let randomness: () => Promise<Uint8Array>
let desk: EvidenceDesk
let shelf: EvidenceShelf
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'desk-'))
  now = START
  randomness = async () => random
  shelf = await EvidenceShelf.open({
    directory,
    mostBytes: 2 ** 20,
    keptSeconds: 1000,
    isOwed: true,
    log,
  })
  const isAuditor = async () => true
  desk = new EvidenceDesk({
    shelf,
    beacon,
    randomness: () => randomness(),
    isAuditor,
    log,
    now: () => now * 1000,
  })
})
afterEach(async () => {
  await desk.stop()
  await rm(directory, { recursive: true })
})

describe('what was sold', () => {
  it('is put off until the round, then shown where it was drawn, and not known where it was not', async () => {
    const [drawn, undrawn] = [firstOf(true), firstOf(false)]
    await desk.keep(drawn)
    await desk.keep(undrawn)
    await desk.draw()
    const busy = { kind: 'refused', code: 'BUSY', retryAfterSeconds: 30 }
    expect(await desk.answer(remote, digestOf(drawn))).toMatchObject(busy)
    expect(await desk.answer(remote, digestOf(undrawn))).toMatchObject(busy)
    now = drawnFrom(beacon, START)
    expect(await desk.answer(remote, digestOf(drawn))).toMatchObject({ kind: 'evidence', input: drawn.input })
    expect(await desk.answer(remote, digestOf(undrawn))).toMatchObject({ kind: 'refused', code: 'NOT_FOUND' })
  })

  it('is put off while the beacon does not give the round', async () => {
    const drawn = firstOf(true)
    await desk.keep(drawn)
    now = drawnFrom(beacon, START)
    randomness = async () => {
      throw new UserError('no server has it', { code: 'UNAVAILABLE' })
    }
    await desk.draw()
    expect(await desk.answer(remote, digestOf(drawn))).toMatchObject({ code: 'BUSY', retryAfterSeconds: 30 })
    randomness = async () => random
    expect(await desk.answer(remote, digestOf(drawn))).toMatchObject({ kind: 'evidence' })
  })

  it('is drawn for who asks while a run that began too early is under way', async () => {
    const [first, later] = [firstOf(true), firstOf(false)]
    await desk.keep(first)
    await desk.draw()
    now = drawnFrom(beacon, START)
    const { promise, resolve } = Promise.withResolvers<void>()
    const began = Promise.withResolvers<void>()
    randomness = async () => {
      began.resolve()
      await promise
      return random
    }
    const running = desk.draw()
    await began.promise
    // Kept when the run has looked at what there is.
    await desk.keep(later)
    const asked = desk.draw()
    resolve()
    await running
    await asked
    expect(shelf.list('pending')).toEqual([])
    expect(await desk.answer(remote, digestOf(first))).toMatchObject({ kind: 'evidence' })
    expect(await desk.answer(remote, digestOf(later))).toMatchObject({ code: 'NOT_FOUND' })
  })
})

it('nobody can read a receipt from the books before what belongs to it was put away', async () => {
  const data = await mkdtemp(join(tmpdir(), 'books-'))
  const store = await openStore(data)
  try {
    const books = store.paymentsEarned
    const payee = await Payee.open(
      { domain: DOMAIN, signer: provider, books, now: () => START },
      { exposureWei: 1000n, maxJobs: 8, leastRemainingSeconds: 1 },
    )
    const id = CHANNEL.channelId
    await payee.setChannel(Identity.generate().address, CHANNEL)
    payee.admit(id, { jobId: askedJob(1).jobId, maxPriceWei: 5n })
    const read = () => books.entries(bytesToHex(id), 1, 10)
    let seen: unknown
    const receipt = await payee.issue(id, workOf(askedJob(1), 1, 5n), async () => {
      // Longer than the receipt's own write would take.
      for (let i = 0; i < 3; i++) await store.paymentsMade.write({ id: 'other', account: () => bytes32(i) })
      seen = await read()
    })
    expect(seen).toEqual([])
    expect((await read()).map(({ index }) => index)).toEqual([receipt.index])
  } finally {
    await store.close()
    await rm(data, { recursive: true })
  }
})
