/**
 * Random kill -9 of a provider, a gateway and clients at the steps of paying for jobs, on a real chain, and what must hold
 * afterwards: every output that an app got is paid by a voucher on both disks, jobs go on, both ledgers and the chain end
 * with one sum, and what anybody lost stays within the stated bound (docs/inference.md).
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesToHex } from '@noble/hashes/utils.js'
import { channelsContract } from '../../src/chain/index.js'
import { dataPaths } from '../../src/config/paths.js'
import { decodePayeeAccount, decodePayerAccount } from '../../src/inference/payment/account-codec.js'
import { AccountTable } from '../../src/inference/payment/account-table.js'
import { payerExposure, paymentDomain, receiptDigest } from '../../src/inference/payment/index.js'
import { openStore } from '../../src/store/index.js'
import type { Random } from '../simulator/random.js'
import type { Doom, Member } from './local-network.js'
import { Market, type RunningGateway } from './market.js'
import type { NodeProcess } from './node-process.js'

const RECORDING = 'test/fixtures/speech/accept-this-call.wav'
/** Of a second of sound; the recording has three begun ones. A few jobs are worth the gas of their redemption. */
const PRICE_WEI = 10n ** 14n
const JOB_WEI = 3n * PRICE_WEI
/** Three jobs: a loss that is not made good stops everything soon. */
const EXPOSURE_WEI = 3n * JOB_WEI
const TERMS = {
  provider: { threads: 1, clientExposure: `${EXPOSURE_WEI} wei`, redeemAt: `${4n * JOB_WEI} wei` },
  // Each death may cost the day a hundredth of its budget.
  client: { exposure: `${EXPOSURE_WEI} wei`, dailyBudget: '100 ETH' },
}
/** A killed partner is noticed, or a channel is seen, within so many tries of an app that does not give up. */
const TRIES = 6
/** From a purchase's begin to its end, some redemptions included, on a busy machine. */
const SPAN_MS = 2500
/** Of a command: it starts, dials, and opens a channel where it has none. */
const COMMAND_SPAN_MS = 5000
const FRESH_SHARE = 0.15

type Victim = 'provider' | 'gateway' | 'client'
/** `anywhere` is a random moment. */
type Step = Doom | 'anywhere'
const STEPS: Readonly<Record<Victim, readonly Step[]>> = {
  provider: [
    { when: 'begin', exchange: 'job', afterMs: 30 },
    { when: 'handle', exchange: 'job' },
    { when: 'begin', exchange: 'job-pay', afterMs: 1 },
    { when: 'handle', exchange: 'job-pay' },
    { when: 'handle', exchange: 'job-have' },
    { when: 'handle', exchange: 'job-sync' },
    'anywhere',
  ],
  gateway: [
    { when: 'ask', exchange: 'job' },
    { when: 'ask', exchange: 'job-pay' },
    { when: 'ask', exchange: 'job-have' },
    'anywhere',
  ],
  client: [
    { when: 'ask', exchange: 'job' },
    { when: 'ask', exchange: 'job-pay' },
    { when: 'ask', exchange: 'job-have' },
    { when: 'ask', exchange: 'job-sync' },
    'anywhere',
  ],
}

export interface PaymentKillOutcome {
  readonly kills: Readonly<Record<Victim, number>>
  /** By place. */
  readonly steps: Readonly<Record<string, number>>
  /** Outputs that apps got. */
  readonly delivered: number
  readonly redeemedWei: bigint
  /** Paid, and no app has it: its buyer died with it. */
  readonly paidForNobodyWei: bigint
  /** Got, and credited: its provider died before it wrote down that it is there. */
  readonly givenAwayWei: bigint
  readonly mostPayerLossWei: bigint
  readonly mostPayeeLossWei: bigint
  readonly violations: readonly string[]
}

interface Buyer {
  readonly member: Member
  /** Digests of the receipts of outputs that apps got. */
  readonly got: string[]
  /** Times that it was killed. */
  deaths: number
}

