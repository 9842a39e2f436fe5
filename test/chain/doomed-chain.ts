/** Starts a local chain, says where, and waits to be killed. */
import '../../src/node/polyfills.js'
import { startAnvil } from '../../src/chain/anvil.js'

const { url } = await startAnvil()
process.stdout.write(`${url}\n`)
setInterval(() => {}, 1_000_000)
