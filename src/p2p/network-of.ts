/** Where a peer comes from: keys cost nothing, networks do. */
import { isHostLiteral, prefixOf } from '../pob/prefix.js'
import type { Remote } from './serve.js'

/** The /24 or /48 of its address, through a relay the relay's; one and the same for all who have no address. */
export function networkOf({ address }: Pick<Remote, 'address'>): string {
  const [, , host = ''] = address.split('/')
  return isHostLiteral(host) ? prefixOf(host) : ''
}
