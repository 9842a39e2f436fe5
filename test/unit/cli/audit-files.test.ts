/** What `plumbline audit FILE` says of findings: real signatures, a real beacon's rounds. Evidence: test/e2e. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex } from '@noble/hashes/utils.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { contradictionsText, readContradictionsFile } from '../../../src/cli/audit-contradictions.js'
import { type JudgingModules, judgedText, judgeFiles } from '../../../src/cli/audit-files.js'
import { randomnessOf, signRound } from '../../../src/crypto/beacon.js'
import { Identity } from '../../../src/crypto/identity.js'
import { UserError } from '../../../src/errors.js'
import { type Contradiction, encodeContradiction } from '../../../src/inference/audit/contradiction.js'
import { Contradictions } from '../../../src/inference/audit/contradictions.js'
import { signFinding } from '../../../src/inference/audit/finding.js'
import { isPlaceSampled, isSampled } from '../../../src/inference/audit/sampling.js'
import { ReceiptKind, receiptDigest, signReceipt } from '../../../src/inference/payment/index.js'
import type { OwnAudits } from '../../../src/node/inference/own-audits.js'

const [auditor, provider] = [Identity.generate(), Identity.generate()]
const secret = new Uint8Array(32).fill(9)
secret[0] = 1
const ROUND = 77
const randomness = randomnessOf(signRound(secret, ROUND))
const channelId = new Uint8Array(32).fill(4)
const ZERO = new Uint8Array(32)

/** The first receipt, or place, that the round draws, or does not. */
function first(isWanted: (n: number) => boolean): number {
  for (let n = 1; ; n++) if (isWanted(n)) return n
}
const receiptOf = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const drawn = first((n) => isSampled(randomness, receiptOf(n)))
const undrawn = first((n) => !isSampled(randomness, receiptOf(n)))
const place = first((n) => isPlaceSampled(randomness, channelId, n))

const domain = { chainId: 31337, verifyingContract: new Uint8Array(20).fill(0x5c) }
/** Receipt 3 of a channel, of which a provider may sign several. */
const signed = (jobId: number, by = provider) =>
  signReceipt(
    domain,
    {
      ...{ channelId, index: 3, previous: ZERO, kind: ReceiptKind.job, jobId: receiptOf(jobId), units: 1 },
      ...{ model: receiptOf(2), input: receiptOf(3), terms: receiptOf(4), output: receiptOf(5) },
      ...{ priceWei: 1n, totalWei: 1n, issuedAt: 1_900_000_000 },
    },
    by,
  )
const contradictionOf = (by = provider): Contradiction => ({
  ...{ provider: by.publicKey, domain, receipt: signed(1, by) },
  receiptsHead: receiptDigest(domain, signed(2, by)),
})
const redemptionOf = (receiptsHead: Uint8Array, payee = provider.address) => ({
  domain,
  redemptions: [
    {
      channelId: `0x${bytesToHex(channelId)}` as const,
      receiptsHead: `0x${bytesToHex(receiptsHead)}` as const,
      ...{ payee, receipts: 3 },
    },
  ],
})
const redeemed = redemptionOf(receiptDigest(domain, signed(2)))

const findingOf = (index: number, receipt: Uint8Array, verdict: 'good' | 'bad' | 'missing', round = ROUND) =>
  signFinding(auditor, {
    ...{ provider: provider.publicKey, channelId, index, receipt, round, verdict, at: 1_900_000_000 },
    reason: verdict === 'good' ? '' : 'so it is',
  })

const audits = {
  modules: {
    randomness: async (round: number) => {
      if (round === ROUND) return randomness
      throw new UserError('no beacon server gave it', { code: 'UNAVAILABLE' })
    },
  },
} as unknown as OwnAudits

