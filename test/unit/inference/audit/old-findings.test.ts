/** Old findings, asked for between real hosts: page by page, and kept only where they are signed by whom one trusts. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sha256 } from '@noble/hashes/sha2.js'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { signFinding } from '../../../../src/inference/audit/finding.js'
import { FindingsBook } from '../../../../src/inference/audit/findings-book.js'
import { OldFindings, serveFindings } from '../../../../src/inference/audit/old-findings.js'
import { FINDINGS_AT_ONCE, FINDINGS_MESSAGE } from '../../../../src/inference/network/messages.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { addressOf, startHost } from '../../p2p/hosts.js'

const [auditor, other, provider] = [Identity.generate(), Identity.generate(), Identity.generate()]
const COUNT = 2 * FINDINGS_AT_ONCE + 3
let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'old-findings-'))
})
afterEach(() => rm(directory, { recursive: true }))

/** A year old: gossip carries none of them. */
const finding = (index: number, by = auditor, about = provider) =>
  signFinding(by, {
    provider: about.publicKey,
    channelId: new Uint8Array(32).fill(1),
    index,
    receipt: new Uint8Array(32).fill(2),
    round: 3,
    verdict: index === 1 ? 'bad' : 'good',
    reason: '',
    at: Math.floor(Date.now() / 1000) - 365 * 86_400 + index,
  })
const bookOf = (name: string, trusted: readonly string[]) =>
  FindingsBook.open({ directory: join(directory, name), trusted })

describe('old findings', () => {
  it('come whole to who asks, from an auditor that keeps them', { timeout: 180_000 }, async () => {
    const kept = await bookOf('auditor', [auditor.peerId, other.peerId])
    for (let index = 1; index <= COUNT; index++) await kept.add(finding(index))
    await kept.add(finding(1, other))
    await kept.add(finding(1, auditor, other))
    const teller = await startHost({}, auditor)
    await serveFindings(teller, kept)
    const asker = await startHost({ listen: [] })
    await asker.connect(addressOf(teller))
    const book = await bookOf('asker', [auditor.peerId])
    const old = new OldFindings({ host: asker, book, auditors: [auditor.peerId], log: silentLogger })
    await old.about(provider)
    // Not those of an auditor that it does not trust, nor about others.
    expect(book.findings()).toHaveLength(COUNT)
    expect(book.records()).toEqual([
      expect.objectContaining({ provider: provider.peerId, audited: COUNT, failed: 1 }),
    ])
    // It is not asked twice.
    await teller.unhandle(FINDINGS_MESSAGE)
    await old.about(provider)
    expect(book.findings()).toHaveLength(COUNT)
  })
})

describe('many providers at once', () => {
  it('are all asked about, whatever comes before the one that matters', { timeout: 180_000 }, async () => {
    const kept = await bookOf('auditor', [auditor.peerId])
    await kept.add(finding(1))
    const teller = await startHost({}, auditor)
    let asked = 0
    await serveFindings(teller, {
      messagesAbout: (...about) => {
        asked++
        return kept.messagesAbout(...about)
      },
    })
    const asker = await startHost({ listen: [] })
    await asker.connect(addressOf(teller))
    const book = await bookOf('asker', [auditor.peerId])
    const old = new OldFindings({ host: asker, book, auditors: [auditor.peerId], log: silentLogger })
    const decoys = Array.from({ length: 39 }, () => Identity.generate())
    await old.meet([...decoys, provider])
    expect(asked).toBe(40)
    expect(book.records()).toMatchObject([{ provider: provider.peerId, failed: 1 }])
  })
})

