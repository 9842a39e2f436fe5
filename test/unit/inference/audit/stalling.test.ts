/**
 * Providers that keep an auditor busy: with answers as slow and as long as an exchange allows, and with dates that no beacon
 * server knows. The exchange is a function call that moves a clock.
 */
import { expect, it } from 'vitest'
import type { ChannelEvents } from '../../../../src/chain/index.js'
import { Identity } from '../../../../src/crypto/identity.js'
import { UserError } from '../../../../src/errors.js'
import { NetworkAudit, type NetworkAuditModules } from '../../../../src/inference/audit/network-audit.js'
import { isSampled } from '../../../../src/inference/audit/sampling.js'
import { readOffer, signOffer } from '../../../../src/inference/network/offer.js'
import {
  ReceiptKind,
  receiptDigest,
  receiptToCbor,
  type SignedReceipt,
  signReceipt,
} from '../../../../src/inference/payment/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { bytes32, DOMAIN } from '../payment/support.js'
import { beacon, START } from './drawing-beacon.js'

const auditor = Identity.generate()
const hex = (bytes: Uint8Array): `0x${string}` => `0x${Buffer.from(bytes).toString('hex')}`
/** Just within the time of an exchange. */
const SLOW_MS = 19_000

interface Seller {
  readonly signer: Identity
  readonly channels: readonly Uint8Array[]
  readonly answer: (
    channelIds: readonly Uint8Array[],
  ) => Promise<readonly { receipts?: readonly unknown[] }[]>
}

let channels = 0
/** Randomness that draws a receipt. */
function drawing(digest: Uint8Array): Uint8Array {
  for (let n = 0; ; n++) if (isSampled(bytes32(n), digest)) return bytes32(n)
}
const newChannels = (count: number): readonly Uint8Array[] =>
  Array.from({ length: count }, () => bytes32(++channels))

function auditOf(
  sellers: readonly Seller[],
  modules: Partial<NetworkAuditModules> & Pick<NetworkAuditModules, 'now'>,
): NetworkAudit {
  let events: ChannelEvents = {
    opened: sellers.flatMap(({ signer, channels: ids }) =>
      ids.map((id) => ({
        ...{ channelId: hex(id), payer: auditor.address, payee: signer.address, endsAt: 2e9 },
      })),
    ),
    redeemed: [],
    closed: [],
  }
  const content = { models: [], queue: 1, keptSeconds: 0, audited: true, addresses: ['/ip4/127.0.0.1/tcp/1'] }
  const offers = sellers.map(({ signer }) => readOffer(signOffer(signer, content, START * 1000)))
  const byPeer = new Map(sellers.map((each) => [each.signer.peerId, each]))
  return new NetworkAudit({
    ...{ beacon, signer: auditor, log: silentLogger, domain: DOMAIN },
    randomness: async () => new Uint8Array(32).fill(0xff),
    openExecutions: () => Promise.reject(new Error('nothing is to be run')),
    host: {
      request: async (
        { peerId }: { readonly peerId: string },
        _message: unknown,
        request: { readonly channels?: readonly { readonly channelId: Uint8Array }[] },
      ) =>
        request.channels === undefined
          ? { kind: 'refused', code: 'NOT_FOUND', message: 'no longer' }
          : { answers: await byPeer.get(peerId)?.answer(request.channels.map((each) => each.channelId)) },
    } as unknown as NetworkAuditModules['host'],
    events: async () => {
      const found = events
      events = { opened: [], redeemed: [], closed: [] }
      return found
    },
    offers: () => offers,
    isSeated: async () => true,
    isFound: () => false,
    onFinding: async () => {},
    keep: async () => {},
    ...modules,
  })
}

function receiptOf(
  signer: Identity,
  channelId: Uint8Array,
  content: Partial<SignedReceipt> = {},
): SignedReceipt {
  const fields = {
    jobId: bytes32(1),
    model: bytes32(2),
    input: bytes32(3),
    terms: bytes32(4),
    output: bytes32(5),
  }
  const amounts = { units: 1, priceWei: 1n, totalWei: 1n, issuedAt: START }
  const place = { channelId, index: 1, previous: bytes32(0), kind: ReceiptKind.job }
  return signReceipt(DOMAIN, { ...place, ...fields, ...amounts, ...content }, signer)
}

