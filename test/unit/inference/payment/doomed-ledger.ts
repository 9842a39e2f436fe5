/**
 * One side of a channel in a process of its own, on a real store, until it is killed:
 * `node --import tsx doomed-ledger.ts '{"side", "directory", "secret", "other"}'` with an IPC channel. Each message is a
 * step; the answer is what may leave once the step is done.
 */
import '../../../../src/node/polyfills.js'
import { Identity } from '../../../../src/crypto/identity.js'
import { Payee, Payer } from '../../../../src/inference/payment/index.js'
import { openStore } from '../../../../src/store/index.js'
import type { Ask } from './killable.js'
import { CHANNEL, DOMAIN, outputOf, workOf } from './support.js'

const { side, directory, secret, other } = JSON.parse(process.argv[2] ?? '{}')
const signer = Identity.fromSecret(Uint8Array.from(Buffer.from(secret, 'hex')))
const store = await openStore(directory)
/** Enough for any number of kills. */
const channel = { ...CHANNEL, depositWei: 1_000_000n }
const id = channel.channelId
const limits = { exposureWei: 50n, maxJobs: 8, leastRemainingSeconds: 100 }
const now = () => 1_900_000_000

type Answer = (ask: Ask) => Promise<unknown>

async function payee(): Promise<Answer> {
  const ledger = await Payee.open({ domain: DOMAIN, signer, books: store.paymentsEarned, now }, limits)
  await ledger.setChannel(other, channel)
  await ledger.creditAllLost()
  return async (ask) => {
    if (ask.what === 'run') {
      ledger.admit(id, ask.job)
      return ledger.issue(id, workOf(ask.job, ask.n))
    }
    if (ask.what === 'pay') {
      await ledger.accept(ask.voucher)
      return (await ledger.mayRelease(id, ask.jobId)) ? outputOf(ask.n) : undefined
    }
    if (ask.what === 'have') return ledger.acknowledge(id, ask.jobId)
    if (ask.what === 'receipts') return ledger.receipts(id, ask.from, 1000)
    return ledger.account(id)
  }
}

async function payer(): Promise<Answer> {
  const ledger = await Payer.open({ domain: DOMAIN, signer, books: store.paymentsMade }, limits)
  await ledger.setChannel(other, channel)
  return async (ask) => {
    if (ask.what === 'begin') return ledger.begin(id, ask.job)
    if (ask.what === 'drop') return ledger.drop(id, ask.jobId)
    if (ask.what === 'receive') return ledger.receive(ask.receipt)
    if (ask.what === 'deliver') return ledger.deliver(id, ask.jobId, ask.output)
    if (ask.what === 'newest') return ledger.newestVoucher(id)
    return ledger.account(id)
  }
}

const answer = await (side === 'payer' ? payer() : payee())
process.on('message', async ({ serial, ask }: { serial: number; ask: Ask }) => {
  try {
    process.send?.({ serial, value: await answer(ask) })
  } catch (error) {
    process.send?.({ serial, error: error instanceof Error ? error.message : String(error) })
  }
})
process.send?.({ serial: 0 })
