/**
 * A payer that tries to have outputs for nothing: whatever it does, and in whatever order, costs its provider no more than
 * the limit, and a fiftieth of what it paid.
 */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Identity } from '../../../../src/crypto/identity.js'
import { UserError } from '../../../../src/errors.js'
import { Payee, ReceiptKind, signVoucher } from '../../../../src/inference/payment/index.js'
import { largest } from '../../../../src/inference/payment/wei.js'
import type { ChannelLooks } from '../../../../src/inference/provider/channel-looks.js'
import { HeldOutputs } from '../../../../src/inference/provider/held-outputs.js'
import { PaidService } from '../../../../src/inference/provider/paid-service.js'
import type { Remote } from '../../../../src/p2p/index.js'
import { askedJob, bytes32, CHANNEL, DOMAIN, identities, MemoryBooks, workOf } from '../payment/support.js'

const id = CHANNEL.channelId
const EXPOSURE_WEI = 1000n
const HELD_MS = 600_000
/** Of a refused job the provider looks at the chain, a quarter of a second after the last time. */
const ROUNDS = 12
type Keeper = ConstructorParameters<typeof PaidService>[0]['keeper'] &
  ConstructorParameters<typeof ChannelLooks>[0]

class HostilePayer {
  nowMs = 0
  /** What it has the outputs of, once for each job. */
  readonly had = new Map<number, bigint>()
  readonly #jobs: { readonly n: number; readonly jobId: Uint8Array; readonly priceWei: bigint }[] = []

  private constructor(
    readonly payee: Payee,
    readonly service: PaidService,
    readonly payer: Identity,
  ) {}

  static async open(): Promise<HostilePayer> {
    const keys = identities()
    const payee = await Payee.open(
      { domain: DOMAIN, signer: keys.payee, books: new MemoryBooks(true), now: () => 1_900_000_000 },
      { exposureWei: EXPOSURE_WEI, maxJobs: 64, leastRemainingSeconds: 100 },
    )
    await payee.setChannel(keys.payer.address, { ...CHANNEL, depositWei: 1_000_000n })
    let self: HostilePayer | undefined
    const held = new HeldOutputs({ mostBytes: 2 ** 20, mostMs: HELD_MS }, () => self?.nowMs ?? 0)
    const keeper: Keeper = { adopt: async () => payee.account(id), isMoreComing: async () => false }
    self = new HostilePayer(payee, new PaidService({ payee, keeper, held }), keys.payer)
    return self
  }

  get paidWei(): bigint {
    return this.payee.account(id).voucher?.amountWei ?? 0n
  }

  get jobs(): number {
    return this.#jobs.length
  }

  get mostFreeWei(): bigint {
    return EXPOSURE_WEI + this.paidWei / 50n
  }

  /** Of jobs that were run, and are neither paid nor owed by anybody. */
  get idleWorkWei(): bigint {
    return this.#jobs.reduce((sum, { priceWei }) => sum + priceWei, 0n) - this.paidWei
  }

  get hadWei(): bigint {
    return [...this.had.values()].reduce((sum, wei) => sum + wei, 0n)
  }

