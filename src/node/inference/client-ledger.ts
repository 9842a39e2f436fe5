/** Where a client keeps its payments: apart from the node's store, which the daemon may hold. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Address } from '../../crypto/address.js'
import { UserError } from '../../errors.js'
import { openStore, type Store } from '../../store/index.js'

export function clientLedger(dataDir: string, address: Address): string {
  return join(dataDir, 'chain', `client-${address}`)
}

/** @returns undefined where this key never paid for anything @throws UserError LOCKED while a client of this key runs */
export async function openClientLedger(dataDir: string, address: Address): Promise<Store | undefined> {
  const directory = clientLedger(dataDir, address)
  if (!existsSync(directory)) return undefined
  return openLedger(directory, 'stop it first; while it runs it takes back by itself what is over')
}

/**
 * Another data directory, which is what a locked store is told otherwise, has neither the key nor the money.
 * @param remedy where a client of this key runs
 * @throws UserError LOCKED
 */
export async function openLedger(directory: string, remedy: string): Promise<Store> {
  try {
    return await openStore(directory)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    if (error.details.isDamaged === true) throw damaged(error)
    if (error.code !== 'LOCKED') throw error
    throw new UserError('a gateway, or a command that buys with this key, is running and has its channels', {
      code: 'LOCKED',
      remedy,
      cause: error,
    })
  }
}

/** The money is on the chain, whatever becomes of the ledger. */
function damaged({ message, code, remedy, details, cause }: UserError): UserError {
  return new UserError(message, {
    code,
    remedy:
      `${remedy}; what lies in channels comes back by "plumbline channels close <provider's address>", ` +
      'once for each provider that was paid, and again when the channel is over',
    details,
    cause,
  })
}
