/** Findings that make room, and what is found among many. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { type Finding, readFinding, signFinding } from '../../../../src/inference/audit/finding.js'
import { FindingsBook } from '../../../../src/inference/audit/findings-book.js'
import { FindingsIndex } from '../../../../src/inference/audit/findings-index.js'
import { MOST_BLAMED } from '../../../../src/inference/audit/provider-findings.js'
import { bytes32 } from '../payment/support.js'

const [own, other, provider] = [31, 32, 33].map((n) => Identity.fromSecret(new Uint8Array(32).fill(n))) as [
  Identity,
  Identity,
  Identity,
]
const NOW = 1_900_000_000
const MOST = 4
/** As long as a failure counts. */
const AVOIDED_SECONDS = 30 * 86_400

const directories: string[] = []
afterAll(async () => {
  for (const each of directories) await rm(each, { recursive: true })
})

async function openBook(directory?: string, most = MOST): Promise<FindingsBook> {
  const made = directory ?? (await mkdtemp(join(tmpdir(), 'findings-')))
  if (directory === undefined) directories.push(made)
  return FindingsBook.open({ directory: made, trusted: [own.peerId, other.peerId], most })
}

const finding = (index: number, verdict: Finding['verdict'], auditor = own, about = provider): Uint8Array =>
  signFinding(auditor, {
    ...{ provider: about.publicKey, channelId: bytes32(1), index, receipt: bytes32(index) },
    ...{ round: 1, verdict, reason: '', at: NOW + index },
  })

const indicesOf = (book: FindingsBook) => book.findings().map(({ index, verdict }) => `${index} ${verdict}`)

describe('a book of findings that is full', () => {
  it('forgets what acquits before what blames, however old that is', async () => {
    const book = await openBook()
    await book.add(finding(1, 'bad'))
    for (let index = 2; index <= 10; index++) await book.add(finding(index, 'good'))
    expect(indicesOf(book)).toEqual(['1 bad', '8 good', '9 good', '10 good'])
    expect(book.isAvoided(provider.peerId, NOW + 20)).toBe(true)
    const [directory = ''] = directories.slice(-1)
    expect((await readdir(directory)).length).toBe(MOST)
    expect(indicesOf(await openBook(directory))).toEqual(indicesOf(book))
    // Of nothing but blame the oldest goes.
    for (let index = 11; index <= 15; index++) await book.add(finding(index, 'missing'))
    expect(indicesOf(book)).toEqual(['12 missing', '13 missing', '14 missing', '15 missing'])
  })

  it('keeps what speaks against a blame as long as the blame', async () => {
    const book = await openBook()
    await book.add(finding(1, 'good', other))
    await book.add(finding(1, 'bad'))
    for (let index = 2; index <= 10; index++) await book.add(finding(index, 'good'))
    expect(indicesOf(book)).toEqual(['1 good', '1 bad', '9 good', '10 good'])
    expect(book.isAvoided(provider.peerId, NOW + 20)).toBe(false)
  })
})

describe('a receipt that a provider answered nothing for', () => {
  it('takes good ones back, of whoever has no verdict about it, and convicts nobody', async () => {
    const book = await openBook(undefined, 1000)
    for (let index = 1; index <= 100; index++) await book.add(finding(index, 'good'))
    expect(book.goodFindings(provider.peerId)).toBe(100)
    for (let index = 101; index <= 104; index++) await book.add(finding(index, 'undecided'))
    expect(book.goodFindings(provider.peerId)).toBe(100 - 4 * 19)
    // Another auditor had an answer.
    await book.add(finding(104, 'good', other))
    expect(book.goodFindings(provider.peerId)).toBe(101 - 3 * 19)
    for (let index = 105; index <= 110; index++) await book.add(finding(index, 'undecided'))
    expect(book.goodFindings(provider.peerId)).toBe(0)
    expect(book.isAvoided(provider.peerId, NOW + 200)).toBe(false)
    expect(book.records()).toMatchObject([{ audited: 101, failed: 0, unanswered: 9 }])
    const [directory = ''] = directories.slice(-1)
    expect((await openBook(directory, 1000)).records()).toEqual(book.records())
  })
})