it('who answers slowly, and never to the end, keeps no auditor from the others', async () => {
  let elapsed = 0
  const asked = new Map<string, number>()
  const slow = (): Seller => {
    const signer = Identity.generate()
    const ids = newChannels(5)
    // Of another channel: four times a hundred fill an answer, and are taken for nothing.
    const full = Array.from({ length: 100 }, () => receiptToCbor(receiptOf(signer, bytes32(0))))
    const answer: Seller['answer'] = async () => {
      asked.set(signer.peerId, (asked.get(signer.peerId) ?? 0) + 1)
      elapsed += SLOW_MS
      return Array.from({ length: 4 }, () => ({ receipts: full }))
    }
    return { signer, channels: ids, answer }
  }
  const sellers = Array.from({ length: 60 }, slow)
  const honest = Identity.generate()
  let wasAsked = false
  const answer: Seller['answer'] = async (ids) => {
    wasAsked = true
    return ids.map(() => ({ receipts: [] }))
  }
  const audit = auditOf([...sellers, { signer: honest, channels: newChannels(1), answer }], {
    elapsedMs: () => elapsed,
    now: () => START * 1000 + elapsed,
  })
  let longest = 0
  for (let round = 0; round < 10 && !wasAsked; round++) {
    const begun = elapsed
    asked.clear()
    await audit.round(new AbortController().signal)
    longest = Math.max(longest, elapsed - begun)
    expect(Math.max(...asked.values())).toBeLessThanOrEqual(2)
  }
  expect(wasAsked).toBe(true)
  // What was begun when the time of a round was over is gone through with.
  expect(longest).toBeLessThan(1_200_000)
})

it('a receipt whose round no beacon server has ends the turn of its provider alone', async () => {
  let now = START * 1000
  const asked: string[] = []
  const seller = (name: string, issuedAt: number): Seller => {
    const signer = Identity.generate()
    const [id = bytes32(0)] = newChannels(1)
    let isFirst = true
    const answer: Seller['answer'] = async () => {
      asked.push(name)
      // Nothing at first: what is shown then was hidden, and has no age that excuses it.
      const receipts = isFirst ? [] : [receiptToCbor(receiptOf(signer, id, { issuedAt }))]
      isFirst = false
      return [{ receipts }]
    }
    return { signer, channels: [id], answer }
  }
  const drawn: number[] = []
  const audit = auditOf([seller('amiss', 1), seller('honest', START - 500)], {
    now: () => now,
    randomness: async (round) => {
      drawn.push(round)
      if (round === 1) throw new UserError('no beacon server gave round 1', { code: 'UNAVAILABLE' })
      return new Uint8Array(32).fill(0xff)
    },
  })
  const round = () => audit.round(new AbortController().signal).catch(() => undefined)
  await round()
  now += 7200_000
  asked.length = 0
  await round()
  await round()
  expect(asked).toContain('honest')
  expect(drawn.some((each) => each > 1)).toBe(true)
})

it('nobody is blamed by a clock that is hours behind the chain', async () => {
  const signer = Identity.generate()
  const [id = bytes32(0)] = newChannels(1)
  const receipt = receiptOf(signer, id)
  const findings: unknown[] = []
  // What belongs to the receipt was kept for a day.
  const trueTime = START + 87_000
  let behind = 10_000
  const audit = auditOf(
    [{ signer, channels: [id], answer: async () => [{ receipts: [receiptToCbor(receipt)] }] }],
    {
      now: () => (trueTime - behind) * 1000,
      chainTime: async () => trueTime,
      randomness: async () => drawing(receiptDigest(DOMAIN, receipt)),
      onFinding: async (message) => void findings.push(message),
    },
  )
  const outcome = await audit.round(new AbortController().signal).catch((error: unknown) => error)
  expect(findings).toHaveLength(0)
  expect(outcome).toMatchObject({ code: 'WRONG_CLOCK' })
  behind = 0
  await audit.round(new AbortController().signal)
  expect(findings).toHaveLength(0)
})
