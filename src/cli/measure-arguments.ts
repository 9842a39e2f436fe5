/** What was typed after `measure`, read and checked before anything is asked of anybody. */
import { relative } from 'node:path'
import { UserError } from '../errors.js'
import { MILLION } from '../pob/constants.js'
import { badArgument, quoted } from './option.js'
import { parseBytes, parseDuration } from './quantity.js'

/** When to measure again, and how much data a month may take. */
export function scheduleOf(args: {
  readonly every: string | undefined
  readonly runs: number | undefined
  readonly dataCap: string | undefined
}) {
  if (args.runs !== undefined && args.every === undefined)
    throw badArgument('--runs belongs to --every', 'give --every, or leave it out')
  return {
    everyMs: args.every === undefined ? undefined : parseDuration(args.every, '--every'),
    capBytes: args.dataCap === undefined ? undefined : parseBytes(args.dataCap, '--data-cap'),
    runs: args.runs,
  }
}

/** Money and addresses as typed, read before anything is asked of anybody. */
export async function paymentOf(args: {
  readonly slotFee: string | undefined
  readonly maxPrice: string | undefined
  readonly refundTo: string | undefined
}) {
  const { parseAmount } = await import('../chain/ether.js')
  const { parseAddress } = await import('../crypto/address.js')
  return {
    ...(args.slotFee === undefined ? {} : { slotFeeWei: parseAmount(args.slotFee) }),
    ...(args.maxPrice === undefined ? {} : { maxPriceWei: parseAmount(args.maxPrice) }),
    ...(args.refundTo === undefined ? {} : { refundTo: parseAddress(args.refundTo) }),
  }
}

export const millionths = (share: number): number => Math.round(share * MILLION)

/** A peer id, or a multiaddr that ends with one; said before anything is asked of the network. */
export async function checkTarget(target: string): Promise<string> {
  const { publicKeyOfPeerId } = await import('../crypto/peer-id.js')
  const named = target.startsWith('/') ? /\/p2p\/([^/]+)$/.exec(target)?.[1] : target
  if (named === undefined)
    throw badArgument(`${target} names no peer`, 'end it with /p2p/ and the peer id of the prover')
  try {
    publicKeyOfPeerId(named)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    throw badArgument(
      `<peer>: ${quoted(named)} is no peer id (mistyped?)`,
      'copy it from what "plumbline status" prints on the prover: it starts with 16Uiu2',
    )
  }
  if (target.startsWith('/')) {
    const { multiaddr } = await import('@multiformats/multiaddr')
    try {
      multiaddr(target)
    } catch {
      throw badArgument(`${target} is no multiaddr`, 'write it like /ip4/203.0.113.7/tcp/4021/p2p/16Uiu2...')
    }
  }
  return target
}

/** The command that finds the same registry and beacon again, ready to be copied. */
export function verifyCommandFor(
  path: string,
  args: {
    readonly registry: string | undefined
    readonly dataDir: string | undefined
    readonly config: string | undefined
  },
  command: 'verify' | 'verify --joint' = 'verify',
): string {
  const near = relative('', path)
  const flags = [
    ['--registry', args.registry],
    ['--data-dir', args.dataDir],
    ['--config', args.config],
  ].flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${shellQuoted(value)}`]))
  return [`plumbline ${command}`, shellQuoted(near.startsWith('..') ? path : near), ...flags].join(' ')
}

function shellQuoted(text: string): string {
  return /^[\w./:@~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
