/**
 * The real command line, killed with SIGKILL at an exact place of a challenge: PLUMBLINE_TEST_DOOM names an exchange and
 * `when`: `handle` (it was handled, whatever it locks is on disk, the answer never leaves), `begin` (`afterMs` after it
 * came in) or `ask` (this node asked, and was answered).
 */
import '../../dist/node/polyfills.js'
import { Host } from '../../dist/p2p/host.js'

const { when, exchange, afterMs = 0 } = JSON.parse(process.env.PLUMBLINE_TEST_DOOM ?? '{}')
const die = () => process.kill(process.pid, 'SIGKILL')
const { handle, request } = Host.prototype

Host.prototype.handle = function doomedHandle(described, handler, options) {
  if (described.name !== exchange || when === 'ask') return handle.call(this, described, handler, options)
  const doomed = async (...args) => {
    if (when === 'begin') setTimeout(die, afterMs)
    const answer = await handler(...args)
    if (when === 'handle') die()
    return answer
  }
  return handle.call(this, described, doomed, options)
}

Host.prototype.request = async function doomedRequest(peer, described, ...rest) {
  const answer = await request.call(this, peer, described, ...rest)
  if (when === 'ask' && described.name === exchange) die()
  return answer
}

await import('../../dist/cli/main.js')
