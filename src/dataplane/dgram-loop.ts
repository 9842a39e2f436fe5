/** The loop of a portable plane: Node's event loop, with timers of a millisecond and turns of it below that. */
import type { MessagePort } from 'node:worker_threads'
import { fastCrypto } from '../crypto/fast/index.js'
import { nowMicros } from './clock.js'
import type { DgramTransport } from './dgram-transport.js'
import type { RequestEnvelope } from './messages.js'
import type { Engine } from './transport.js'

/** Timers have whole milliseconds, 1 the least: moments nearer than this are met by turning the loop. */
const SPIN_MICROS = 300
const MAX_DATAGRAM_BYTES = 65536
/** setTimeout takes 31 bits. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/** Resolves once the engine was asked to close. */
export function runDgramLoop(transport: DgramTransport, engine: Engine, port: MessagePort): Promise<void> {
  return new Promise((resolve) => {
    const region = fastCrypto().crypto.allocate(MAX_DATAGRAM_BYTES)
    let timer: NodeJS.Timeout | undefined
    let turn: NodeJS.Immediate | undefined
    let received = false
    let closed = false

    const schedule = (): void => {
      if (closed) return
      clearTimeout(timer)
      timer = undefined
      const wait = engine.nextDueMicros() - nowMicros()
      if (wait <= SPIN_MICROS) turn ??= setImmediate(onTurn)
      else if (wait !== Number.POSITIVE_INFINITY)
        timer = setTimeout(onTurn, Math.min(Math.max(1, Math.floor(wait / 1000)), MAX_TIMEOUT_MS))
    }
    const onTurn = (): void => {
      turn = undefined
      if (closed) return
      // A turn without a datagram has found the socket empty; Node reads a few dozen a turn.
      const drained = !received
      received = false
      engine.afterReceive(drained)
      engine.tick(nowMicros())
      if (!drained) turn ??= setImmediate(onTurn)
      schedule()
    }

    transport.socket.on('message', (message, from) => {
      const arrival = nowMicros()
      transport.setSource(from)
      region.bytes.set(message)
      engine.onDatagram(region, 0, message.length, arrival, transport)
      received = true
      turn ??= setImmediate(onTurn)
    })
    port.on('message', ({ id, request }: RequestEnvelope) => {
      engine.onRequest(id, request)
      if (request.op === 'close') {
        closed = true
        clearTimeout(timer)
        clearImmediate(turn)
        // What was sent last leaves with the next turn.
        setImmediate(resolve)
        return
      }
      schedule()
    })
    schedule()
  })
}
