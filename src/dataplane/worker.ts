/**
 * Entry point of a plane's worker thread: opens the socket with the backend asked for (or the best there is), builds
 * the engine of its role, and runs the loop that fits the backend.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { fastCrypto } from '../crypto/fast/index.js'
import { UserError } from '../errors.js'
import { type Collector, threadCollector } from './collector.js'
import { runDgramLoop } from './dgram-loop.js'
import { DgramTransport } from './dgram-transport.js'
import { MemberEngine } from './member/engine.js'
import { type PlaneEvent, toWireError, type WorkerMessage, type WorkerStart } from './messages.js'
import { runNativeLoop } from './native/loop.js'
import { NativeTransport } from './native/transport.js'
import { ProverEngine } from './prover/engine.js'
import type { Engine, LoopMeter, Outbox, Transport } from './transport.js'
import { warmUp } from './warm-up.js'

const NO_WAKE_FD = -1

async function main(port: MessagePort, start: WorkerStart): Promise<void> {
  const post = (message: WorkerMessage): void => port.postMessage(message)
  const outbox: Outbox = {
    reply: (id, value) => post({ kind: 'reply', id, value }),
    fail: (id, error) => post({ kind: 'error', id, error: toWireError(error) }),
    event: (event) => post({ kind: 'event', event: event as PlaneEvent }),
  }
  let transport: NativeTransport | DgramTransport
  try {
    transport = await open(start)
  } catch (error) {
    post({ kind: 'failed', error: toWireError(error) })
    return
  }
  const collector = threadCollector()
  warmUp(fastCrypto().crypto, collector)
  const engine = buildEngine(start, { transport, meter: transport, outbox, collector })
  const wakeFd = transport instanceof NativeTransport ? transport.wakeFd : NO_WAKE_FD
  post({ kind: 'ready', backend: transport.info, endpoint: transport.endpoint, wakeFd })
  if (transport instanceof NativeTransport)
    runNativeLoop(transport, engine, port, new Int32Array(start.control))
  else await runDgramLoop(transport, engine, port)
  transport.close()
  port.close()
}

async function open(start: WorkerStart): Promise<NativeTransport | DgramTransport> {
  const { backend, host, port } = start.options
  const options = { host, port, receivesTrains: start.role === 'prover' }
  let reason = 'asked for'
  if (backend !== 'dgram') {
    try {
      return new NativeTransport(options)
    } catch (error) {
      if (error instanceof UserError) throw error
      reason = error instanceof Error ? error.message : String(error)
      if (backend === 'native')
        throw new UserError(`the native data plane cannot run here: ${reason}`, {
          code: 'UNAVAILABLE',
          remedy: 'choose the backend "dgram" or "auto"',
        })
    }
  }
  return DgramTransport.open(options, reason)
}

interface Parts {
  readonly transport: Transport
  readonly meter: LoopMeter
  readonly outbox: Outbox
  readonly collector: Collector
}

function buildEngine(start: WorkerStart, parts: Parts): Engine {
  const { crypto } = fastCrypto()
  return start.role === 'member'
    ? new MemberEngine({ ...parts, crypto })
    : new ProverEngine({ ...parts, crypto })
}

if (parentPort === null) throw new Error('this file is a worker')
await main(parentPort, workerData as WorkerStart)