/** @param victims how many, drawn, or which. @param onProgress told after each kill @param isOver asked before each: an early end is checked as well */
export async function paymentKills(
  victims: number | readonly Victim[],
  random: Random,
  onProgress: (done: number) => void = () => {},
  isOver: () => boolean = () => false,
): Promise<PaymentKillOutcome> {
  const market = await Market.open({ priceWei: PRICE_WEI, ...TERMS })
  try {
    const campaign = new Campaign(market, random)
    await campaign.start()
    const most = typeof victims === 'number' ? victims : victims.length
    for (let done = 0; done < most && !isOver(); done++) {
      await campaign.killOne(typeof victims === 'number' ? undefined : victims[done])
      onProgress(done + 1)
    }
    return await campaign.end()
  } finally {
    await market.close()
  }
}

class Campaign {
  readonly #market: Market
  readonly #random: Random
  readonly #kills = { provider: 0, gateway: 0, client: 0 }
  readonly #steps = new Map<string, number>()
  readonly #violations: string[] = []
  readonly #byGateway: Buyer
  readonly #byCommand: Buyer[] = []
  #provider: NodeProcess | undefined
  #gateway: RunningGateway | undefined
  /** Of the provider's vouchers, as its disk had them when it was last looked at. */
  readonly #paidWei = new Map<string, bigint>()

  constructor(market: Market, random: Random) {
    this.#market = market
    this.#random = random
    this.#byGateway = { member: market.client, got: [], deaths: 0 }
  }

  async start(): Promise<void> {
    await this.#freshBuyer()
    this.#provider = await this.#market.serve()
    this.#gateway = await this.#market.sell()
    await this.#mustBuy(this.#byGateway)
    await this.#mustBuy(this.#command())
  }

  async killOne(named?: Victim): Promise<void> {
    await this.#checkAlive()
    const victim = named ?? this.#random.pick(['provider', 'provider', 'gateway', 'client'] as const)
    const step = this.#random.pick(STEPS[victim])
    if (victim === 'provider') await this.#killProvider(step)
    else if (victim === 'gateway') await this.#killGateway(step)
    else await this.#killClient(step)
    this.#kills[victim]++
    const place = step === 'anywhere' ? `${victim} anywhere` : `${victim} ${step.when} ${step.exchange}`
    this.#steps.set(place, (this.#steps.get(place) ?? 0) + 1)
  }