describe('findings about one provider', () => {
  const decoy = Identity.fromSecret(new Uint8Array(32).fill(34))

  it('push out no conviction of another: neither blames nor good ones, in a book that is full', async () => {
    const book = await openBook(undefined, 20)
    await book.add(finding(1, 'bad'))
    await book.add(finding(2, 'good', own, other))
    await book.add(finding(3, 'good', own, other))
    for (let index = 10; index < 40; index++) await book.add(finding(index, 'good', own, decoy))
    expect(book.goodFindings(other.peerId)).toBe(2)
    for (let index = 100; index < 200; index++) await book.add(finding(index, 'missing', own, decoy))
    expect(book.findings()).toHaveLength(20)
    expect(book.isAvoided(provider.peerId, NOW + 300)).toBe(true)
    expect(book.isAvoided(decoy.peerId, NOW + 300)).toBe(true)
  })

  it('are kept of 50 receipts that it is blamed for, the newest, and its record says so', async () => {
    const book = await openBook(undefined, 1000)
    for (let index = 1; index <= MOST_BLAMED - 1; index++) await book.add(finding(index, 'missing'))
    expect(book.records()).toMatchObject([{ failed: MOST_BLAMED - 1, isCut: false }])
    for (let index = MOST_BLAMED; index <= 3 * MOST_BLAMED; index++) {
      expect(await book.add(finding(index, 'missing'))).toBe(true)
      expect(book.isAvoided(provider.peerId, NOW + index + AVOIDED_SECONDS - 1)).toBe(true)
    }
    expect(book.records()).toMatchObject([
      { audited: MOST_BLAMED, failed: MOST_BLAMED, isCut: true, lastFailure: NOW + 3 * MOST_BLAMED },
    ])
    // What is older than all of them is not taken in, nor written.
    expect(await book.add(finding(1, 'missing'))).toBe(false)
    const [directory = ''] = directories.slice(-1)
    expect((await readdir(directory)).length).toBe(MOST_BLAMED)
    expect((await openBook(directory, 1000)).records()).toEqual(book.records())
  })

  it('stay convictions by each auditor, whatever one of them finds later, and whatever is contested', async () => {
    const book = await openBook(undefined, 1000)
    await book.add(finding(1, 'bad', other))
    await book.add(finding(2, 'bad', other))
    for (let index = 100; index < 300; index++) await book.add(finding(index, 'missing'))
    // One shows receipts to one auditor and not to the other: these convict nobody, and go first.
    for (let index = 400; index < 500; index++) {
      await book.add(finding(index, 'good', other))
      await book.add(finding(index, 'missing'))
    }
    const by = book.findings().filter(({ verdict }) => verdict !== 'good')
    expect(by.filter(({ auditor }) => Buffer.compare(auditor, other.publicKey) === 0)).toHaveLength(2)
    expect(book.records()).toMatchObject([{ failed: MOST_BLAMED, isCut: true, lastFailure: NOW + 299 }])
  })

  it('are told those of blamed receipts first: no thousand good ones hides them', async () => {
    const book = await openBook(undefined, 1000)
    await book.add(finding(1, 'good', other))
    await book.add(finding(1, 'bad'))
    for (let index = 2; index < 200; index++) await book.add(finding(index, 'good'))
    const [first, second, third] = book.messagesAbout(provider.publicKey, 50).map(readFinding)
    expect([first?.index, second?.index, third?.index]).toEqual([1, 1, 199])
    expect(new Set([first?.verdict, second?.verdict])).toEqual(new Set(['good', 'bad']))
  })
})

