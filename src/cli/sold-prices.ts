/** What a provider sells, with its prices, for the person who starts it. */
import type { Config } from '../config/schema.js'
import { UserError } from '../errors.js'
import { printable } from './format.js'

export interface SoldPrice {
  readonly name: string
  readonly priceWeiPerUnit: bigint
  /** Null for a model of a server behind it: that may have a unit of its own. */
  readonly unit: string | null
}

/**
 * What can never be sold, since a unit costs more than a client may come to owe: refused where it was asked for now; where the
 * configuration says it, perhaps since long, that keeps the other models from nobody.
 * @throws UserError BAD_CONFIG for such a price, or a model that is named twice
 */
export async function requireSaleable(
  { inference }: Config,
  { isAskedNow, warn }: { readonly isAskedNow: boolean; readonly warn: (line: string) => void },
): Promise<void> {
  const { parseAmount } = await import('../chain/ether.js')
  const { priceList, requireOwable } = await import('../inference/provider/price-list.js')
  const { models, upstream, clientExposure } = inference.provider
  const prices = priceList([...models, ...upstream.models])
  try {
    requireOwable(prices, parseAmount(clientExposure))
  } catch (error) {
    if (isAskedNow || !(error instanceof UserError)) throw error
    warn(error.line)
  }
}

/** Of a configuration with which a provider has started. */
export async function soldPrices({ dataDir, inference }: Config): Promise<readonly SoldPrice[]> {
  const { priceList } = await import('../inference/provider/price-list.js')
  const { Catalogue } = await import('../inference/catalogue/catalogue.js')
  const { embedsFrom } = await import('../inference/catalogue/card.js')
  const { unitOf } = await import('../inference/units.js')
  const { models, upstream } = inference.provider
  const catalogue = await Catalogue.open(dataDir)
  const own = priceList(models)
  const others = priceList(upstream.models)
  return [
    ...own.names.map((name) => {
      const card = catalogue.get(name)
      const unit = unitOf(card.task, card.task === 'embed' ? embedsFrom(card) : undefined)
      return { name, priceWeiPerUnit: own.priceOf(name), unit }
    }),
    ...others.names.map((name) => ({ name, priceWeiPerUnit: others.priceOf(name), unit: null })),
  ]
}

/** `asr-small at 0.000002 ETH an audio-second` @param etherText an amount as people read it */
export function soldText(
  { name, priceWeiPerUnit, unit }: SoldPrice,
  etherText: (wei: bigint) => string,
): string {
  if (priceWeiPerUnit === 0n) return `${printable(name)} for nothing`
  const counted =
    unit === null ? 'a unit' : unit === '1000-characters' ? 'for 1,000 characters' : `an ${unit}`
  return `${printable(name)} at ${etherText(priceWeiPerUnit)} ${counted}`
}
