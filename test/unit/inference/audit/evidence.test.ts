/** What is kept for audits: bounded, found again after a restart, drawn by the beacon; and whom a record shuts out. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type BeaconInfo,
  localBeacon,
  roundAt,
  signRound,
  verifyRound,
} from '../../../../src/crypto/beacon.js'
import { Identity } from '../../../../src/crypto/identity.js'
import { Sealing } from '../../../../src/crypto/sealing.js'
import { drawingRound, drawnFrom, epochSeconds, isTimely } from '../../../../src/inference/audit/drawing.js'
import {
  decodeEvidence,
  encodeEvidence,
  type KeptEvidence,
} from '../../../../src/inference/audit/evidence.js'
import { EvidenceShelf } from '../../../../src/inference/audit/evidence-shelf.js'
import { signFinding } from '../../../../src/inference/audit/finding.js'
import { FindingsBook } from '../../../../src/inference/audit/findings-book.js'
import { isSampled } from '../../../../src/inference/audit/sampling.js'
import { drawShelf } from '../../../../src/inference/audit/shelf-audit.js'
import { ReceiptKind, signReceipt } from '../../../../src/inference/payment/index.js'
import { bytes32, CHANNEL, DOMAIN } from '../payment/support.js'

const provider = Identity.generate()
const START = 1_900_000_000

function evidenceOf(n: number, inputBytes = 1000): KeptEvidence {
  const hash = bytes32(n)
  const receipt = signReceipt(
    DOMAIN,
    {
      ...{ channelId: CHANNEL.channelId, index: n, previous: hash, kind: ReceiptKind.job, jobId: hash },
      ...{ model: hash, input: hash, terms: hash, output: hash, units: 1, priceWei: 1n, totalWei: BigInt(n) },
      issuedAt: START + n,
    },
    provider,
  )
  const [input, terms, output] = [new Uint8Array(inputBytes).fill(n), Uint8Array.of(1, 2), Uint8Array.of(3)]
  return { receipt, input, terms, output, provider: provider.publicKey, domain: DOMAIN }
}

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'evidence-'))
})
afterEach(() => rm(directory, { recursive: true }))

const open = (limits: { mostBytes?: number; keptSeconds?: number; isOwed?: boolean } = {}) =>
  EvidenceShelf.open({ directory, mostBytes: 2 ** 20, keptSeconds: 1000, ...limits })

describe('the shelf of evidence', () => {
  it('seals what lies on the disk, and reads what an earlier version left open', async () => {
    const sealing = Sealing.of(Identity.generate(), 'evidence')
    const sealed = (mostBytes = 2 ** 20) =>
      EvidenceShelf.open({ directory, mostBytes, keptSeconds: 1000, sealing })
    const [old, fresh] = [evidenceOf(1), evidenceOf(2)]
    const before = await open()
    await before.put(old)
    const shelf = await sealed()
    await shelf.put(fresh)
    const [first, second] = shelf.list()
    if (first === undefined || second === undefined) throw new Error('two were put')
    expect(await shelf.read(first.digest)).toEqual(old)
    expect(await shelf.read(second.digest)).toEqual(fresh)
    const content = await readFile(shelf.path(second))
    expect(content.includes(Buffer.from(fresh.input))).toBe(false)
    expect(content.length).toBe(second.bytes)
    expect((await sealed()).list()).toEqual([first, second])
    // In another's place, or read with another's key.
    await writeFile(shelf.path(first), content)
    await expect(shelf.read(first.digest)).rejects.toMatchObject({ code: 'BAD_MESSAGE' })
    const stranger = Sealing.of(Identity.generate(), 'evidence')
    const other = await EvidenceShelf.open({
      directory,
      mostBytes: 2 ** 20,
      keptSeconds: 1000,
      sealing: stranger,
    })
    await expect(other.read(second.digest)).rejects.toMatchObject({ code: 'BAD_MESSAGE' })
  })

  it('gives back what it was given, after a restart, too', async () => {
    const [first, second] = [evidenceOf(1), evidenceOf(2)]
    expect(decodeEvidence(encodeEvidence(first))).toEqual(first)
    const shelf = await open()
    await shelf.put(second)
    await shelf.put(first)
    await shelf.settled()
    const digests = shelf.list().map(({ digest }) => digest)
    shelf.mark(digests[0] ?? '', 'drawn')
    await shelf.settled()
    await writeFile(join(directory, 'half.tmp'), 'of a write that was killed')
    const again = await open()
    // The oldest first now.
    expect(again.list().map(({ digest, state }) => [digest, state])).toEqual([
      [digests[1], 'pending'],
      [digests[0], 'drawn'],
    ])
    expect(await again.read(digests[0] ?? '')).toEqual(second)
    expect((await readdir(directory)).filter((name) => name.endsWith('.tmp'))).toEqual([])
  })

  it('is bounded in bytes and in time: the oldest go', async () => {
    const size = encodeEvidence(evidenceOf(1)).length
    const shelf = await open({ mostBytes: 3 * size + 10 })
    for (let n = 1; n <= 5; n++) await shelf.put(evidenceOf(n))
    await shelf.settled()
    expect(shelf.list().map(({ issuedAt }) => issuedAt - START)).toEqual([3, 4, 5])
    expect(await readdir(directory)).toHaveLength(3)
    shelf.sweep(START + 1004.5)
    await shelf.settled()
    expect(shelf.list().map(({ issuedAt }) => issuedAt - START)).toEqual([5])
    expect(await readdir(directory)).toHaveLength(1)
  })

  it('makes no room of what is owed to auditors: no more is taken on until it is kept long enough', async () => {
    const size = encodeEvidence(evidenceOf(1)).length
    const shelf = await open({ mostBytes: 3 * size, isOwed: true })
    const unused = shelf.expect(size)
    const used = shelf.expect(size)
    shelf.expect(size)
    // Jobs that run count.
    expect(() => shelf.expect(size)).toThrow(/fills/)
    unused()
    unused()
    for (let n = 1; n <= 2; n++) await shelf.put(evidenceOf(n))
    used()
    expect(() => shelf.expect(size)).toThrow(expect.objectContaining({ code: 'BUSY' }))
    // Who was let in is kept, whatever it came to.
    await shelf.put(evidenceOf(3))
    await shelf.put(evidenceOf(4))
    shelf.mark(shelf.list()[0]?.digest ?? '', 'drawn')
    await shelf.settled()
    expect(shelf.list()).toHaveLength(4)
    shelf.sweep(START + 2000)
    await shelf.settled()
    shelf.expect(size)
  })

  it('tells where the disk takes nothing, and takes on nothing for a while', async () => {
    const shelf = await open({ isOwed: true })
    await rm(directory, { recursive: true })
    await expect(shelf.put(evidenceOf(1))).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(() => shelf.expect(10)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }))
    await mkdir(directory)
  })

  it('refuses what names a provider whose key is none', () => {
    const hostile = { ...evidenceOf(1), provider: new Uint8Array(33).fill(0xff) }
    expect(() => decodeEvidence(encodeEvidence(hostile))).toThrow(/^evidence\.provider is no public key$/)
  })

  it('refuses a file that was altered', async () => {
    const shelf = await open()
    await shelf.put(evidenceOf(1))
    await shelf.settled()
    const [entry] = shelf.list()
    if (entry === undefined) throw new Error('nothing was kept')
    const content = await readFile(shelf.path(entry))
    await writeFile(shelf.path(entry), content.subarray(0, content.length - 5))
    await expect(shelf.read(entry.digest)).rejects.toMatchObject({ code: 'BAD_MESSAGE' })
  })
})

describe('the round that draws a receipt', () => {
  const secret = new Uint8Array(32).fill(9)
  secret[0] = 1
  const beacon = localBeacon(secret, { genesisTimeSeconds: START - 7, periodSeconds: 3 })
  const drand: BeaconInfo = { ...beacon, kind: 'drand' }

  it('lies ahead of everybody who takes the receipt for timely, and not far', () => {
    const epoch = epochSeconds(beacon)
    for (let skew = -epoch; skew <= epoch; skew++)
      for (let now = START; now < START + 2 * epoch; now += 7) {
        // A third of an epoch before its round it may be known to a clock that is ahead of this one.
        const isAhead = drawnFrom(drand, now + skew) - now >= epoch / 3
        expect(isTimely(drand, now + skew, now)).toBe(isAhead)
        if (skew >= (-2 * epoch) / 3) expect(isAhead).toBe(true)
        expect(drawingRound(beacon, now + skew)).toBeGreaterThan(roundAt(beacon, now))
        expect(drawnFrom(beacon, now + skew) - now).toBeLessThanOrEqual(3 * epoch + beacon.periodSeconds)
      }
    expect(isTimely(drand, START - epoch - 1, START)).toBe(false)
    expect(isTimely(drand, START + epoch + 1, START)).toBe(false)
    // A laboratory on a busy machine.
    expect(isTimely(beacon, START - epoch - 1, START)).toBe(true)
    expect(isTimely(beacon, START - 61, START)).toBe(false)
  })

  it('decides of each what the draw says, and of nothing before its time', async () => {
    const shelf = await open()
    for (let n = 1; n <= 80; n++) await shelf.put(evidenceOf(n))
    const rounds = new Map<number, Uint8Array>()
    const randomness = async (round: number): Promise<Uint8Array> => {
      const random = rounds.get(round) ?? verifyRound(beacon, round, signRound(secret, round))
      if (random === false) throw new Error('the round is not signed')
      rounds.set(round, random)
      return random
    }
    const at = (seconds: number) => ({ shelf, beacon, randomness, now: () => seconds * 1000 })
    await drawShelf(at(START + 1))
    expect(shelf.list('pending')).toHaveLength(80)
    await drawShelf(at(START + 80 + 3 * epochSeconds(beacon)))
    expect(shelf.list('pending')).toEqual([])
    for (const { digest, issuedAt, state } of shelf.list()) {
      const random = await randomness(drawingRound(beacon, issuedAt))
      expect(state).toBe(isSampled(random, Buffer.from(digest, 'hex')) ? 'drawn' : 'undrawn')
    }
  })
})

describe('the book of findings', () => {
  const [own, trusted, stranger] = [Identity.generate(), Identity.generate(), Identity.generate()]
  const finding = (auditor: Identity, index: number, verdict: 'good' | 'bad', at = START) =>
    signFinding(auditor, {
      provider: provider.publicKey,
      channelId: CHANNEL.channelId,
      index,
      receipt: bytes32(index),
      round: 5,
      verdict,
      reason: '',
      at,
    })
  const read = () => FindingsBook.open({ directory, trusted: [own.peerId, trusted.peerId] })

  it('shuts out whom those that it trusts found cheating, for a month, after a restart, too', async () => {
    const book = await read()
    expect(await book.add(finding(stranger, 1, 'bad'))).toBe(false)
    expect(await book.add(finding(own, 1, 'good'))).toBe(true)
    expect(book.isAvoided(provider.peerId, START)).toBe(false)
    expect(await book.add(finding(trusted, 2, 'bad'))).toBe(true)
    expect(await book.add(finding(trusted, 2, 'bad'))).toBe(false)
    expect(book.isAvoided(provider.peerId, START + 10)).toBe(true)
    expect(book.isAvoided(provider.peerId, START + 31 * 86_400)).toBe(false)
    expect(book.isAvoided(stranger.peerId, START)).toBe(false)
    const again = await read()
    expect(again.records()).toEqual([
      { provider: provider.peerId, audited: 2, failed: 1, unanswered: 0, isCut: false, lastFailure: START },
    ])
    expect(again.has(own.publicKey, CHANNEL.channelId, 1, bytes32(1))).toBe(true)
    expect(again.has(own.publicKey, CHANNEL.channelId, 2, bytes32(2))).toBe(false)
    // A good one says nothing of another receipt of its place, a blame does.
    expect(again.has(own.publicKey, CHANNEL.channelId, 1, bytes32(9))).toBe(false)
    expect(again.has(own.publicKey, CHANNEL.channelId, 1)).toBe(false)
    expect(again.has(trusted.publicKey, CHANNEL.channelId, 2, bytes32(9))).toBe(true)
  })

  it('sees what another process of the node wrote', async () => {
    const [one, other] = [await read(), await read()]
    await one.add(finding(own, 3, 'bad'))
    expect(other.isAvoided(provider.peerId, START)).toBe(false)
    await other.refresh()
    expect(other.isAvoided(provider.peerId, START)).toBe(true)
  })
})
