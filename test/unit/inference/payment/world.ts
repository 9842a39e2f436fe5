/**
 * A payer and a payee, both honest, with a connection that delays, reorders and loses, disks that sync when they like,
 * and crashes of either side at any step. It keeps books of its own, from what left each side.
 */
import { setImmediate as afterMicrotasks } from 'node:timers/promises'
import { UserError } from '../../../../src/errors.js'
import { decodePayeeAccount } from '../../../../src/inference/payment/account-codec.js'
import {
  Payee,
  type PayeeLimits,
  Payer,
  type PayerLimits,
  payeeExposure,
  payerExposure,
  receiptDigest,
  type SignedReceipt,
  type SignedVoucher,
} from '../../../../src/inference/payment/index.js'
import { askedJob, bytes32, CHANNEL, DOMAIN, identities, MemoryBooks, outputOf, workOf } from './support.js'

export const PAYER_LIMITS: PayerLimits = { exposureWei: 50n, maxJobs: 6 }
export const PAYEE_LIMITS: PayeeLimits = { exposureWei: 40n, maxJobs: 5, leastRemainingSeconds: 100 }
export const MOST_PRICE = 20
const NOW = 1_900_000_000
const id = CHANNEL.channelId
const numberOf = (jobId: Uint8Array): number => Buffer.from(jobId).readUInt32BE(28)

type ToPayee =
  | { readonly kind: 'request'; readonly n: number; readonly maxPriceWei: bigint }
  | { readonly kind: 'voucher'; readonly voucher: SignedVoucher }
  | { readonly kind: 'have'; readonly n: number }
type ToPayer =
  | { readonly kind: 'receipt'; readonly receipt: SignedReceipt }
  | { readonly kind: 'output'; readonly n: number }
  | { readonly kind: 'none'; readonly n: number }

export interface Step {
  readonly what:
    | 'ask'
    | 'syncPayer'
    | 'syncPayee'
    | 'toPayee'
    | 'toPayer'
    | 'twice'
    | 'finish'
    | 'fail'
    | 'reconnect'
    | 'crashPayer'
    | 'crashPayee'
    | 'forgetOutputs'
  readonly pick: number
}

export class World {
  readonly #keys = identities()
  #payerBooks = new MemoryBooks()
  #payeeBooks = new MemoryBooks()
  #payer!: Payer
  #payee!: Payee
  /** Raised by a crash: answers of a former life are lost. */
  #payerLife = 0
  #payeeLife = 0
  #connection = 0
  #toPayee: ToPayee[] = []
  #toPayer: ToPayer[] = []
  #working: { readonly n: number; readonly maxPriceWei: bigint }[] = []
  /** In the payee's memory. */
  #outputs = new Set<number>()
  #jobs = 0

  // What left each side, whatever they remember.
  readonly #prices = new Map<number, bigint>()
  readonly #receipts = new Map<number, string>()
  readonly #delivered = new Set<number>()
  readonly #sent = new Set<number>()
  #mostPaidWei = 0n
  payeeCrashes = 0

  static async open(): Promise<World> {
    const world = new World()
    await world.#openPayer()
    await world.#openPayee()
    const opened = [
      world.#payer.setChannel(world.#keys.payee.address, CHANNEL),
      world.#payee.setChannel(world.#keys.payer.address, CHANNEL),
    ]
    world.#payerBooks.sync()
    world.#payeeBooks.sync()
    await Promise.all(opened)
    return world
  }

