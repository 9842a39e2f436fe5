/** `doctor` for who sells, or audits who sells: whether there is something to sell, and a chain on which it is paid. */
import {
  type Chain,
  type ChainConnection,
  chainReason,
  channelsContract,
  connectChain,
  connectionOf,
  findDeployment,
  formatEther,
  gweiToWei,
  marketFees,
  withDeployment,
} from '../chain/index.js'
import { expandPath } from '../config/paths.js'
import type { Config } from '../config/schema.js'
import type { Identity } from '../crypto/identity.js'
import { redemptionGas } from '../inference/payment/index.js'
import { type PriceList, priceList, requireSellable } from '../inference/provider/price-list.js'
import type { Logger } from '../telemetry/logger.js'
import { type Finding, messageOf, ok, problem, remedyOf, skipped } from './finding.js'
import { openSoldModels } from './inference/sold-models.js'

interface Checked {
  readonly config: Config
  readonly identity?: Identity
  readonly log: Logger
}

/** Whether this configuration is a provider's. */
export const sells = ({ roles, inference: { provider } }: Config): boolean =>
  roles.includes('provider') || provider.models.length + provider.upstream.models.length > 0

/** Whether this configuration is an auditor's. */
export const audits = ({ roles }: Config): boolean => roles.includes('auditor')

const CORRECT_IT = 'correct it in the configuration'

export async function* checkProvider(checked: Checked): AsyncIterable<Finding> {
  const { models, upstream } = checked.config.inference.provider
  let prices: PriceList
  try {
    prices = priceList([...models, ...upstream.models])
  } catch (error) {
    yield problem('models', messageOf(error), remedyOf(error) ?? CORRECT_IT)
    return
  }
  if (prices.names.length === 0) {
    yield problem('models', 'nothing is for sale', 'set inference.provider.models, or give provider --sell')
    return
  }
  for (const name of priceList(models).names) yield await modelFinding(checked, name, prices.priceOf(name))
  if (prices.isFree) yield skipped('chain', 'nothing of what is offered costs anything')
  else yield* checkPayment(checked, 'set chain.rpcUrls, or ask for 0 wei')
}

/** An auditor reads the channels' events, and sends nothing. */
export const checkAuditor = (checked: Checked): AsyncIterable<Finding> =>
  checkPayment(checked, 'set chain.rpcUrls: an auditor audits those who sell on a chain', false)

/** In the catalogue, allowed to be sold, and small enough for this machine. */
async function modelFinding({ config, log }: Checked, name: string, priceWei: bigint): Promise<Finding> {
  const check = `model ${name}`
  try {
    const jobs = await openSoldModels(config, [name], log)
    try {
      const [model] = await jobs.models()
      if (model === undefined)
        return problem(check, 'no job can be sent to it', 'sell another one: plumbline models list')
      requireSellable(model, priceWei, config.inference.provider.nonCommercial)
      await jobs.requireRoom()
      const price = priceWei === 0n ? 'for nothing' : `for ${formatEther(priceWei)}`
      return ok(check, `is there, fits into memory, and is offered ${price} per ${model.unit}`)
    } finally {
      await jobs.close()
    }
  } catch (error) {
    return problem(check, messageOf(error), remedyOf(error) ?? CORRECT_IT)
  }
}

async function* checkPayment(
  { config, identity, log }: Checked,
  withoutChain: string,
  redeems = true,
): AsyncIterable<Finding> {
  const { addresses, ...settings } = config.chain
  let connection: ChainConnection
  try {
    connection = await connectChain(connectionOf(settings, { dataDir: config.dataDir, log }))
  } catch (error) {
    yield problem('chain', chainReason(error), remedyOf(error) ?? withoutChain)
    return
  }
  try {
    const { chainId } = connection
    yield ok('chain', `chain ${chainId} answers`)
    const deployment = await findDeployment({
      path: addresses === undefined ? undefined : expandPath(addresses),
      dataDir: config.dataDir,
      chainId,
    })
    const chain = await withDeployment(connection, deployment)
    yield ok('contracts', `payment channels are at ${channelsContract(chain)}`)
    if (redeems) yield await gasFinding(chain, config, identity)
  } catch (error) {
    yield problem('contracts', chainReason(error), remedyOf(error) ?? 'check chain.addresses')
  } finally {
    await connection.close()
  }
}

/** Whoever earns in vouchers pays for the transaction that turns them into money. */
async function gasFinding(chain: Chain, config: Config, identity: Identity | undefined): Promise<Finding> {
  if (identity === undefined) return skipped('gas', 'needs the key: give its passphrase')
  const { address } = identity
  const { maxFeePerGasGwei } = config.chain
  try {
    const cap = maxFeePerGasGwei === undefined ? undefined : gweiToWei(maxFeePerGasGwei)
    const [{ maxFeePerGas }, haveWei] = await Promise.all([
      marketFees(chain.client, cap),
      chain.client.getBalance({ address }),
    ])
    const needWei = redemptionGas(1) * maxFeePerGas
    const amounts = `have ${formatEther(haveWei)}, need ${formatEther(needWei, 'up')}`
    return haveWei >= needWei
      ? ok('gas', `${amounts} to redeem a voucher at today's price`)
      : problem('gas', `not enough to redeem a voucher at ${address}: ${amounts}`, `send ether to ${address}`)
  } catch (error) {
    return problem('gas', chainReason(error), remedyOf(error) ?? 'look again later')
  }
}
