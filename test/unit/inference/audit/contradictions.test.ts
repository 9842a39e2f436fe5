/** A payee's signature against its own redemption: what convinces a stranger, what does not, and what an auditor keeps. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import {
  type Contradiction,
  decodeContradiction,
  encodeContradiction,
  isContradicted,
} from '../../../../src/inference/audit/contradiction.js'
import { Contradictions } from '../../../../src/inference/audit/contradictions.js'
import { ReceiptKind, receiptDigest, signReceipt } from '../../../../src/inference/payment/index.js'
import { bytes32, CHANNEL, DOMAIN } from '../payment/support.js'

const [provider, other] = [71, 72].map((n) => Identity.fromSecret(new Uint8Array(32).fill(n)))
if (provider === undefined || other === undefined) throw new Error('no keys')

const receiptOf = (index: number, channelId = CHANNEL.channelId, signer: Identity = provider, word = 1) =>
  signReceipt(
    DOMAIN,
    {
      ...{ channelId, index, previous: bytes32(0), kind: ReceiptKind.job, jobId: bytes32(word) },
      ...{ model: bytes32(2), input: bytes32(3), terms: bytes32(4), output: bytes32(5), units: 1 },
      ...{ priceWei: 1n, totalWei: 1n, issuedAt: 1_900_000_000 },
    },
    signer,
  )
const contradictionOf = (n: number, signer: Identity = provider): Contradiction => ({
  ...{ provider: signer.publicKey, domain: DOMAIN, receipt: receiptOf(3, bytes32(n), signer) },
  receiptsHead: receiptDigest(DOMAIN, receiptOf(3, bytes32(n), signer, 9)),
})

describe('a contradiction', () => {
  const who = { domain: DOMAIN, payee: provider.address }
  const redeemed = { channelId: CHANNEL.channelId, receipts: 3, receiptsHead: bytes32(8) }

  it('is another receipt of the redeemed number by the payee alone', () => {
    expect(isContradicted(who, redeemed, receiptOf(3))).toBe(true)
    const same = { ...redeemed, receiptsHead: receiptDigest(DOMAIN, receiptOf(3)) }
    expect(isContradicted(who, same, receiptOf(3))).toBe(false)
    // Of an older or a newer place, of another channel, of another hand: none of them says anything.
    for (const index of [2, 4]) expect(isContradicted(who, redeemed, receiptOf(index))).toBe(false)
    expect(isContradicted(who, redeemed, receiptOf(3, bytes32(99)))).toBe(false)
    expect(isContradicted(who, redeemed, receiptOf(3, CHANNEL.channelId, other))).toBe(false)
  })

  it('is read as it was written, and refused where it proves nothing', () => {
    const proof = contradictionOf(1)
    expect(decodeContradiction(encodeContradiction(proof))).toEqual(proof)
    const { receipt } = proof
    for (const none of [
      { ...proof, provider: other.publicKey },
      { ...proof, receiptsHead: receiptDigest(DOMAIN, receipt) },
      { ...proof, receipt: { ...receipt, units: 2 } },
      { ...proof, domain: { ...DOMAIN, chainId: DOMAIN.chainId + 1 } },
    ])
      expect(() => decodeContradiction(encodeContradiction(none))).toThrow(/did not sign another receipt/)
  })
})

describe('an auditor', () => {
  let directory: string
  const path = () => join(directory, 'contradictions.json')
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'contradictions-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  it('keeps a few of each provider over a restart, and none that was altered', async () => {
    const kept = await Contradictions.open(path())
    for (let n = 0; n < 15; n++) await kept.keep(contradictionOf(n))
    await kept.keep(contradictionOf(3))
    await kept.keep(contradictionOf(50, other))
    const again = await Contradictions.open(path())
    expect(again.all()).toEqual(kept.all())
    expect(again.all()).toHaveLength(11)
    expect([again.has(bytes32(0)), again.has(bytes32(50)), again.has(bytes32(14))]).toEqual([
      true,
      true,
      false,
    ])
    const text = await readFile(path(), 'utf8')
    await writeFile(path(), text.replace(Buffer.from(bytes32(3)).toString('hex'), '00'.repeat(32)))
    expect((await Contradictions.open(path())).all()).toHaveLength(10)
    // A key that is no point of the curve keeps no auditor from starting.
    const key = Buffer.from(other.publicKey).toString('hex')
    await writeFile(path(), text.replaceAll(key, 'ff'.repeat(33)))
    expect((await Contradictions.open(path())).all()).toHaveLength(10)
  })
})