  /** Whom nobody killed, serves. */
  async #checkAlive(): Promise<void> {
    if (this.#provider?.isOver) {
      const { code, signal, stderr } = await this.#provider.ended
      this.#violations.push(`the provider ended by itself (${code ?? signal}): ${stderr.slice(-1000)}`)
      this.#provider = await this.#market.serve()
    }
    if (this.#gateway?.process.isOver) {
      const { code, signal, stderr } = await this.#gateway.process.ended
      this.#violations.push(`the gateway ended by itself (${code ?? signal}): ${stderr.slice(-1000)}`)
      this.#gateway = await this.#market.sell()
    }
  }

  async #killProvider(step: Step): Promise<void> {
    await this.#provider?.stop()
    const doomed = await this.#market.serve(step === 'anywhere' ? {} : { doom: step })
    const buyer = this.#random.pick([this.#byGateway, this.#command()])
    if (step === 'anywhere') {
      const buying = this.#buy(buyer)
      await sleep(this.#random.between(0, SPAN_MS))
      doomed.kill('SIGKILL')
      await Promise.all([buying, doomed.ended])
    } else {
      for (let tries = 0; tries < TRIES && !doomed.isOver; tries++) {
        // A running gateway settles only what stands open, a new one first of all.
        if (step.exchange === 'job-sync' && buyer === this.#byGateway) await this.#restartGateway()
        await this.#buy(buyer)
      }
      if (!doomed.isOver) this.#violations.push(`the provider was never asked ${step.exchange}`)
      doomed.kill('SIGKILL')
      await doomed.ended
    }
    await this.#checkProvider()
    this.#provider = await this.#market.serve()
    await this.#mustBuy(this.#byGateway)
    await this.#mustBuy(this.#command())
  }

  async #killGateway(step: Step): Promise<void> {
    await this.#gateway?.process.stop()
    this.#gateway = await this.#market.sell(step === 'anywhere' ? {} : { doom: step })
    const { process } = this.#gateway
    const buying = this.#buy(this.#byGateway)
    if (step === 'anywhere') {
      await sleep(this.#random.between(0, SPAN_MS))
      process.kill('SIGKILL')
    }
    await Promise.all([buying, process.ended])
    this.#byGateway.deaths++
    await this.#checkBuyer(this.#byGateway)
    this.#gateway = await this.#market.sell()
    await this.#mustBuy(this.#byGateway)
  }

  async #killClient(step: Step): Promise<void> {
    const isFresh = step === 'anywhere' && this.#random.chance(FRESH_SHARE)
    const buyer = isFresh ? await this.#freshBuyer() : this.#command()
    const process = this.#market.start(RECORDING, {
      buyer: buyer.member,
      ...(step === 'anywhere' ? {} : { doom: step }),
    })
    if (step === 'anywhere') {
      await Promise.race([process.ended, sleep(this.#random.between(0, COMMAND_SPAN_MS))])
      process.kill('SIGKILL')
    }
    this.#note(buyer, await process.ended)
    buyer.deaths++
    if (!isFresh) await this.#checkBuyer(buyer)
    await this.#mustBuy(buyer)
  }

  async #freshBuyer(): Promise<Buyer> {
    const buyer = {
      member: await this.#market.addBuyer(`buyer-${this.#byCommand.length}`),
      got: [],
      deaths: 0,
    }
    this.#byCommand.push(buyer)
    return buyer
  }

  /** The one of the last commands. */
  #command(): Buyer {
    const last = this.#byCommand.at(-1)
    if (last === undefined) throw new Error('no buyer')
    return last
  }

  async #restartGateway(): Promise<void> {
    await this.#gateway?.process.stop()
    this.#gateway = await this.#market.sell()
  }

  /** Life goes on, whatever was killed. */
  async #mustBuy(buyer: Buyer): Promise<void> {
    let last = ''
    for (let tries = 0; tries < TRIES; tries++) {
      const answer = await this.#buy(buyer)
      if (answer.isDone) return
      last = answer.why
    }
    this.#violations.push(`${buyer.member.name} cannot buy any more: ${last}`)
  }

  async #buy(buyer: Buyer): Promise<{ readonly isDone: boolean; readonly why: string }> {
    if (buyer !== this.#byGateway)
      return this.#note(buyer, await this.#market.start(RECORDING, { buyer: buyer.member }).ended)
    const form = new FormData()
    form.set('file', new Blob([new Uint8Array(await readFile(RECORDING))]), 'clip.wav')
    form.set('model', 'asr-small')
    try {
      const url = `${this.#gateway?.baseUrl}/audio/transcriptions`
      const answer = await fetch(url, { method: 'POST', body: form })
      const text = await answer.text()
      const receipt = answer.headers.get('x-plumbline-receipt')
      if (!answer.ok || receipt === null) return { isDone: false, why: text.slice(0, 300) }
      buyer.got.push(receipt)
      return { isDone: true, why: '' }
    } catch (error) {
      return { isDone: false, why: String(error) }
    }
  }

  #note(buyer: Buyer, { code, stdout, stderr }: { code: number | null; stdout: string; stderr: string }) {
    if (code !== 0) return { isDone: false, why: stderr.slice(-300) }
    buyer.got.push((JSON.parse(stdout) as { receipt: string }).receipt)
    return { isDone: true, why: '' }
  }

  #domain() {
    const { chain } = this.#market
    return paymentDomain(chain.chainId, channelsContract(chain))
  }

  /** What the provider's disk has: no voucher fell, and each output that went to an app is paid by one. */
  async #checkProvider() {
    const store = await openStore(dataPaths(this.#market.provider.dataDir).store)
    try {
      const table = await AccountTable.open({ books: store.paymentsEarned, ...payeeCodec })
      for (const account of table.all()) {
        const paidWei = account.voucher?.amountWei ?? 0n
        const before = this.#paidWei.get(bytesToHex(account.channelId)) ?? 0n
        if (paidWei < before)
          this.#violations.push(`the provider's voucher fell from ${before} to ${paidWei} wei`)
        this.#paidWei.set(bytesToHex(account.channelId), paidWei)
        const buyer = [this.#byGateway, ...this.#byCommand].find(
          ({ member }) => member.identity.address === account.payer,
        )
        if (buyer !== undefined) await this.#checkReceipts('the provider', buyer, account, table)
      }
      return table.all()
    } finally {
      await store.close()
    }
  }

  /** The same of a buyer's, and that what it could lose stays within its bound. */
  async #checkBuyer(buyer: Buyer) {
    const { dataDir, identity, name } = buyer.member
    const store = await openStore(join(dataDir, 'chain', `client-${identity.address}`))
    try {
      const table = await AccountTable.open({ books: store.paymentsMade, ...payerCodec })
      for (const account of table.all()) {
        await this.#checkReceipts(name, buyer, account, table)
        if (payerExposure(account) > EXPOSURE_WEI)
          this.#violations.push(`${name} may lose ${payerExposure(account)} wei, and not ${EXPOSURE_WEI}`)
      }
      return table.all()
    } finally {
      await store.close()
    }
  }

  async #checkReceipts(
    whose: string,
    { got, member }: Buyer,
    { channelId, voucher }: { channelId: Uint8Array; voucher: { readonly receipts: number } | null },
    table: Pick<AccountTable<never>, 'receipts'>,
  ): Promise<void> {
    const receipts = await table.receipts(channelId, 1, Number.MAX_SAFE_INTEGER)
    const places = new Map(
      receipts.map((receipt) => [bytesToHex(receiptDigest(this.#domain(), receipt)), receipt.index]),
    )
    for (const digest of got) {
      const index = places.get(digest)
      if (index === undefined) this.#violations.push(`${whose} has no receipt of an output of ${member.name}`)
      else if (index > (voucher?.receipts ?? 0))
        this.#violations.push(`${whose} has no voucher for receipt ${index} of ${member.name}`)
    }
  }

  /** Everybody stops in peace, and the sums are compared. */
  async end(): Promise<PaymentKillOutcome> {
    const buyers = [this.#byGateway, ...this.#byCommand]
    await this.#gateway?.process.stop()
    // Its last redemption takes as long as it takes.
    this.#provider?.kill('SIGTERM')
    await this.#provider?.ended
    const earned = await this.#checkProvider()
    let [redeemedWei, paidForNobodyWei, givenAwayWei, heldWei] = [0n, 0n, 0n, 0n]
    for (const buyer of buyers) {
      const { name, identity } = buyer.member
      const state = await this.#market.channel(buyer.member)
      if (state.nonce > 1) this.#violations.push(`${name} opened ${state.nonce} channels`)
      redeemedWei += state.redeemedWei
      heldWei += state.depositWei - state.redeemedWei
      const mine = (await this.#checkBuyer(buyer))[0]
      const theirs = earned.find(({ payer }) => payer === identity.address)
      const sums = [mine?.voucher?.amountWei, theirs?.voucher?.amountWei, state.redeemedWei]
      if (new Set(sums).size > 1) this.#violations.push(`${name}: signed, held and redeemed are ${sums}`)
      // What was paid, less what is credit still, less what apps have.
      const lostWei = (mine?.totalWei ?? 0n) - BigInt(buyer.got.length) * JOB_WEI
      if (lostWei > 0n) paidForNobodyWei += lostWei
      else givenAwayWei -= lostWei
      if (lostWei > BigInt(buyer.deaths) * JOB_WEI)
        this.#violations.push(`${name} paid ${lostWei} wei for nothing in ${buyer.deaths} deaths`)
    }
    const mostPayeeLossWei = EXPOSURE_WEI * BigInt(this.#kills.provider)
    if (givenAwayWei > mostPayeeLossWei) this.#violations.push(`the provider lost ${givenAwayWei} wei`)
    const contract = channelsContract(this.#market.chain)
    const balance = await this.#market.chain.client.getBalance({ address: contract })
    if (balance !== heldWei)
      this.#violations.push(`the contract has ${balance} wei, and its channels ${heldWei}`)
    return {
      kills: this.#kills,
      steps: Object.fromEntries([...this.#steps].sort()),
      delivered: buyers.reduce((sum, { got }) => sum + got.length, 0),
      redeemedWei,
      paidForNobodyWei,
      givenAwayWei,
      mostPayerLossWei: EXPOSURE_WEI,
      mostPayeeLossWei,
      violations: this.#violations,
    }
  }
}

const unwritten = (): never => {
  throw new Error('only looked at')
}
const payeeCodec = { encode: unwritten, decode: decodePayeeAccount }
const payerCodec = { encode: unwritten, decode: decodePayerAccount }
