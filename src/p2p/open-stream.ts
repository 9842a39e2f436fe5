/** Opens a stream to a peer, over the connection that is there or a new one. */
import type { Libp2p, Stream } from '@libp2p/interface'
import type { ResolvedTarget } from './target.js'

/** What a connection that just died answers to a new stream; nothing of ours was sent yet, so trying again is safe. */
const STALE_ERRORS: ReadonlySet<string> = new Set([
  'ConnectionClosedError',
  'ConnectionClosingError',
  'MuxerClosedError',
  'MuxerUnavailableError',
  'StreamClosedError',
  'StreamResetError',
  'StreamStateError',
  'UnexpectedEOFError',
])

export async function openStream(
  node: Libp2p,
  { peerId, addresses }: ResolvedTarget,
  protocol: string,
  signal: AbortSignal,
): Promise<Stream> {
  const open = (): Promise<Stream> => {
    const target = addresses.length > 0 && node.getConnections(peerId).length === 0 ? [...addresses] : peerId
    // Relayed connections are limited ones; our control traffic fits the limits of our relays.
    return node.dialProtocol(target, protocol, { signal, runOnLimitedConnection: true })
  }
  try {
    return await open()
  } catch (error) {
    if (signal.aborted || !(error instanceof Error) || !STALE_ERRORS.has(error.name)) throw error
    return open()
  }
}
