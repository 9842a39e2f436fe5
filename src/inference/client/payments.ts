/** What a client pays with: its ledger and channels, opened when the first job costs something. */
import { type Address, addressBytes, addressOfPublicKey } from '../../crypto/address.js'
import type { TypedDomain } from '../../crypto/eip712.js'
import { UserError } from '../../errors.js'
import type { Offer } from '../network/offer.js'
import type { Payer } from '../payment/index.js'
import { providerName } from './candidates.js'
import { ChainWait } from './chain-wait.js'
import type { Channels } from './channels.js'
import type { Claim } from './claims.js'

export interface ClientPayments {
  readonly payer: Payer
  readonly channels: Channels
  readonly domain: TypedDomain
  readonly chainId: number
  readonly contract: Address
}

/** @throws UserError where the chain cannot be used */
export type OpenPayments = () => Promise<ClientPayments>

export class Purse {
  readonly #openPayments: OpenPayments | undefined
  readonly #wait: ChainWait
  #payments: Promise<ClientPayments> | undefined
  #opened: ClientPayments | undefined

  /** @param openPayments absent: only free jobs */
  constructor(openPayments: OpenPayments | undefined, wait = new ChainWait(undefined)) {
    this.#openPayments = openPayments
    this.#wait = wait
  }

  /** @throws UserError BAD_CONFIG without a chain; as `openPayments` */
  open(): Promise<ClientPayments> {
    const openPayments = this.#openPayments
    if (openPayments === undefined)
      throw new UserError('paid jobs need a chain, and none is configured', {
        code: 'BAD_CONFIG',
        remedy: 'set chain.rpcUrls, or choose models that cost nothing',
        exitStatus: 2,
      })
    this.#payments ??= this.#wait.during(openPayments).then(
      (payments) => {
        this.#opened = payments
        return payments
      },
      (error: unknown) => {
        // The next job may find the chain again.
        this.#payments = undefined
        throw error
      },
    )
    return this.#payments
  }

  get isOpen(): boolean {
    return this.#opened !== undefined
  }

  /** Whether a paid job may go to a provider without a channel being opened; false before the ledger is open. */
  hasChannel({ publicKey }: Offer): boolean {
    return this.#opened?.channels.isOpen(addressOfPublicKey(publicKey)) === true
  }

  /** Whether anything that was paid for has come from a provider. */
  hasDelivered({ publicKey }: Offer): boolean {
    return this.#opened?.channels.hasDelivered(addressOfPublicKey(publicKey)) === true
  }

  /** Room for a job in a channel with a provider. @throws UserError as `Channels.ready`; DENIED */
  async claim(offer: Offer, priceWei: bigint, signal?: AbortSignal): Promise<Claim> {
    const { payment } = offer
    const { channels, chainId, contract } = await this.open()
    if (
      payment === undefined ||
      payment.chainId !== chainId ||
      Buffer.compare(payment.contract, addressBytes(contract)) !== 0
    )
      throw new UserError(`${providerName(offer)} is paid on another chain (${payment?.chainId ?? 'none'})`, {
        code: 'DENIED',
        remedy: 'choose another provider, or set chain.rpcUrls to that chain',
      })
    const payee = addressOfPublicKey(offer.publicKey)
    return this.#wait.during(() => channels.ready(payee, priceWei, payment, signal))
  }

  /** Whether a channel with a provider was opened or topped up a moment ago. */
  async isFresh({ publicKey }: Offer): Promise<boolean> {
    const payments = await this.#payments?.catch(() => undefined)
    return payments?.channels.isFresh(addressOfPublicKey(publicKey)) === true
  }

  /** It refused a job that is paid: as `Channels.doubt`. */
  async doubt({ publicKey }: Offer): Promise<void> {
    await this.#opened?.channels.doubt(addressOfPublicKey(publicKey))
  }

  /** As `Channels.giveUp`. @throws chain errors */
  async giveUp({ publicKey }: Offer, reason: string): Promise<void> {
    await this.#opened?.channels.giveUp(addressOfPublicKey(publicKey), reason)
  }

  /** Gives up the channel with a provider, where there is one. @throws chain errors */
  async leave({ publicKey }: Offer): Promise<void> {
    const payments = await this.#payments?.catch(() => undefined)
    const payee = addressOfPublicKey(publicKey)
    if (payments?.channels.known(payee) === undefined) return
    await payments.channels.leave(payee)
  }
}