describe('findings of others', () => {
  let folder: string
  const judge = (name = '', more: Partial<JudgingModules> = {}) =>
    judgeFiles(
      { audits, redeemed: async () => undefined, ...more },
      join(folder, name),
      new AbortController().signal,
    )
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'findings-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('are not looked for in a file of another kind: which are read is said', async () => {
    await writeFile(join(folder, 'talk.wav'), 'RIFF')
    await expect(judge('talk.wav')).rejects.toMatchObject({
      message: expect.stringContaining('talk.wav is no evidence of a job'),
      remedy: expect.stringContaining('*.evidence'),
    })
  })

  it('are read from a folder, each with its signature and its draw', async () => {
    await writeFile(join(folder, 'a.finding'), findingOf(3, receiptOf(drawn), 'bad'))
    await writeFile(join(folder, 'b.finding'), findingOf(4, receiptOf(undrawn), 'good'))
    await writeFile(join(folder, 'c.finding'), findingOf(place, ZERO, 'missing'))
    await writeFile(join(folder, 'd.finding'), findingOf(5, receiptOf(drawn), 'bad', ROUND + 1))
    await writeFile(join(folder, 'notes.txt'), 'nothing')
    const { findings, audited } = await judge()
    expect(audited).toEqual([])
    const from = { auditor: auditor.peerId, provider: provider.peerId, channelId: bytesToHex(channelId) }
    expect(findings).toMatchObject([
      { ...from, index: 3, receipt: bytesToHex(receiptOf(drawn)), verdict: 'bad', isDrawn: true },
      { ...from, index: 4, verdict: 'good', isDrawn: false },
      { ...from, index: place, receipt: null, verdict: 'missing', isDrawn: true },
      { ...from, index: 5, isDrawn: null },
    ])
    const text = judgedText(findings).join('\n')
    for (const said of ['bad', 'missing', 'no beacon', 'so it is']) expect(text).toContain(said)
  })

  it('that were altered, or are none, are refused by name', async () => {
    const altered = findingOf(3, receiptOf(drawn), 'bad')
    altered[altered.length - 80] = (altered[altered.length - 80] ?? 0) ^ 1
    await writeFile(join(folder, 'a.finding'), altered)
    await expect(judge('a.finding')).rejects.toThrow(/a\.finding/)
    await writeFile(join(folder, 'long.finding'), new Uint8Array(4096))
    await expect(judge('long.finding')).rejects.toThrow(/4096 bytes/)
    await writeFile(join(folder, 'b.evidence'), 'nothing')
    await expect(judge('b.evidence')).rejects.toThrow(/b\.evidence/)
    await expect(judge('c.finding')).rejects.toThrow(/there is no file/)
  })

  it('an empty folder has none', async () => {
    await expect(judge()).rejects.toThrow(/there are no files/)
  })
})

