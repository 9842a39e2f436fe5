/**
 * A process that sends one transaction and is killed with SIGKILL right before or right after it goes out:
 * `node --import tsx doomed-sender.ts '{"url", "directory", "secret", "to", "intent", "when"}'`.
 */
import '../../src/node/polyfills.js'
import { hexToBytes } from 'viem'
import { connectChain } from '../../src/chain/chain.js'
import { RpcPool } from '../../src/chain/rpc-pool.js'
import { Identity } from '../../src/crypto/identity.js'
import { openStore } from '../../src/store/index.js'

const { url, directory, secret, to, intent, when } = JSON.parse(process.argv[2] ?? '{}')
const { request } = RpcPool.prototype
RpcPool.prototype.request = async function doomed(args) {
  if (args.method !== 'eth_sendRawTransaction') return request.call(this, args)
  if (when === 'after') await request.call(this, args)
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => {})
}
const identity = Identity.fromSecret(hexToBytes(secret))
const store = await openStore(directory)
const chain = await connectChain({ rpcUrls: [url], identity, store })
await chain.queue?.submit({ to, data: '0x', valueWei: 5n, what: 'paying', intent })
