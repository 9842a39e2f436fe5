/** Who sees a provider's receipts, and how many at once. */
import { describe, expect, it } from 'vitest'
import { addressOfPublicKey } from '../../../../src/crypto/address.js'
import { Identity } from '../../../../src/crypto/identity.js'
import { RECEIPTS_AT_ONCE, RECEIPTS_IN_ALL } from '../../../../src/inference/network/messages.js'
import { ReceiptKind, type SignedReceipt, signReceipt } from '../../../../src/inference/payment/index.js'
import { type ShownReceiptsModules, showReceipts } from '../../../../src/inference/provider/shown-receipts.js'
import type { Remote } from '../../../../src/p2p/index.js'
import { bytes32, DOMAIN } from '../payment/support.js'

const [provider, payer, stranger, auditor] = [51, 52, 53, 54].map((n) =>
  Identity.fromSecret(new Uint8Array(32).fill(n)),
) as [Identity, Identity, Identity, Identity]
const remoteOf = ({ peerId, publicKey }: Identity): Remote => ({
  ...{ peerId, publicKey, address: '/ip4/127.0.0.1/tcp/1', limited: false },
})

const receipt: SignedReceipt = signReceipt(
  DOMAIN,
  {
    ...{ channelId: bytes32(1), index: 1, previous: bytes32(0), kind: ReceiptKind.job, jobId: bytes32(2) },
    ...{ model: bytes32(3), input: bytes32(4), terms: bytes32(5), output: bytes32(6), units: 1 },
    ...{ priceWei: 1n, totalWei: 1n, issuedAt: 1_900_000_000 },
  },
  provider,
)

/** Channels 1 to 9 are the payer's, others are not known; each has so many receipts. */
const modulesOf = (count: number): ShownReceiptsModules => ({
  payerOf: (channelId) => ((channelId[31] ?? 0) < 10 ? addressOfPublicKey(payer.publicKey) : undefined),
  receipts: async () => Array.from({ length: Math.min(count, RECEIPTS_AT_ONCE) }, () => receipt),
  isAuditor: async ({ peerId }) => peerId === auditor.peerId,
  shown: (receipts) => receipts,
})
const request = (...ids: readonly number[]) => ({
  channels: ids.map((n) => ({ channelId: bytes32(n), from: 1 })),
})

describe('receipts', () => {
  it('are shown to the payer of their channel and to auditors, and to nobody else', async () => {
    const modules = modulesOf(1)
    expect((await showReceipts(modules, request(1), remoteOf(payer))).answers).toMatchObject([
      { receipts: [expect.anything()] },
    ])
    expect((await showReceipts(modules, request(1, 2, 200), remoteOf(auditor))).answers).toMatchObject([
      { receipts: [expect.anything()] },
      { receipts: [expect.anything()] },
      {},
    ])
    for (const [who, ...ids] of [
      [stranger, 1],
      [stranger, 200],
      [payer, 1, 200],
    ] as const)
      await expect(showReceipts(modules, request(...ids), remoteOf(who))).rejects.toMatchObject({
        code: 'DENIED',
      })
  })

  it('of many channels come in the order of the request, as many as have room', async () => {
    const ids = [1, 2, 3, 4, 5, 6]
    const few = await showReceipts(modulesOf(2), request(...ids), remoteOf(auditor))
    expect(few.answers.length).toBe(ids.length)
    const many = await showReceipts(modulesOf(1000), request(...ids), remoteOf(auditor))
    expect(many.answers.length).toBe(RECEIPTS_IN_ALL / RECEIPTS_AT_ONCE)
  })
})