describe('a provider that is blamed', () => {
  const now = Math.floor(Date.now() / 1000)
  const judged = (by: Identity, index: number, verdict: 'good' | 'bad' = 'good') =>
    signFinding(by, {
      ...{ provider: provider.publicKey, channelId: new Uint8Array(32).fill(1), index, verdict, at: now },
      ...{ receipt: new Uint8Array(32).fill(2), round: 3, reason: '' },
    })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('is asked about again, of the others at once and of all a little later, but not often', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    const told = new Map<string, Uint8Array[]>([
      [auditor.peerId, []],
      [other.peerId, []],
    ])
    const asked: string[] = []
    const host = {
      request: async (peerId: string) => {
        asked.push(peerId)
        return { findings: told.get(peerId) ?? [] }
      },
    } as never
    const auditors = [auditor.peerId, other.peerId]
    const book = await bookOf('asker', auditors)
    const old = new OldFindings({ host, book, auditors, log: silentLogger })
    await old.about(provider)
    await old.about(provider)
    expect(asked).toEqual(auditors)
    // The other has acquitted the receipt, and told nobody since it had told much.
    told.get(other.peerId)?.push(judged(other, 1))
    await book.add(judged(auditor, 1, 'bad'))
    await expect.poll(() => book.findings().length).toBe(2)
    expect(asked.slice(2)).toEqual([other.peerId])
    expect(book.isAvoided(provider.peerId, now)).toBe(false)
    // The next blames wait for their time, and that of one that is judged later is heard then.
    for (let index = 2; index < 9; index++) await book.add(judged(auditor, index, 'bad'))
    expect(asked).toHaveLength(3)
    for (let index = 2; index < 9; index++) told.get(other.peerId)?.push(judged(other, index))
    await vi.advanceTimersByTimeAsync(301_000)
    await expect.poll(() => book.isAvoided(provider.peerId, now)).toBe(false)
    expect(asked.slice(3)).toEqual(auditors)
    // Nobody blames it anew.
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(asked).toHaveLength(5)
  })

  it('is asked about though the disk does not take the blame', async () => {
    const asked: string[] = []
    const host = {
      request: async (peerId: string) => {
        asked.push(peerId)
        return { findings: [] }
      },
    } as never
    const auditors = [auditor.peerId, other.peerId]
    const book = await bookOf('asker', auditors)
    new OldFindings({ host, book, auditors, log: silentLogger })
    await rm(join(directory, 'asker'), { recursive: true })
    await expect(book.add(judged(auditor, 1, 'bad'))).rejects.toMatchObject({ code: 'ENOENT' })
    expect(book.isAvoided(provider.peerId, now)).toBe(true)
    expect(asked).toEqual([other.peerId])
  })

  it('is acquitted by what is behind pages that gossip had brought', async () => {
    const at = (index: number) => now - 100_000 + index
    const good = (index: number) =>
      signFinding(other, {
        ...{
          provider: provider.publicKey,
          channelId: new Uint8Array(32).fill(1),
          index,
          verdict: 'good' as const,
        },
        ...{ receipt: new Uint8Array(32).fill(2), round: 3, reason: '', at: at(index) },
      })
    // The newest first, as an auditor answers that trusts itself alone.
    const all = Array.from({ length: 110 }, (_, i) => good(110 - i))
    let known: readonly Uint8Array[] = []
    const host = {
      request: async (peerId: string, _: unknown, { after }: { readonly after?: Uint8Array }) => {
        if (peerId !== other.peerId) return { findings: [] }
        const from =
          known.findIndex((each) => Buffer.compare(sha256(each), after ?? new Uint8Array()) === 0) + 1
        return { findings: known.slice(from, from + FINDINGS_AT_ONCE) }
      },
    } as never
    const auditors = [auditor.peerId, other.peerId]
    const book = await bookOf('asker', auditors)
    const old = new OldFindings({ host, book, auditors, log: silentLogger })
    await old.about(provider)
    // It tells twenty an hour of one provider: the first of all was beyond that, and all since were not.
    known = all
    for (const message of all.slice(0, 109)) await book.add(message)
    // Evidence that is not given is blamed a day later.
    await book.add(judged(auditor, 1, 'bad'))
    await expect.poll(() => book.isAvoided(provider.peerId, now)).toBe(false)
    await expect.poll(async () => (await bookOf('asker', auditors)).findings().length).toBe(111)
  })

  it('is asked about from the first page again where it is blamed while that is read', async () => {
    let answer: (() => void) | undefined
    const asked: boolean[] = []
    const host = {
      request: async (peerId: string, _: unknown, { after }: { readonly after?: Uint8Array }) => {
        if (peerId !== other.peerId) return { findings: [] }
        asked.push(after === undefined)
        if (asked.length > 1) return { findings: [judged(other, 1)] }
        await new Promise<void>((resolve) => {
          answer = resolve
        })
        return { findings: [] }
      },
    } as never
    const auditors = [auditor.peerId, other.peerId]
    const book = await bookOf('asker', auditors)
    const met = new OldFindings({ host, book, auditors, log: silentLogger }).about(provider)
    await book.add(judged(auditor, 1, 'bad'))
    answer?.()
    await met
    expect(asked).toEqual([true, true])
    expect(book.isAvoided(provider.peerId, now)).toBe(false)
  })
})

describe('what is sent instead of findings', () => {
  const answering = async (messages: readonly Uint8Array[]) => {
    let asked = 0
    const host = {
      request: async () => {
        asked++
        return { findings: messages }
      },
    } as never
    const book = await bookOf(`asker-${Math.random()}`, [auditor.peerId])
    await new OldFindings({ host, book, auditors: [auditor.peerId], log: silentLogger }).about(provider)
    return { count: book.findings().length, asked }
  }

  it('is not kept: forged, altered, or about somebody else', async () => {
    const forged = finding(2)
    forged[60] = (forged[60] ?? 0) ^ 1
    expect((await answering([forged, finding(3)])).count).toBe(0)
    expect((await answering([finding(2, auditor, other)])).count).toBe(0)
    expect((await answering([finding(2, other)])).count).toBe(0)
    expect((await answering([finding(2)])).count).toBe(1)
  })

  it('is nothing of a day to come: the clock of who signed it was ahead', async () => {
    const body = {
      provider: provider.publicKey,
      channelId: new Uint8Array(32),
      index: 1,
      round: 3,
      reason: '',
    }
    const at = Math.floor(Date.now() / 1000)
    const signed = (ahead: number) =>
      signFinding(auditor, { ...body, receipt: new Uint8Array(32), verdict: 'missing', at: at + ahead })
    expect((await answering([signed(86_400)])).count).toBe(0)
    expect((await answering([signed(60)])).count).toBe(1)
  })

  it('is a page that comes again and again: it is asked for twice', async () => {
    const page = Array.from({ length: FINDINGS_AT_ONCE }, (_, i) => finding(i + 1))
    expect(await answering(page)).toEqual({ count: FINDINGS_AT_ONCE, asked: 2 })
  })
})
