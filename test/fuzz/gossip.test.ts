/**
 * What gossip carries: announcements, offers and findings. Changed, they are refused; signed by a hostile key with anything in
 * them, they are refused or read, and whoever keeps them keeps no more than its bound. FUZZ_RUNS for more.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CborValue, decode, encode } from '../../src/crypto/cbor.js'
import { readFinding, signFinding } from '../../src/inference/audit/finding.js'
import { readOffer, signOffer } from '../../src/inference/network/offer.js'
import { OfferTable } from '../../src/inference/network/offer-table.js'
import { AnnouncementTable, signAnnouncement } from '../../src/p2p/announcements.js'
import { identityOf } from '../support/challenge-builder.js'
import {
  anyValue,
  applyEdits,
  applyGraft,
  edits,
  encodeGraft,
  fewRuns,
  graft,
  readOrRefuse,
} from '../support/mutations.js'

const NOW_MS = 1_900_000_000_000
const signer = identityOf('hostile')
const hash = (byte: number) => new Uint8Array(32).fill(byte)
const VERDICTS = ['accept', 'ignore', 'reject']

const announcement = signAnnouncement(
  signer,
  { roles: ['prover'], addresses: ['/ip4/203.0.113.7/tcp/4001'], udpPort: 4000, uplinkKbps: 100_000 },
  NOW_MS,
)
const offer = signOffer(
  signer,
  {
    addresses: ['/ip4/203.0.113.7/tcp/4001'],
    models: [
      {
        id: 'asr-small',
        sha256: hash(1),
        task: 'transcribe',
        languages: ['en', 'de'],
        licence: 'apache-2.0',
        unit: 'audio-second',
        priceWeiPerUnit: 1000n,
      },
    ],
    payment: { chainId: 1, contract: new Uint8Array(20), leastDepositWei: 1n, exposureWei: 2n },
    queue: 4,
    keptSeconds: 3600,
    audited: true,
  },
  NOW_MS,
)
const finding = signFinding(signer, {
  provider: identityOf('provider').publicKey,
  channelId: hash(2),
  index: 7,
  receipt: hash(3),
  round: 900,
  verdict: 'bad',
  reason: 'other words',
  at: NOW_MS / 1000,
})

const KINDS = [
  {
    name: 'announcement',
    message: announcement,
    receive: () => {
      const table = new AnnouncementTable(() => NOW_MS, 4)
      return (bytes: Uint8Array) => {
        const verdict = table.receive(bytes)
        expect(table.size).toBeLessThanOrEqual(4)
        return verdict === 'accept'
      }
    },
  },
  {
    name: 'offer',
    message: offer,
    receive: () => {
      const table = new OfferTable(() => NOW_MS)
      return (bytes: Uint8Array) => {
        const read = readOrRefuse(() => readOffer(bytes))
        const verdict = table.receive(bytes)
        expect(VERDICTS).toContain(verdict)
        if (read === 'refused') expect(verdict).toBe('reject')
        return read !== 'refused'
      }
    },
  },
  {
    name: 'finding',
    message: finding,
    receive: () => (bytes: Uint8Array) => readOrRefuse(() => readFinding(bytes)) !== 'refused',
  },
]

describe.each(KINDS)('an $name', ({ name, message, receive }) => {
  const frame = decode(message) as { readonly body: Uint8Array; readonly signature: Uint8Array }
  const body = decode(frame.body)
  const tag = utf8ToBytes(`plumbline/${name}/1`)
  const resigned = (content: Uint8Array) =>
    encode({ body: content, signature: signer.sign(sha256(concatBytes(tag, content))) })

  it('is taken as it is, and not with a byte changed', () => {
    expect(receive()(message)).toBe(true)
    expect(receive()(resigned(frame.body))).toBe(true)
    fc.assert(
      fc.property(edits, graft, anyValue, (list, change, random) => {
        const take = receive()
        const changed = applyEdits(message, list)
        if (Buffer.compare(changed, message) !== 0) expect(take(changed)).toBe(false)
        const grafted = encodeGraft(frame as unknown as CborValue, change)
        if (grafted !== undefined && Buffer.compare(grafted, message) !== 0) expect(take(grafted)).toBe(false)
        expect(take(encode(random))).toBe(false)
      }),
      { numRuns: fewRuns(0.1) },
    )
  })

  it('survives being signed with anything in it', () => {
    const take = receive()
    fc.assert(
      fc.property(graft, edits, fc.boolean(), (change, list, isCut) => {
        try {
          const content = isCut ? applyEdits(frame.body, list) : encode(applyGraft(body, change))
          take(resigned(content))
        } catch (error) {
          // The graft has no encoding.
          if (!(error instanceof TypeError && error.message.startsWith('cbor: '))) throw error
        }
      }),
      { numRuns: fewRuns(0.1) },
    )
  })
})
