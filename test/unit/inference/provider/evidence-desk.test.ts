/** What a provider keeps for auditors, on a real shelf: when it is shown, put off, and refused. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { localBeacon, timeOfRound } from '../../../../src/crypto/beacon.js'
import { Identity } from '../../../../src/crypto/identity.js'
import { UserError } from '../../../../src/errors.js'
import { drawnFrom } from '../../../../src/inference/audit/drawing.js'
import type { KeptEvidence } from '../../../../src/inference/audit/evidence.js'
import { EvidenceShelf } from '../../../../src/inference/audit/evidence-shelf.js'
import { isSampled } from '../../../../src/inference/audit/sampling.js'
import { encodeInput, encodeTerms, MAX_OUTPUT_BYTES } from '../../../../src/inference/network/job-codec.js'
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
let randomness: (round: number) => Promise<Uint8Array>
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
    randomness: (round) => randomness(round),
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

  it('is kept for its time, whatever a clock that is ahead for a while says', async () => {
    let beaconNow = START
    randomness = async (round) => {
      if (timeOfRound(beacon, round) <= beaconNow) return random
      throw new UserError('no beacon server gave the round', { code: 'UNAVAILABLE' })
    }
    const drawn = firstOf(true)
    await desk.keep(drawn)
    now = START + 2 * 86_400
    await desk.draw()
    now = beaconNow = drawnFrom(beacon, START)
    expect(await desk.answer(remote, digestOf(drawn))).toMatchObject({ kind: 'evidence', input: drawn.input })
    now = START + 2 * 86_400
    await desk.draw()
    expect(shelf.list()).toHaveLength(1)
    beaconNow = now
    await desk.draw()
    expect(shelf.list()).toHaveLength(0)
  })

  it('is read for one auditor at a time: all of it is in memory then', async () => {
    const drawn = firstOf(true)
    await desk.keep(drawn)
    now = drawnFrom(beacon, START)
    await desk.draw()
    const read = shelf.read.bind(shelf)
    let [reading, most] = [0, 0]
    shelf.read = async (digest) => {
      most = Math.max(most, ++reading)
      await new Promise((resolve) => setImmediate(resolve))
      return read(digest).finally(() => reading--)
    }
    const answers = await Promise.all(Array.from({ length: 8 }, () => desk.answer(remote, digestOf(drawn))))
    expect(answers.map(({ kind }) => kind)).toEqual(answers.map(() => 'evidence'))
    expect([most, reading]).toEqual([1, 0])
    // One that fails holds up nobody.
    shelf.read = () => Promise.reject(new Error('EIO'))
    expect(await desk.answer(remote, digestOf(drawn))).toMatchObject({ kind: 'refused' })
    shelf.read = read
    expect(await desk.answer(remote, digestOf(drawn))).toMatchObject({ kind: 'evidence' })
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

  it('is kept with one line in the log, until what is wrong with the beacon changes or is over', async () => {
    const lines: string[] = []
    const loud = createLogger({ level: 'info', format: 'json', write: (line) => lines.push(line) })
    const isAuditor = async () => true
    const modules = { shelf, beacon, isAuditor, log: loud, now: () => now * 1000 }
    desk = new EvidenceDesk({ ...modules, randomness: (round) => randomness(round) })
    const told = (): string[] =>
      lines.splice(0).map((line) => JSON.parse(line).reason ?? JSON.parse(line).msg)
    await desk.keep(firstOf(true))
    now = drawnFrom(beacon, START)
    let round = 0
    const fail = (problems: string) => async () => {
      throw new UserError(`no beacon server gave round ${++round} (${problems})`, {
        code: 'UNAVAILABLE',
        remedy: 'copy its section beacon again',
        details: { problems },
      })
    }
    randomness = fail('HTTP status 404')
    for (let i = 0; i < 3; i++) await desk.draw()
    expect(told()).toEqual(['no beacon server gave round 1 (HTTP status 404); copy its section beacon again'])
    randomness = fail('fetch failed')
    for (let i = 0; i < 3; i++) await desk.draw()
    expect(told()).toEqual([expect.stringContaining('fetch failed')])
    randomness = async () => random
    for (let i = 0; i < 3; i++) await desk.draw()
    expect(told()).toEqual(['the beacon says again which jobs auditors may ask for'])
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

describe('room for what auditors may ask for', () => {
  const KIB = 1024
  const [greedy, other, third] = [1, 2, 3].map(() => Identity.generate().address)
  const terms = (task: 'transcribe' | 'speak' | 'identify', more = {}) =>
    encodeTerms({
      ...{ task, unit: task === 'speak' ? '1000-characters' : 'audio-second', units: 1, priceWeiPerUnit: 1n },
      ...{ audit: true, ...more },
    })
  const sound = new Uint8Array(64 * KIB)
  const busy = (message: RegExp) =>
    expect.objectContaining({
      code: 'BUSY',
      message: expect.stringMatching(message),
      details: { retryAfterSeconds: 60 },
    })
  /** As many jobs as it gets at once. */
  function fill(payer: typeof greedy): number {
    for (let jobs = 0; ; jobs++)
      try {
        desk.expect(terms('transcribe'), sound, payer)
      } catch (error) {
        expect(error).toEqual(busy(/your jobs takes \d+ bytes, \d+ more are needed/))
        return jobs
      }
  }

  it('is taken by no client beyond what it leaves to others, while it runs jobs and after', async () => {
    // 1 MiB, a job of 81 KiB.
    expect(fill(greedy)).toBe(6)
    expect(fill(other)).toBe(3)
    const give = desk.expect(terms('transcribe'), sound, third)
    give()
    give()
    desk.expect(terms('transcribe'), sound, third)
    expect(() => desk.expect(terms('transcribe'), sound, third)).toThrow()
  })

  it('stays shared out by payer for what is kept, over a restart as well, and comes back with what goes', async () => {
    const payerOf = () => greedy
    const modules = {
      beacon,
      randomness: (round: number) => randomness(round),
      isAuditor: async () => true,
      log,
      payerOf,
    }
    const keep = async (at: EvidenceShelf) => {
      const keeping = new EvidenceDesk({ ...modules, shelf: at, now: () => now * 1000 })
      for (let n = 1; n <= 6; n++) await keeping.keep({ ...evidenceOf(n), input: new Uint8Array(80 * KIB) })
    }
    await keep(shelf)
    const ask = (payer: typeof greedy) => desk.expect(terms('transcribe'), sound, payer)
    expect(() => ask(greedy)).toThrow(busy(/your jobs takes/) as never)
    ask(other)()
    shelf = await EvidenceShelf.open({ directory, mostBytes: 2 ** 20, keptSeconds: 1000, isOwed: true, log })
    desk = new EvidenceDesk({ ...modules, shelf, now: () => now * 1000 })
    expect(() => ask(greedy)).toThrow(busy(/your jobs takes/) as never)
    ask(other)()
    expect((await shelf.read(bytesToHex(digestOf(evidenceOf(1)))))?.input).toHaveLength(80 * KIB)
    shelf.sweep(START + 2000)
    await shelf.settled()
    ask(greedy)()
  })

  it('is reckoned by task: what a voice says, what is heard, how many labels there may be', async () => {
    const expected = (encodedTerms: Uint8Array, input: Uint8Array): number => {
      let bytes = 0
      const asked = {
        expect: (need: number) => {
          bytes = need
          return () => {}
        },
      }
      new EvidenceDesk({
        ...{ beacon, randomness: (round) => randomness(round), isAuditor: async () => true, log },
        now: () => 0,
        shelf: asked as unknown as EvidenceShelf,
      }).expect(encodedTerms, input)
      return bytes - input.length
    }
    const text = encodeInput({ kind: 'text', text: 'a'.repeat(1000) })
    const aMinuteAt16kHz = 60 * 32_000
    expect(expected(terms('speak'), text)).toBeGreaterThan(aMinuteAt16kHz)
    expect(expected(terms('speak', { speedPermille: 250 }), text)).toBeGreaterThan(4 * aMinuteAt16kHz)
    expect(expected(terms('speak', { speedPermille: 1 }), text)).toBeLessThan(MAX_OUTPUT_BYTES + 20_000)
    expect(expected(terms('transcribe', { units: 480 }), sound)).toBeGreaterThan(480 * 15 * 60)
    expect(expected(terms('identify'), sound)).toBeGreaterThan(4000 * 40)
    expect(expected(terms('speak', { audit: false }), text)).toBeLessThan(20_000)
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