  async buy(priceWei: bigint): Promise<void> {
    const n = this.#jobs.length + 1
    const { jobId, model, terms, input } = askedJob(n)
    const request = { jobId, model, terms, input, channelId: id }
    await this.service.admit(this.#remote, request, priceWei, new AbortController().signal)
    await this.service.issue(id, workOf(askedJob(n), n, priceWei), bytes32(n), async () => {})
    this.#jobs.push({ n, jobId, priceWei })
  }

  /** @returns whether it was let */
  async tryToBuy(priceWei: bigint): Promise<boolean> {
    return this.buy(priceWei).then(
      () => true,
      (error: unknown) => refused(error) ?? false,
    )
  }

  /** @param lessWei than the receipts come to */
  async pay(which: number, lessWei = 0n): Promise<'output' | 'credits'> {
    const job = this.#jobs[which % this.#jobs.length]
    if (job === undefined) throw new UserError('nothing was bought', { code: 'NOT_FOUND' })
    const { head, issued, totalWei } = this.payee.account(id)
    const dueWei = largest(totalWei, this.paidWei)
    const content = { channelId: id, amountWei: dueWei - lessWei, receipts: issued, receiptsHead: head }
    const got = await this.service.pay(this.#remote, job.jobId, signVoucher(DOMAIN, content, this.payer))
    if ('credits' in got) return 'credits'
    this.had.set(job.n, job.priceWei)
    return 'output'
  }

  have(which: number): void {
    const job = this.#jobs[which % this.#jobs.length]
    if (job !== undefined) this.service.have(this.#remote, id, [job.jobId])
  }

  get #remote(): Remote {
    const { publicKey, peerId } = this.payer
    return { publicKey, peerId, address: '/ip4/127.0.0.1/tcp/1', limited: false }
  }
}

const refused = (error: unknown): undefined => {
  if (error instanceof UserError) return undefined
  throw error
}

it('has no more for nothing than it may owe, by waiting until outputs are not kept any more', async () => {
  const payer = await HostilePayer.open()
  for (let round = 0; round < ROUNDS; round++) {
    while (await payer.tryToBuy(100n)) await payer.pay(payer.jobs - 1)
    payer.nowMs += HELD_MS + 1
    for (let i = 0; i < payer.jobs; i++) await payer.pay(i).catch(refused)
  }
  expect(payer.hadWei - payer.paidWei).toBeLessThanOrEqual(payer.mostFreeWei)
  // What was sent and may never have come is credited up to half of the limit: with the other half it can go on, and pay.
  const receipts = await payer.payee.receipts(id, 1, 10_000)
  const credits = receipts.filter(({ kind }) => kind === ReceiptKind.credit)
  expect(credits.length).toBeGreaterThanOrEqual(5)
  expect(payer.idleWorkWei).toBeLessThanOrEqual(payer.mostFreeWei)
  await payer.buy(100n)
})

it('has no work done for nothing either, by paying when outputs are not kept any more', async () => {
  const payer = await HostilePayer.open()
  for (let round = 0; round < ROUNDS; round++) {
    while (await payer.tryToBuy(100n)) {}
    payer.nowMs += HELD_MS + 1
    for (let i = 0; i < payer.jobs; i++) await payer.pay(i).catch(refused)
  }
  expect(payer.had.size).toBe(0)
  expect(payer.idleWorkWei).toBeLessThanOrEqual(payer.mostFreeWei)
})

it('who pays and fetches is forgiven what an outage cost, again and again', async () => {
  const payer = await HostilePayer.open()
  for (let outage = 0; outage < 20; outage++) {
    await payer.buy(100n)
    const lost = payer.jobs - 1
    payer.nowMs += HELD_MS + 1
    expect(await payer.pay(lost)).toBe('credits')
    for (let i = 0; i < 50; i++) {
      await payer.buy(100n)
      expect(await payer.pay(payer.jobs - 1)).toBe('output')
      payer.have(payer.jobs - 1)
    }
  }
  // To the wei: the credits paid for later jobs.
  expect(payer.hadWei).toBe(payer.paidWei)
})

it('cannot make a job unpaid by a voucher for less, nor let go of what it then asks for again', async () => {
  const payer = await HostilePayer.open()
  for (let i = 0; i < 8; i++) await payer.buy(110n)
  for (let i = 0; i < 8; i++) expect(await payer.pay(i)).toBe('output')
  await payer.buy(1n)
  await expect(payer.pay(8, 1n)).rejects.toMatchObject({ code: 'VERIFICATION_FAILED' })
  for (let i = 0; i < 8; i++) payer.have(i)
  await payer.pay(8)
  for (let i = 0; i < 8; i++) await expect(payer.pay(i)).rejects.toMatchObject({ code: 'DENIED' })
  expect(payer.hadWei).toBe(payer.paidWei)
})

const which = fc.nat(40)
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ what: fc.constant('buy' as const), priceWei: fc.bigInt(1n, 300n) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant('pay' as const),
      which,
      lessWei: fc.constantFrom(0n, 0n, 0n, 1n),
    }),
  },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('have' as const), which }) },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant('wait' as const), ms: fc.constantFrom(1000, HELD_MS + 1) }),
  },
)

it('has no more for nothing than it may owe, in whatever order it buys, pays, waits and lies', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 120 }), async (steps) => {
      const payer = await HostilePayer.open()
      for (const each of steps) {
        if (each.what === 'buy') await payer.buy(each.priceWei).catch(refused)
        else if (each.what === 'pay') await payer.pay(each.which, each.lessWei).catch(refused)
        else if (each.what === 'have') payer.have(each.which)
        else payer.nowMs += each.ms
        expect(payer.hadWei - payer.paidWei).toBeLessThanOrEqual(payer.mostFreeWei)
      }
    }),
    { numRuns: 60 },
  )
})