  async take({ what, pick }: Step): Promise<void> {
    switch (what) {
      case 'ask':
        this.#ask(pick)
        break
      case 'syncPayer':
        this.#payerBooks.sync()
        break
      case 'syncPayee':
        this.#payeeBooks.sync()
        break
      case 'toPayee':
      case 'twice': {
        const message = what === 'twice' ? this.#voucherAt(pick) : take(this.#toPayee, pick)
        if (message !== undefined) this.#atPayee(message)
        break
      }
      case 'toPayer': {
        const message = take(this.#toPayer, pick)
        if (message !== undefined) this.#atPayer(message)
        break
      }
      case 'finish':
      case 'fail':
        this.#end(pick, what === 'finish')
        break
      case 'reconnect':
        await this.#reconnect()
        break
      case 'crashPayer':
        this.#payerBooks.crash()
        this.#payerLife++
        await this.#openPayer()
        await this.#reconnect()
        break
      case 'crashPayee':
        await this.#crashPayee()
        break
      case 'forgetOutputs':
        await this.#forgetOutputs()
        break
    }
    await afterMicrotasks()
    await this.check()
  }

  /** Until nothing is under way: both sides must then agree. */
  async quiesce(): Promise<void> {
    await this.take({ what: 'reconnect', pick: 0 })
    for (let round = 0; round < 200; round++) {
      while (this.#working.length > 0) await this.take({ what: 'finish', pick: 0 })
      await this.take({ what: 'syncPayee', pick: 0 })
      await this.take({ what: 'syncPayer', pick: 0 })
      await this.take({ what: 'toPayee', pick: 0 })
      await this.take({ what: 'toPayer', pick: 0 })
      const waiting = this.#payerBooks.waiting + this.#payeeBooks.waiting
      if (this.#toPayee.length + this.#toPayer.length + this.#working.length + waiting === 0) break
    }
    const [payer, payee] = [this.#payer.account(id), this.#payee.account(id)]
    same('receipts', payer.receipts, payee.issued)
    same('total', payer.totalWei, payee.totalWei)
    same('newest voucher', payer.voucher?.amountWei, payee.voucher?.amountWei)
    same('jobs asked', payer.asked.length, 0)
    same('outputs missing', payer.undelivered.length, 0)
    same('outputs owed', payee.owed.length, 0)
    same('receipts unpaid', payee.unpaid.length, 0)
    same('head', Buffer.compare(payer.head, payee.head), 0)
    // Nothing but credit stands between them.
    atMost('total', payee.totalWei, payee.voucher?.amountWei ?? 0n)
  }

  /** The bounds that docs/inference.md states. */
  async check(): Promise<void> {
    const [payer, payee] = [this.#payer.account(id), this.#payee.account(id)]
    atMost("the payer's exposure", payerExposure(payer), PAYER_LIMITS.exposureWei)
    atMost("the payee's exposure", payeeExposure(payee), PAYEE_LIMITS.exposureWei)
    const value = (jobs: Set<number>) => [...jobs].reduce((sum, n) => sum + (this.#prices.get(n) ?? 0n), 0n)
    atMost('paid for nothing', this.#mostPaidWei - value(this.#delivered), PAYER_LIMITS.exposureWei)
    const [stored] = await this.#payeeBooks.accounts()
    const kept = stored === undefined ? 0n : (decodePayeeAccount(stored.account).voucher?.amountWei ?? 0n)
    const lost = PAYEE_LIMITS.exposureWei * BigInt(this.payeeCrashes)
    atMost('sent for nothing', value(this.#sent) - kept, lost)
    atMost('vouchers', this.#mostPaidWei, CHANNEL.depositWei)
  }

  get delivered(): number {
    return this.#delivered.size
  }

  get connections(): number {
    return this.#connection
  }

  async #openPayer(): Promise<void> {
    const modules = { domain: DOMAIN, signer: this.#keys.payer, books: this.#payerBooks }
    this.#payer = await Payer.open(modules, PAYER_LIMITS)
  }

  async #openPayee(): Promise<void> {
    const modules = { domain: DOMAIN, signer: this.#keys.payee, books: this.#payeeBooks, now: () => NOW }
    this.#payee = await Payee.open(modules, PAYEE_LIMITS)
  }

  #ask(pick: number): void {
    const n = ++this.#jobs
    const maxPriceWei = BigInt(1 + (pick % MOST_PRICE))
    this.#forPayer(this.#payer.begin(id, askedJob(n, maxPriceWei)), () =>
      this.#toPayee.push({ kind: 'request', n, maxPriceWei }),
    )
  }

  #voucherAt(pick: number): ToPayee | undefined {
    const vouchers = this.#toPayee.filter(({ kind }) => kind === 'voucher')
    return vouchers[pick % Math.max(1, vouchers.length)]
  }

  #atPayee(message: ToPayee): void {
    if (message.kind === 'have') this.#payee.acknowledge(id, bytes32(message.n))
    else if (message.kind === 'voucher') {
      this.#forPayee(this.#payee.accept(message.voucher), () => this.#sendPaid())
      this.#sendPaid() // the other jobs do not wait for this one's voucher
    } else {
      const { n, maxPriceWei } = message
      try {
        this.#payee.admit(id, { jobId: bytes32(n), maxPriceWei })
        this.#working.push({ n, maxPriceWei })
      } catch (error) {
        if (!(error instanceof UserError) || !['DENIED', 'BUSY'].includes(error.code)) throw error
        this.#toPayer.push({ kind: 'none', n })
      }
    }
  }

  #atPayer(message: ToPayer): void {
    if (message.kind === 'receipt') {
      this.#forPayer(this.#payer.receive(message.receipt), (voucher) => {
        if (voucher.amountWei > this.#mostPaidWei) this.#mostPaidWei = voucher.amountWei
        this.#toPayee.push({ kind: 'voucher', voucher })
      })
    } else if (message.kind === 'none') {
      this.#forPayer(this.#payer.drop(id, bytes32(message.n)), () => {})
    } else {
      const { n } = message
      // The application has it, whatever the ledger is going to remember.
      this.#delivered.add(n)
      this.#forPayer(this.#payer.deliver(id, bytes32(n), outputOf(n)), () =>
        this.#toPayee.push({ kind: 'have', n }),
      )
    }
  }

  #end(pick: number, isGood: boolean): void {
    const job = take(this.#working, pick)
    if (job === undefined) return
    const { n, maxPriceWei } = job
    if (!isGood) {
      this.#payee.dismiss(id, bytes32(n))
      this.#toPayer.push({ kind: 'none', n })
      return
    }
    const price = maxPriceWei - BigInt(pick % 3 === 0 ? 0 : pick % Number(maxPriceWei))
    this.#outputs.add(n)
    const work = workOf(askedJob(n, maxPriceWei), n, price)
    this.#forPayee(this.#payee.issue(id, work), (receipt) => this.#sendReceipt(receipt))
  }

  #sendReceipt(receipt: SignedReceipt): void {
    const digest = Buffer.from(receiptDigest(DOMAIN, receipt)).toString('hex')
    const before = this.#receipts.get(receipt.index) ?? digest
    same(`receipt ${receipt.index} left twice, differently`, digest, before)
    this.#receipts.set(receipt.index, digest)
    if (receipt.kind === 0) this.#prices.set(numberOf(receipt.jobId), receipt.priceWei)
    this.#toPayer.push({ kind: 'receipt', receipt })
  }

  #sendPaid(): void {
    for (const { jobId } of this.#payee.account(id).owed)
      this.#forPayee(this.#payee.mayRelease(id, jobId), (may) => {
        const n = numberOf(jobId)
        if (!may || !this.#outputs.has(n)) return
        this.#sent.add(n)
        this.#toPayer.push({ kind: 'output', n })
      })
  }

  /** What was on its way is lost; both say where they are. */
  async #reconnect(): Promise<void> {
    this.#connection++
    this.#toPayee = []
    this.#toPayer = []
    this.#payeeBooks.sync() // what is missing is asked for, and the answer waits for the disk
    const [payer, payee] = [this.#payer.account(id), this.#payee.account(id)]
    const receipts = await this.#payee.receipts(id, payer.receipts + 1, 1000)
    for (const receipt of receipts) this.#sendReceipt(receipt)
    const known = new Set(receipts.map(({ jobId }) => numberOf(jobId)))
    const works = new Set(this.#working.map(({ n }) => n))
    const owed = new Set(payee.owed.map(({ jobId }) => numberOf(jobId)))
    for (const { jobId } of payer.asked) {
      const n = numberOf(jobId)
      if (!known.has(n) && !works.has(n) && !owed.has(n)) this.#toPayer.push({ kind: 'none', n })
    }
    // Had the payer an output that it could not acknowledge, it says so now.
    for (const { jobId } of payee.owed) {
      const isHeld = !payer.undelivered.some((job) => Buffer.compare(job.jobId, jobId) === 0)
      const receipt = payee.owed.find((job) => Buffer.compare(job.jobId, jobId) === 0)
      if (isHeld && receipt !== undefined && receipt.index <= payer.receipts)
        this.#forPayer(this.#payer.kept(id), () => this.#toPayee.push({ kind: 'have', n: numberOf(jobId) }))
    }
    this.#forPayer(this.#payer.newestVoucher(id), (voucher) => {
      if (voucher !== undefined) this.#toPayee.push({ kind: 'voucher', voucher })
    })
    this.#sendPaid()
  }

  async #crashPayee(): Promise<void> {
    this.#payeeBooks.crash()
    this.#payeeLife++
    this.payeeCrashes++
    this.#working = []
    this.#outputs = new Set()
    await this.#openPayee()
    const credits = this.#payee.creditAllLost()
    this.#payeeBooks.sync()
    await credits
    await this.#reconnect()
  }

