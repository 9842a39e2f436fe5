/** Amounts of money for people: always with a unit, and have beside need. */
import { formatUnits, parseUnits } from 'viem/utils'
import { UserError } from '../errors.js'

/** Decimals of ether and of gwei, in wei. */
const ETHER_DECIMALS = 18
const GWEI_DECIMALS = 9
/** Six significant figures after the leading zeros: no sum of ours needs more, and nobody reads eighteen. */
const SHOWN_FIGURES = 6
/** No chain has 2^128 wei. */
const MAX_WEI = 2n ** 128n

/** `1.5 ETH`, `0.000578191 ETH`; exact where six figures suffice, otherwise cut, or rounded up where that is asked for. */
export function formatEther(wei: bigint, rounding: 'down' | 'up' = 'down'): string {
  const [whole = '0', fraction = ''] = formatUnits(wei, ETHER_DECIMALS).split('.')
  const zeros = whole === '0' ? (/^0*/.exec(fraction)?.[0].length ?? 0) : 0
  const decimals = Math.min(ETHER_DECIMALS, zeros + SHOWN_FIGURES)
  const unit = 10n ** BigInt(ETHER_DECIMALS - decimals)
  const shown = rounding === 'up' ? ((wei + unit - 1n) / unit) * unit : (wei / unit) * unit
  return `${formatUnits(shown, ETHER_DECIMALS)} ETH`
}

/** `12.5 gwei` */
export function formatGwei(wei: bigint): string {
  const [whole = '0', fraction = ''] = formatUnits(wei, GWEI_DECIMALS).split('.')
  const shown = fraction.slice(0, whole === '0' ? GWEI_DECIMALS : 3).replace(/0+$/, '')
  return `${whole}${shown === '' ? '' : `.${shown}`} gwei`
}

/**
 * Reads `1.5`, `1.5 ETH`, `1.5ether`, `20 gwei`, `1000 wei`; a bare number is ether.
 * @throws UserError BAD_ARGUMENT
 */
export function parseAmount(text: string): bigint {
  const match = /^(\d+(?:\.\d+)?)\s*(eth|ether|gwei|wei)?$/i.exec(text.trim())
  const unit = (match?.[2] ?? 'ether').toLowerCase()
  const decimals = unit === 'wei' ? 0 : unit === 'gwei' ? GWEI_DECIMALS : ETHER_DECIMALS
  const number = match?.[1] ?? ''
  if (number === '' || (number.split('.')[1] ?? '').length > decimals) throw badAmount(text)
  const wei = parseUnits(number, decimals)
  if (wei >= MAX_WEI) throw badAmount(text)
  return wei
}

function badAmount(text: string): UserError {
  return new UserError(`"${text.slice(0, 40)}" is no amount of money`, {
    code: 'BAD_ARGUMENT',
    remedy: 'write it like 0.5, 0.5 ETH, 20 gwei or 1000 wei',
    exitStatus: 2,
  })
}

/** A gas price in gwei as wei. */
export function gweiToWei(gwei: number): bigint {
  return BigInt(Math.round(gwei * 1e9))
}

/** The one way in which a lack of money is told. */
export function lackOfMoney(what: string, haveWei: bigint, needWei: bigint, remedy: string): UserError {
  return new UserError(`${what}: have ${formatEther(haveWei)}, need ${formatEther(needWei, 'up')}`, {
    code: 'DENIED',
    remedy,
    details: { haveWei: haveWei.toString(), needWei: needWei.toString() },
  })
}
