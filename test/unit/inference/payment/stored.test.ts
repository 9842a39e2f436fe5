/** Ledgers as they lie on the disk: those that versions before this one wrote open, too. */
import { describe, expect, it } from 'vitest'
import {
  decodePayeeAccount,
  decodePayerAccount,
  encodePayeeAccount,
  encodePayerAccount,
} from '../../../../src/inference/payment/account-codec.js'
import { newPayeeAccount } from '../../../../src/inference/payment/payee-account.js'
import { begin, newPayerAccount } from '../../../../src/inference/payment/payer-account.js'
import { askedJob, CHANNEL, CONTRACT } from './support.js'

/** One job under way, as it was written before jobs said when they were asked for. */
const BEFORE =
  'ab6468656164582000000000000000000000000000000000000000000000000000000000000000006561736b656481a56569' +
  '6e70757458200000000000000000000000000000000000000000000000000000000000010001656a6f624964582000000000' +
  '00000000000000000000000000000000000000000000000000000001656d6f64656c58200000000000000000000000000000' +
  '00000000000000000000000000000000000d657465726d735820000000000000000000000000000000000000000000000000' +
  '000000000000007e6b6d617850726963655765694c00000000000000000000000a656e6f6e636501657061796565782a3078' +
  '3563356335633563356335633563356335633563356335633563356335633563356335633563356366656e647341741a7735' +
  '94006776657273696f6e016872656365697074730068746f74616c5765694c000000000000000000000000696368616e6e65' +
  '6c49645820c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c16a6465706f7369745765694c00' +
  '00000000000000000003e86b756e64656c69766572656480'

const limits = { exposureWei: 100n, maxJobs: 8 }

describe("a payer's account", () => {
  it('of before says of no job when it was asked for, and is written as it was', () => {
    const stored = new Uint8Array(Buffer.from(BEFORE, 'hex'))
    const account = decodePayerAccount(stored)
    expect(account).toMatchObject({ depositWei: CHANNEL.depositWei, asked: [askedJob(1)] })
    expect(account.asked[0]?.askedAt).toBeUndefined()
    expect(encodePayerAccount(account)).toEqual(stored)
  })

  it('keeps when a job was asked for', () => {
    const job = { ...askedJob(1), askedAt: 1_900_000_000 }
    const account = begin(newPayerAccount(CONTRACT, CHANNEL), job, limits)
    expect(decodePayerAccount(encodePayerAccount(account))).toEqual(account)
  })
})

describe("a payee's account", () => {
  it('keeps what was forgiven, and is written as before where nothing was', () => {
    const fresh = newPayeeAccount(CONTRACT, CHANNEL)
    const forgiven = { ...fresh, forgivenWei: 7n }
    expect(decodePayeeAccount(encodePayeeAccount(forgiven))).toEqual(forgiven)
    expect(decodePayeeAccount(encodePayeeAccount(fresh))).toEqual(fresh)
    expect(Buffer.from(encodePayeeAccount(fresh)).includes('forgivenWei')).toBe(false)
  })
})