describe('records', () => {
  /** As counted anew over all findings. */
  function recordOf(about: Identity, kept: ReadonlyMap<string, Finding>) {
    const receipts = new Map<string, Map<string, Finding>>()
    for (const each of kept.values()) {
      if (Buffer.compare(each.provider, about.publicKey) !== 0 || each.verdict === 'undecided') continue
      const receipt = receipts.get(String(each.index)) ?? new Map<string, Finding>()
      const before = receipt.get(String(each.auditor))
      const isLast =
        before === undefined || each.at > before.at || (each.at === before.at && before.verdict !== 'good')
      receipts.set(String(each.index), isLast ? receipt.set(String(each.auditor), each) : receipt)
    }
    const failed = [...receipts.values()].flatMap((receipt) => {
      const against = [...receipt.values()].filter(({ verdict }) => verdict !== 'good')
      return 2 * against.length > receipt.size ? [Math.max(...against.map(({ at }) => at))] : []
    })
    const lastFailure = failed.length === 0 ? null : Math.max(...failed)
    return { audited: receipts.size, failed: failed.length, lastFailure }
  }

  it('are kept as findings come and go, as if they were counted anew', () => {
    const verdict = fc.constantFrom('good', 'bad', 'missing', 'undecided')
    const who = fc.constantFrom(own, other, provider)
    const one = fc.record({
      ...{ verdict, auditor: who, about: who, index: fc.integer({ min: 1, max: 4 }) },
      ...{ at: fc.integer({ min: 1, max: 50 }), isGone: fc.boolean() },
    })
    fc.assert(
      fc.property(fc.array(one, { maxLength: 60 }), (steps) => {
        const index = new FindingsIndex()
        const kept = new Map<string, Finding>()
        for (const [n, { verdict, auditor, about, index: receipt, at, isGone }] of steps.entries()) {
          const found = { version: 1, channelId: bytes32(1), index: receipt, receipt: bytes32(9) } as const
          const signed = { auditor: auditor.publicKey, provider: about.publicKey, verdict, at }
          const added = { ...found, ...signed, round: 1, reason: '' } as Finding
          index.add(String(n), added)
          kept.set(String(n), added)
          const [first] = kept
          if (isGone && first !== undefined) {
            index.delete(...first)
            kept.delete(first[0])
          }
          for (const each of [own, other, provider]) {
            const expected = recordOf(each, kept)
            const record = index.of(each.peerId)?.record
            expect(record ?? { audited: 0, failed: 0, lastFailure: null }).toMatchObject(expected)
          }
        }
        // All goes where there is to be no room, and what blames nobody before what does.
        let hasBlames = false
        while (kept.size > 0) {
          const names = index.leastMissed()
          expect(names.length).toBeGreaterThan(0)
          const all = names.map((name) => kept.get(name) as Finding)
          const isHarmless = !all.some(({ verdict }) => verdict === 'bad' || verdict === 'missing')
          expect(isHarmless && hasBlames).toBe(false)
          hasBlames ||= !isHarmless
          for (const [n, name] of names.entries()) {
            index.delete(name, all[n] as Finding)
            kept.delete(name)
          }
        }
        expect(index.leastMissed()).toEqual([])
        expect(index.records()).toEqual([])
      }),
      { numRuns: 200 },
    )
  })
})

it('a finding that comes is counted with those of its receipt alone, not with thousands of others', () => {
  const index = new FindingsIndex()
  let reads = 0
  const counted = (n: number, about: Identity): Finding => {
    const found = { version: 1, channelId: bytes32(1), index: n, receipt: bytes32(9) } as const
    const signed = { auditor: own.publicKey, provider: about.publicKey, round: 1, reason: '', at: n }
    return {
      ...{ ...found, ...signed },
      get verdict() {
        reads++
        return 'good' as const
      },
    }
  }
  for (let n = 1; n <= 2000; n++) index.add(String(n), counted(n, n % 2 === 0 ? other : provider))
  expect(index.records()).toHaveLength(2)
  reads = 0
  index.add('new', counted(3000, other))
  for (const { peerId } of [own, other, provider]) index.of(peerId)?.record
  expect(index.records().map(({ audited }) => audited)).toEqual([1000, 1001])
  expect(reads).toBeLessThan(10)
})

it('whom an auditor blames is found by the place alone', () => {
  const index = new FindingsIndex()
  const base = { provider: provider.publicKey, receipt: bytes32(9), round: 1, reason: '', at: NOW }
  const found = {
    version: 1 as const,
    auditor: own.publicKey,
    channelId: bytes32(1),
    verdict: 'bad' as const,
  }
  for (let n = 1; n <= 20_000; n++) index.add(String(n), { ...base, ...found, index: n })
  let hits = 0
  for (let n = 1; n <= 20_000; n++) {
    if (index.has(own.publicKey, bytes32(1), n)) hits++
    if (index.has(other.publicKey, bytes32(1), n) || index.has(own.publicKey, bytes32(2), n)) hits--
  }
  expect(hits).toBe(20_000)
  index.delete('7', { ...base, ...found, index: 7 })
  expect(index.has(own.publicKey, bytes32(1), 7)).toBe(false)
  expect(index.leastMissed()).toEqual(['1'])
})
