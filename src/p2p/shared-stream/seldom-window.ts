/**
 * Yamux gives the sender back what it has read after every frame: for small messages that is a segment of its own, which wakes
 * the peer, beside each of them. On a stream of small messages half a window is time enough.
 */
import type { Stream } from '@libp2p/interface'

/** What a stream of `@libp2p/yamux` has besides its interface. */
interface WindowedStream {
  /** Bytes that the peer may send when nothing is on its way. */
  readonly recvWindow: number
  /** What is left of it. */
  readonly recvWindowCapacity: number
  sendWindowUpdate(): void
}

/** A stream of another muxer stays as it is. */
export function giveBackSeldom(stream: Stream): void {
  const inner = stream as Stream & Partial<WindowedStream>
  const { sendWindowUpdate } = inner
  if (typeof sendWindowUpdate !== 'function') return
  let isFirst = true
  inner.sendWindowUpdate = () => {
    const { recvWindow = 0, recvWindowCapacity = 0 } = inner
    // The first one accepts the stream.
    if (!isFirst && recvWindowCapacity * 2 > recvWindow) return
    isFirst = false
    sendWindowUpdate.call(stream)
  }
}