  /** The payee lets go of outputs that nobody fetched. */
  async #forgetOutputs(): Promise<void> {
    const lost = this.#payee.account(id).owed.map(({ jobId }) => jobId)
    this.#outputs = new Set()
    this.payeeCrashes++
    this.#forPayee(this.#payee.credit(id, lost), (credits) => {
      for (const credit of credits) this.#sendReceipt(credit)
    })
  }

  #forPayer<T>(work: Promise<T>, then: (value: T) => void): void {
    const [life, connection] = [this.#payerLife, this.#connection]
    this.#settle(work, (value) => {
      if (life === this.#payerLife && connection === this.#connection) then(value)
    })
  }

  #forPayee<T>(work: Promise<T>, then: (value: T) => void): void {
    const [life, connection] = [this.#payeeLife, this.#connection]
    this.#settle(work, (value) => {
      if (life === this.#payeeLife && connection === this.#connection) then(value)
    })
  }

  /** Limits may refuse; nothing else may go wrong between honest sides. */
  #settle<T>(work: Promise<T>, then: (value: T) => void): void {
    work.then(then).catch((error: unknown) => {
      if (error instanceof UserError && ['DENIED', 'BUSY'].includes(error.code)) return
      this.failure ??= error
    })
  }
  failure: unknown
}

function take<T>(from: T[], pick: number): T | undefined {
  return from.length === 0 ? undefined : from.splice(pick % from.length, 1)[0]
}

function same(what: string, have: unknown, need: unknown): void {
  if (have !== need) throw new Error(`${what}: ${have}, not ${need}`)
}

function atMost(what: string, have: bigint, most: bigint): void {
  if (have > most) throw new Error(`${what}: ${have}, more than ${most}`)
}
