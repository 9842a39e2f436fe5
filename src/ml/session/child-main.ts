/** The entry of a service's child process. */
import { IdleCollection } from './idle-collection.js'
import { type HostMessage, ServiceRunner } from './service.js'

const collection = new IdleCollection()
const runner = new ServiceRunner(
  (message) => {
    process.send?.(message)
    if (message.kind !== 'part') collection.idle()
  },
  () => process.exit(0),
)
process.on('message', (message) => {
  collection.busy()
  runner.receive(message as HostMessage)
})
// The daemon is gone: nobody wants the answers.
process.on('disconnect', () => process.exit(0))
// Ctrl-C goes to the whole terminal; the daemon decides when its services end.
process.on('SIGINT', () => undefined)
