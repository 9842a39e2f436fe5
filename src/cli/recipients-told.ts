/** Whom a person at the terminal was told of: each once, and what they ask for where it is more than before. */
import type { Recipient } from '../inference/client/recipient.js'

/** Recipients and models of one run that are remembered. */
const MOST_KNOWN = 1000

type Told = Pick<Recipient, 'provider' | 'model' | 'units' | 'priceWei'>

export class RecipientsTold {
  readonly #known = new Set<string>()
  /** The most that a unit of a model cost so far, wei. */
  readonly #prices = new Map<string, bigint>()

  /** Whether a provider is new. @param isPriced whether it is, too, at another price */
  isNews({ provider, model, priceWei }: Told, isPriced: boolean): boolean {
    const key = isPriced ? `${provider} ${model} ${priceWei}` : provider
    if (this.#known.has(key) || this.#known.size >= MOST_KNOWN) return false
    this.#known.add(key)
    return true
  }

  /** What a unit cost at most before, and costs now; undefined where that is no more. */
  risen({ model, units, priceWei }: Told): { readonly fromWei: bigint; readonly toWei: bigint } | undefined {
    if (units < 1) return undefined
    const toWei = priceWei / BigInt(Math.ceil(units))
    const fromWei = this.#prices.get(model)
    if (fromWei !== undefined && toWei <= fromWei) return undefined
    if (fromWei !== undefined || this.#prices.size < MOST_KNOWN) this.#prices.set(model, toWei)
    return fromWei === undefined ? undefined : { fromWei, toWei }
  }
}
