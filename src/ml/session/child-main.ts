/** The entry of a service's child process. */
import { type HostMessage, ServiceRunner } from './service.js'

const runner = new ServiceRunner(
  (message) => {
    process.send?.(message)
  },
  () => process.exit(0),
)
process.on('message', (message) => runner.receive(message as HostMessage))
// The daemon is gone: nobody wants the answers.
process.on('disconnect', () => process.exit(0))
// Ctrl-C goes to the whole terminal; the daemon decides when its services end.
process.on('SIGINT', () => undefined)
