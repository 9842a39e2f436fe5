/** The registered node that a chain command is about. */
import type { Chain, NodeState } from '../chain/index.js'
import { dataPaths } from '../config/paths.js'
import type { Config } from '../config/schema.js'
import type { Address } from '../crypto/address.js'
import { UserError } from '../errors.js'

/** The hot key of --node, otherwise this node's own, read without its passphrase. */
export async function hotKeyOf(node: string | undefined, config: Config): Promise<Address> {
  if (node !== undefined) {
    const { parseAddress } = await import('../crypto/address.js')
    return parseAddress(node)
  }
  const { readKeyFileInfo } = await import('./key-file.js')
  const { address, path } = await readKeyFileInfo(dataPaths(config.dataDir).key)
  if (address !== undefined) return address
  throw new UserError(`${path} does not say its address`, {
    code: 'BAD_KEY',
    remedy: 'name the node with --node <address>',
  })
}

/** @throws UserError NOT_FOUND where the key is not registered */
export async function registeredNode(chain: Chain, hotKey: Address): Promise<NodeState> {
  const { readNode } = await import('../chain/index.js')
  const node = await readNode(chain, hotKey)
  if (node !== undefined) return node
  throw new UserError(`${hotKey} is not registered on chain ${chain.chainId}`, {
    code: 'NOT_FOUND',
    remedy: 'run "plumbline chain register" first',
  })
}

/** Where the node serves, as it was registered last: the registry only logs it. */
export async function registeredEndpoint(chain: Chain, hotKey: Address) {
  const { openSeatCache } = await import('../chain/index.js')
  const entry = (await openSeatCache(chain)).entryOf(hotKey)
  if (entry === undefined) throw new Error(`node ${hotKey} has no endpoint in the registry's events`)
  const { host, udpPort, uplinkKbps, addresses } = entry
  return { host, udpPort, uplinkKbps, addresses }
}
