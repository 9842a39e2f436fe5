/** What `plumbline audit FILE` says of findings: real signatures, a real beacon's rounds. Evidence: test/e2e. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex } from '@noble/hashes/utils.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { judgedText, judgeFiles } from '../../../src/cli/audit-files.js'
import { randomnessOf, signRound } from '../../../src/crypto/beacon.js'
import { Identity } from '../../../src/crypto/identity.js'
import { UserError } from '../../../src/errors.js'
import { signFinding } from '../../../src/inference/audit/finding.js'
import { isPlaceSampled, isSampled } from '../../../src/inference/audit/sampling.js'
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
  const judge = (name = '') => judgeFiles(audits, join(folder, name), new AbortController().signal)
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'findings-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

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