describe('contradictions', () => {
  let folder: string
  const path = () => join(folder, 'contradictions.json')
  const judge = (name = 'contradictions.json', more: Partial<JudgingModules> = {}) =>
    judgeFiles(
      { audits, redeemed: async () => undefined, ...more },
      join(folder, name),
      new AbortController().signal,
    )
  const write = (value: unknown) =>
    writeFile(path(), typeof value === 'string' ? value : JSON.stringify(value))
  const listOf = (...entries: readonly string[]) => ({
    ...{ format: 'plumbline-audit-contradictions', version: 1, contradictions: entries },
  })
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'contradictions-'))
    await (await Contradictions.open(path())).keep(contradictionOf())
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('are proven by the signature and the redemption of the chain, in 80 columns', async () => {
    const { contradictions, findings, audited } = await judge('', { redeemed: async () => redeemed })
    expect([findings, audited]).toEqual([[], []])
    expect(contradictions).toMatchObject([
      {
        ...{ file: path(), provider: provider.peerId, channelId: bytesToHex(channelId), index: 3 },
        shown: bytesToHex(receiptDigest(domain, signed(1))),
        redeemed: bytesToHex(receiptDigest(domain, signed(2))),
        ...{ chainId: 31337, isRedeemed: true, verdict: 'bad' },
        reason: expect.stringMatching(/no draw is needed/),
      },
    ])
    const text = contradictionsText(contradictions).join('\n\n')
    expect(text).toMatch(/on chain +bad/)
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })

  it('convict nobody whose redemption is another one, and nobody without the chain', async () => {
    const verdictOf = async (found: Awaited<ReturnType<JudgingModules['redeemed']>>) => {
      const { contradictions } = await judge(undefined, { redeemed: async () => found })
      return contradictions.map(({ verdict, isRedeemed }) => [verdict, isRedeemed])
    }
    // An honest provider redeemed the receipt that it showed: whoever wrote the file made the other one up.
    const honest = redemptionOf(receiptDigest(domain, signed(1)))
    for (const found of [honest, { domain, redemptions: [] }, redemptionOf(ZERO)])
      expect(await verdictOf(found)).toEqual([['unproven', false]])
    const head = receiptDigest(domain, signed(2))
    expect(await verdictOf(redemptionOf(head, auditor.address))).toEqual([['unproven', false]])
    expect(await verdictOf(undefined)).toEqual([['undecided', null]])
    const elsewhere = { ...redeemed, domain: { ...domain, verifyingContract: new Uint8Array(20).fill(1) } }
    expect(await verdictOf(elsewhere)).toEqual([['undecided', null]])
  })

  it('make a draw needless for the finding that tells of them, and for no other', async () => {
    const told = (index: number, receipt: Uint8Array) =>
      signFinding(auditor, {
        ...{ provider: provider.publicKey, channelId, index, receipt, round: ROUND, verdict: 'bad' },
        ...{ at: 1_900_000_000, reason: 'another receipt than the one that it redeemed on the chain, ab' },
      })
    const shown = receiptDigest(domain, signed(1))
    expect(isSampled(randomness, shown)).toBe(false)
    await writeFile(join(folder, 'a.finding'), told(3, shown))
    await writeFile(join(folder, 'b.finding'), told(4, receiptOf(undrawn)))
    await writeFile(join(folder, 'c.finding'), findingOf(5, receiptOf(undrawn), 'bad'))
    const { findings } = await judge('', { redeemed: async () => redeemed })
    expect(findings.map(({ contradiction }) => contradiction)).toEqual(['proven', 'said', null])
    const [text, , hint] = judgedText(findings)
    for (const line of [/ 3 +not needed +bad/, / 4 +by word +bad/, / 5 +no +bad/]) expect(text).toMatch(line)
    expect(hint).toMatch(/contradictions\.json/)
    // What is not proven here makes nothing needless; what this node saw itself does.
    expect((await judge('')).findings[0]?.contradiction).toBe('said')
    const own = [await readContradictionsFile(path(), true)]
    await writeFile(path(), JSON.stringify(listOf()))
    expect((await judge('', { own })).findings[0]?.contradiction).toBe('proven')
  })

  it('of a damaged or hostile file are refused in one line, with the remedy', async () => {
    const good = bytesToHex(encodeContradiction(contradictionOf()))
    const none = { ...contradictionOf(), provider: new Uint8Array(33).fill(255) }
    const refused = async (value: unknown, why: RegExp) => {
      await write(value)
      for (const [isOwn, remedy] of [
        [false, 'ask its maker for it again'],
        [true, 'move it away'],
      ] as const) {
        const error: unknown = await readContradictionsFile(path(), isOwn).catch((thrown: unknown) => thrown)
        if (!(error instanceof UserError)) throw error
        expect(error.line).toMatch(why)
        expect(error.line).toContain(remedy)
        expect(error.line).toContain(path())
        expect(error.line).not.toContain('\n')
      }
    }
    await refused('{', /it is damaged, or no file of contradictions/)
    await refused('[]', /it is damaged, or no file of contradictions/)
    await refused({ ...listOf(good), more: 1 }, /it is damaged/)
    await refused(listOf(good, 'zz'), /it is damaged/)
    await refused(listOf(good, good.slice(0, -2)), /entry 2 of 2 proves nothing/)
    // Of another hand, or with a key that is none.
    const other = bytesToHex(encodeContradiction({ ...contradictionOf(), provider: auditor.publicKey }))
    await refused(listOf(other), /entry 1 of 1 proves nothing: the provider did not sign another receipt/)
    await refused(listOf(bytesToHex(encodeContradiction(none))), /no public key/)
    await refused('x'.repeat(5_000_000), /too many/)
    await expect(judge('refusals.json')).rejects.toThrow(/there is no file/)
  })
})
