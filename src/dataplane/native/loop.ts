/**
 * The loop of a native plane: it blocks in ppoll, without a timer of its own, so an idle plane costs nothing; the
 * worker's event loop never runs. The main thread posts a message and then writes to the eventfd.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { nowMicros } from '../clock.js'
import { CLOSING, type RequestEnvelope } from '../messages.js'
import type { Engine } from '../transport.js'
import type { NativeTransport } from './transport.js'

/** Full batches taken in one go before timers are looked at: bounds what a flood can hold up. */
const BATCHES_A_TURN = 4

/** Runs until the engine is asked to close, or `control[0]` says that the process ends. */
export function runNativeLoop(
  transport: NativeTransport,
  engine: Engine,
  port: MessagePort,
  control: Int32Array,
): void {
  let woken = true
  let drained = true
  for (;;) {
    if (Atomics.load(control, 0) === CLOSING) return
    if (woken && !drain(engine, port)) return
    engine.tick(nowMicros())
    transport.setUrgent(engine.urgent())
    // What is known to lie in the kernel is not waited for.
    woken = drained
      ? transport.wait(engine.nextDueMicros() - nowMicros(), engine.wantsArrivals())
      : transport.wait(0, true)
    for (let i = 0; i < BATCHES_A_TURN; i++) {
      drained = transport.receive(engine)
      engine.afterReceive(drained)
      if (drained) break
    }
  }
}

/** False where one of the messages was the request to close. */
function drain(engine: Engine, port: MessagePort): boolean {
  for (;;) {
    const received = receiveMessageOnPort(port)
    if (received === undefined) return true
    const { id, request } = received.message as RequestEnvelope
    engine.onRequest(id, request)
    if (request.op === 'close') return false
  }
}
