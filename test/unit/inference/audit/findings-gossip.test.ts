/** Findings between real hosts: told at once, and again to who comes later; kept only of auditors that one trusts. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { signFinding } from '../../../../src/inference/audit/finding.js'
import { FindingsBook } from '../../../../src/inference/audit/findings-book.js'
import { FindingsGossip } from '../../../../src/inference/audit/findings-gossip.js'
import type { Host } from '../../../../src/p2p/index.js'
import { createLogger } from '../../../../src/telemetry/logger.js'
import { addressOf, eventually, startHost } from '../../p2p/hosts.js'

const log = createLogger({ level: 'silent', format: 'json' })
const auditor = Identity.generate()
const provider = Identity.generate()
let directory: string
const stops: (() => Promise<void> | void)[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'findings-'))
})
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
  await rm(directory, { recursive: true })
})

async function node(name: string, trusted: readonly string[], identity = Identity.generate()) {
  const host: Host = await startHost({}, identity)
  const book = await FindingsBook.open({ directory: join(directory, name), trusted })
  const gossip = new FindingsGossip({ host, book, own: identity.publicKey, log })
  gossip.start()

  stops.push(() => gossip.stop())
  return { host, book, gossip }
}

const finding = (
  index: number,
  at = Math.floor(Date.now() / 1000),
  verdict: 'good' | 'bad' = 'bad',
  by = auditor,
) =>
  signFinding(by, {
    provider: provider.publicKey,
    channelId: new Uint8Array(32).fill(1),
    index,
    receipt: new Uint8Array(32).fill(2),
    round: 3,
    verdict,
    reason: 'another output was due',
    at,
  })

it('reach those who trust the auditor, and those who come later', async () => {
  const teller = await node('teller', [auditor.peerId], auditor)
  const believer = await node('believer', [auditor.peerId])
  const doubter = await node('doubter', [])
  for (const { host } of [believer, doubter]) await host.connect(addressOf(teller.host))
  const message = finding(1)
  await teller.book.add(message)
  // Until the mesh has formed a message finds nobody; newcomers are told again in any case.
  await teller.gossip.publish(message)
  const now = Date.now() / 1000
  await eventually(() => believer.book.isAvoided(provider.peerId, now))
  const late = await node('late', [auditor.peerId])
  await late.host.connect(addressOf(teller.host))
  await eventually(() => late.book.isAvoided(provider.peerId, now))
  expect(doubter.book.findings()).toEqual([])
  // An old one is passed on by nobody.
  await teller.gossip.publish(finding(2, Math.floor(now) - 8 * 86_400))
  await teller.gossip.publish(finding(3))
  await eventually(() => believer.book.findings().some(({ index }) => index === 3))
  expect(believer.book.findings().map(({ index }) => index)).not.toContain(2)
})

it('acquit a receipt that somebody blames, however much was told of its provider', async () => {
  const accuser = Identity.generate()
  const trusted = [auditor.peerId, accuser.peerId]
  const teller = await node('teller', trusted, auditor)
  const believer = await node('believer', trusted)
  const now = Math.floor(Date.now() / 1000)
  const tell = async (index: number) => {
    const message = finding(index, now, 'good')
    await teller.book.add(message)
    await teller.gossip.publish(message)
  }
  // Told to newcomers alone: from then on each message arrives once, when it is new.
  await teller.book.add(finding(1, now, 'good'))
  await believer.host.connect(addressOf(teller.host))
  await eventually(() => believer.book.findings().length === 1)
  for (let index = 2; index <= 30; index++) await tell(index)
  await eventually(() => believer.book.findings().length === 21)
  const blame = finding(31, now, 'bad', accuser)
  for (const { book } of [teller, believer]) await book.add(blame)
  expect(believer.book.isAvoided(provider.peerId, now)).toBe(true)
  await tell(31)
  await eventually(() => !believer.book.isAvoided(provider.peerId, now))
})
