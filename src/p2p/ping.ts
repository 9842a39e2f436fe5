/**
 * Round-trip times on a monotonic clock, over one stream: 32 random bytes come back. A protocol of our own, because
 * libp2p's allows one stream at a time and times with the wall clock.
 */
import { randomBytes } from 'node:crypto'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { UserError } from '../errors.js'
import { shortPeer } from './answer.js'
import { orAbort, withDeadline } from './deadline.js'
import { openStream } from './open-stream.js'
import { PING_PROTOCOL } from './protocols.js'
import type { ResolvedTarget } from './target.js'

const PING_BYTES = 32
/** A stream is for one measurement, not for traffic. */
const MAX_PINGS = 64
const SERVE_DEADLINE_MS = 30_000
const ASK_DEADLINE_MS = 10_000
const MAX_STREAMS = 4

export interface PingOptions {
  /** 1..64, default 3; the first of a stream may include what the path sets up. */
  readonly count?: number
  readonly signal?: AbortSignal
  readonly deadlineMs?: number
}

type Chunk = Uint8Array | { subarray(): Uint8Array }

export async function servePings(node: Libp2p, stopping: AbortSignal): Promise<void> {
  await node.handle(PING_PROTOCOL, (stream: Stream, _: Connection) => echo(stream, stopping), {
    runOnLimitedConnection: true,
    maxInboundStreams: MAX_STREAMS,
    maxOutboundStreams: MAX_STREAMS,
  })
}

async function echo(stream: Stream, stopping: AbortSignal): Promise<void> {
  let left = MAX_PINGS * PING_BYTES
  stream.maxReadBufferLength = left
  try {
    await withDeadline(SERVE_DEADLINE_MS, [stopping], (signal) => {
      const ended = new Promise<void>((resolve, reject) => {
        stream.addEventListener('message', (event: { readonly data: Chunk }) => {
          const bytes = event.data.subarray()
          left -= bytes.length
          try {
            if (left < 0) reject(new Error('too many pings'))
            else stream.send(bytes)
          } catch (error) {
            reject(error)
          }
        })
        stream.addEventListener('end', () => resolve())
        stream.addEventListener('close', () => resolve())
        if (stream.readableEnded) resolve()
      })
      return orAbort(signal, ended).then(() => stream.close({ signal }))
    })
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error('ping failed'))
  }
}

/**
 * Round-trip times in milliseconds, in order.
 * @throws UserError UNREACHABLE or TIMEOUT
 */
export async function ping(
  node: Libp2p,
  target: ResolvedTarget,
  options: PingOptions = {},
): Promise<readonly number[]> {
  const count = Math.min(MAX_PINGS, Math.max(1, options.count ?? 3))
  let stream: Stream | undefined
  try {
    return await withDeadline(options.deadlineMs ?? ASK_DEADLINE_MS, [options.signal], async (signal) => {
      stream = await openStream(node, target, PING_PROTOCOL, signal)
      const times: number[] = []
      for (let i = 0; i < count; i++) times.push(await echoOnce(stream, signal))
      await stream.close({ signal })
      return times
    })
  } catch (cause) {
    if (options.signal?.aborted || cause instanceof UserError) throw cause
    const timedOut = cause instanceof Error && cause.name === 'DeadlineError'
    throw new UserError(`${shortPeer(target.peerId.toString())} does not answer pings`, {
      code: timedOut ? 'TIMEOUT' : 'UNREACHABLE',
      remedy: 'check that it runs and that its address can be dialled ("plumbline doctor")',
      cause,
    })
  } finally {
    stream?.abort(new Error('ping over'))
  }
}

/** Sends 32 bytes and awaits them back; round-trip time in milliseconds. */
export async function echoOnce(stream: Stream, signal: AbortSignal): Promise<number> {
  const sent = randomBytes(PING_BYTES)
  const received: number[] = []
  let stop = (): void => {}
  const back = new Promise<number>((resolve, reject) => {
    const onMessage = (event: { readonly data: Chunk }): void => {
      const at = performance.now()
      received.push(...event.data.subarray().subarray(0, PING_BYTES + 1))
      if (received.length < PING_BYTES) return
      if (received.length === PING_BYTES && received.every((byte, i) => byte === sent[i])) resolve(at)
      else reject(new Error('the ping came back changed'))
    }
    const onClose = (): void => reject(new Error('the stream ended'))
    stream.addEventListener('message', onMessage)
    stream.addEventListener('close', onClose)
    stop = () => {
      stream.removeEventListener('message', onMessage)
      stream.removeEventListener('close', onClose)
    }
  })
  const start = performance.now()
  stream.send(sent)
  return (await orAbort(signal, back).finally(stop)) - start
}
