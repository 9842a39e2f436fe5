/** Asks whoever measures on a chain whether the price is all right. */
import type { PriceQuote } from '../node/measure.js'
import type { CommandIo } from './io.js'
import type { Progress } from './progress.js'
import { confirm } from './prompt.js'

/** The price, and whether it is to be paid. */
export async function askPrice(price: PriceQuote, progress: Progress, io: CommandIo): Promise<boolean> {
  const { formatEther } = await import('../chain/ether.js')
  progress.stop()
  const fee = formatEther(price.feeWei)
  const gas = formatEther(price.gasFeeWei)
  const have = formatEther(price.haveWei)
  io.stderr.write(`The members get ${fee}, gas may come to ${gas}; you have ${have}.\n`)
  return confirm(io, 'Pay it?')
}
