/** The entry of a service's worker thread. */
import { parentPort } from 'node:worker_threads'
import { type HostMessage, ServiceRunner } from './service.js'

const port = parentPort
if (port === null) throw new Error('worker-main runs in a worker')
const runner = new ServiceRunner(
  (message) => port.postMessage(message),
  () => port.close(),
)
port.on('message', (message: HostMessage) => runner.receive(message))
