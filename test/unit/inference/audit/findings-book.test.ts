/** Findings that make room, and what is found among many. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { type Finding, signFinding } from '../../../../src/inference/audit/finding.js'
import { FindingsBook } from '../../../../src/inference/audit/findings-book.js'
import { FindingsIndex } from '../../../../src/inference/audit/findings-index.js'
import { bytes32 } from '../payment/support.js'

const [own, other, provider] = [31, 32, 33].map((n) => Identity.fromSecret(new Uint8Array(32).fill(n))) as [
  Identity,
  Identity,
  Identity,
]
const NOW = 1_900_000_000
const MOST = 4

const directories: string[] = []
afterAll(async () => {
  for (const each of directories) await rm(each, { recursive: true })
})

async function openBook(directory?: string): Promise<FindingsBook> {
  const made = directory ?? (await mkdtemp(join(tmpdir(), 'findings-')))
  if (directory === undefined) directories.push(made)
  return FindingsBook.open({ directory: made, trusted: [own.peerId, other.peerId], most: MOST })
}

const finding = (index: number, verdict: Finding['verdict'], auditor = own): Uint8Array =>
  signFinding(auditor, {
    ...{ provider: provider.publicKey, channelId: bytes32(1), index, receipt: bytes32(index) },
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

it('what an auditor judged is found by its place alone', () => {
  const index = new FindingsIndex()
  const base = { provider: provider.publicKey, receipt: bytes32(9), round: 1, reason: '', at: NOW }
  const found = {
    version: 1 as const,
    auditor: own.publicKey,
    channelId: bytes32(1),
    verdict: 'good' as const,
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
  expect(index.leastMissed()).toBe('1')
})
