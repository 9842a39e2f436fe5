/**
 * A provider that cheats its client, and shows auditors jobs that were never sold beside it, in a chain of their own, each of
 * which it did: dated so that they were drawn already, and are found good. The exchange is a function call, the book of
 * findings real.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { afterEach, expect, it } from 'vitest'
import type { ChannelEvents } from '../../../../src/chain/index.js'
import { timeOfRound } from '../../../../src/crypto/beacon.js'
import { Identity } from '../../../../src/crypto/identity.js'
import { drawingRound, epochSeconds } from '../../../../src/inference/audit/drawing.js'
import { FindingsBook } from '../../../../src/inference/audit/findings-book.js'
import { NetworkAudit, type NetworkAuditModules } from '../../../../src/inference/audit/network-audit.js'
import { isPlaceSampled, isSampled } from '../../../../src/inference/audit/sampling.js'
import type { JobSource } from '../../../../src/inference/job.js'
import {
  encodeInput,
  encodeOutput,
  encodeTerms,
  hashOf,
} from '../../../../src/inference/network/job-codec.js'
import { EVIDENCE_MESSAGE } from '../../../../src/inference/network/messages.js'
import { readOffer, signOffer } from '../../../../src/inference/network/offer.js'
import {
  NO_RECEIPTS,
  ReceiptKind,
  receiptDigest,
  receiptToCbor,
  type SignedReceipt,
  signReceipt,
} from '../../../../src/inference/payment/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { bytes32, CHANNEL, DOMAIN } from '../payment/support.js'
import { beacon, START } from './drawing-beacon.js'

const epoch = epochSeconds(beacon)
const randomOf = (round: number): Uint8Array => sha256(Uint8Array.of(round >> 8, round & 0xff))
const [provider, auditor] = [21, 22].map((n) => Identity.fromSecret(new Uint8Array(32).fill(n))) as [
  Identity,
  Identity,
]
const { channelId } = CHANNEL
const hex = (bytes: Uint8Array): `0x${string}` => `0x${bytesToHex(bytes)}`
const SOLD = 100

const output = { kind: 'translation', text: 'nothing' } as const
const source: JobSource = {
  models: async () => [],
  close: async () => {},
  run: async () => ({ output, runSeconds: 0 }),
}
const belongings = {
  terms: encodeTerms({
    ...{ task: 'translate', unit: 'audio-second', units: 1, priceWeiPerUnit: 1n },
    audit: true,
  }),
  input: encodeInput({ kind: 'sound', sampleRate: 8000, pcm16: new Uint8Array(2) }),
  output: encodeOutput(output),
}

/** All but the last of what was redeemed, each with an id that its round, over by now, draws. */
function decoys(): readonly SignedReceipt[] {
  const chain: SignedReceipt[] = []
  let previous: Uint8Array = NO_RECEIPTS
  const issuedAt = START - 5 * epoch
  const randomness = randomOf(drawingRound(beacon, issuedAt))
  const { terms, input, output: answer } = belongings
  const hashes = { terms: hashOf(terms), input: hashOf(input), output: hashOf(answer) }
  for (let index = 1, n = 0; index < SOLD; n++) {
    const place = { channelId, index, previous, kind: ReceiptKind.job, jobId: bytes32(n), model: bytes32(7) }
    const amounts = { units: 1, priceWei: 1n, totalWei: BigInt(index), issuedAt }
    const receipt = { ...place, ...hashes, ...amounts }
    const digest = receiptDigest(DOMAIN, receipt)
    if (!isSampled(randomness, digest)) continue
    chain.push(signReceipt(DOMAIN, receipt, provider))
    previous = digest
    index++
  }
  return chain
}

let directory: string
afterEach(() => rm(directory, { recursive: true }))

/** @param redeemedAt Unix seconds */
async function auditorOf(redeemedAt: number) {
  directory = await mkdtemp(join(tmpdir(), 'decoys-'))
  const book = await FindingsBook.open({ directory, trusted: [auditor.peerId] })
  const shown = decoys()
  const redemption = {
    ...{ channelId: hex(channelId), payee: provider.address, receipts: SOLD },
    ...{ receiptsHead: hex(bytes32(0xa11)), at: redeemedAt },
  }
  const opened = [{ channelId: hex(channelId), payer: auditor.address, payee: provider.address, endsAt: 2e9 }]
  const all: { readonly at: number; readonly events: ChannelEvents }[] = [
    { at: 0, events: { opened, redeemed: [], closed: [] } },
    { at: redeemedAt, events: { opened: [], redeemed: [redemption], closed: [] } },
  ]
  let now = START
  const content = { models: [], queue: 1, keptSeconds: 0, audited: true, addresses: ['/ip4/127.0.0.1/tcp/1'] }
  const offer = readOffer(signOffer(provider, content, START * 1000))
  const request = async (
    _target: unknown,
    { name }: { readonly name: string },
    { channels = [] }: { readonly channels?: readonly { readonly from: number }[] },
  ) =>
    name === EVIDENCE_MESSAGE.name
      ? { kind: 'evidence', ...belongings }
      : {
          answers: channels.map(({ from }) => ({
            receipts: shown.slice(from - 1, from + 99).map(receiptToCbor),
          })),
        }
  const audit = new NetworkAudit({
    ...{ beacon, signer: auditor, log: silentLogger, domain: DOMAIN, now: () => now * 1000 },
    randomness: async (round) => randomOf(round),
    openExecutions: async () => [source, source],
    host: { request } as unknown as NetworkAuditModules['host'],
    events: async () => {
      const due = all.findIndex(({ at }) => at > now)
      const found = all.splice(0, due < 0 ? all.length : due).map(({ events }) => events)
      return {
        opened: found.flatMap((each) => each.opened),
        redeemed: found.flatMap((each) => each.redeemed),
        closed: [],
      }
    },
    offers: () => [offer],
    isSeated: async () => true,
    ...foundIn(book),
    onFinding: async (message) => void (await book.add(message)),
    keep: async () => {},
  })
  return {
    book,
    at: async (seconds: number) => {
      now = seconds
      await audit.round(new AbortController().signal)
    },
  }
}

const foundIn = (book: FindingsBook): Pick<NetworkAuditModules, 'isFound'> => ({
  isFound: (channel, index, receipt) => book.has(auditor.publicKey, channel, index, receipt),
})

it('good ones of a chain that was not sold excuse no place of the one that was', async () => {
  const { book, at } = await auditorOf(START + 2 * epoch)
  await at(START)
  expect(book.findings().length).toBe(SOLD - 1)
  await at(START + 10 * epoch)
  const round = drawingRound(beacon, START + 2 * epoch)
  expect(timeOfRound(beacon, round)).toBeLessThan(START + 10 * epoch)
  const places = Array.from({ length: SOLD }, (_, i) => i + 1)
  expect(places.filter((index) => isPlaceSampled(randomOf(round), channelId, index)).length).toBeGreaterThan(
    0,
  )
  expect(book.isAvoided(provider.peerId, START + 10 * epoch)).toBe(true)
})

it('nor where they are shown when the redemption is checked, and judged behind it', async () => {
  const { book, at } = await auditorOf(START + 2 * epoch)
  await at(START + 10 * epoch)
  await at(START + 11 * epoch)
  expect(book.findings().map(({ verdict }) => verdict)).toContain('missing')
  expect(book.isAvoided(provider.peerId, START + 11 * epoch)).toBe(true)
})
