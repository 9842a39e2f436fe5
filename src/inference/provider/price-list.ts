/** What a provider sells: models of the catalogue with their prices, and what their licences allow. */
import { formatEther, parseAmount } from '../../chain/ether.js'
import type { Config } from '../../config/schema.js'
import { UserError } from '../../errors.js'
import type { ServedModel } from '../job.js'

export interface PriceList {
  /** Names of the catalogue. */
  readonly names: readonly string[]
  /** @throws UserError NOT_FOUND for a model that is not on the list */
  priceOf(name: string): bigint
  readonly isFree: boolean
}

/** @throws UserError BAD_CONFIG for a model that is named twice */
export function priceList(models: Config['inference']['provider']['models']): PriceList {
  const prices = new Map<string, bigint>()
  for (const each of models) {
    const [name = '', amount = ''] = each.split('=')
    if (prices.has(name))
      throw new UserError(`inference.provider.models names ${name} twice`, {
        code: 'BAD_CONFIG',
        remedy: 'leave one out',
      })
    prices.set(name, parseAmount(amount))
  }
  return {
    names: [...prices.keys()],
    priceOf: (name) => {
      const price = prices.get(name)
      if (price === undefined) throw new UserError(`${name} is not for sale`, { code: 'NOT_FOUND' })
      return price
    },
    isFree: [...prices.values()].every((price) => price === 0n),
  }
}

/**
 * Jobs are paid for once they are done: a model of which one unit costs more than a client may owe is never sold.
 * @throws UserError BAD_CONFIG with have and need
 */
export function requireOwable({ names, priceOf }: PriceList, exposureWei: bigint): void {
  for (const name of names) {
    const priceWei = priceOf(name)
    if (priceWei <= exposureWei) continue
    throw new UserError(
      `${name} could never be sold, since a unit of it costs more than a client may owe: ` +
        `have ${formatEther(exposureWei)}, need ${formatEther(priceWei, 'up')}`,
      {
        code: 'BAD_CONFIG',
        remedy: 'lower its price, or raise inference.provider.clientExposure',
        exitStatus: 2,
      },
    )
  }
}

/** As Hugging Face's cards and people write it: cc-by-nc-4.0, CC BY-NC-SA, "non-commercial". */
export const isNonCommercial = (licence: string): boolean => /\bnc\b|non-?commercial/i.test(licence)

/**
 * Work of weights for non-commercial use is given away, but not sold, unless the operator says in words that it may be.
 * A model whose card is silent is the operator's own affair, and told. Nor is work on eight bits sold: what it decides
 * depends on the last bit of its sums, so that an auditor's machine would contradict an honest provider's.
 * @throws UserError DENIED
 */
export function requireSellable(
  { id, licence, precision }: Pick<ServedModel, 'id' | 'licence' | 'precision'>,
  priceWeiPerUnit: bigint,
  words: string | undefined,
): void {
  if (precision === 'int8' && priceWeiPerUnit > 0n)
    throw new UserError(`${id} is served on eight bits, and no auditor could check what it sells`, {
      code: 'DENIED',
      remedy:
        'set its price to 0 wei, or sell the model as it is in its files: plumbline models add without --int8',
    })
  if (priceWeiPerUnit === 0n || licence === null || !isNonCommercial(licence) || words !== undefined) return
  throw new UserError(`${id} is licensed as ${licence}: its work may not be sold`, {
    code: 'DENIED',
    remedy: `set its price to 0 wei, or, if you hold the right, set inference.provider.nonCommercial to the words of the template`,
  })
}
