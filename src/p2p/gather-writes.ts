/**
 * What is sent in one turn of the event loop goes to the socket in one system call. Noise writes a length of two bytes and then
 * the bytes, yamux a head of twelve before its data, each by itself; with Nagle's delay off each is a segment of its own that
 * wakes the peer. Of the writes of a paid job this leaves a third.
 */
import { Socket } from 'node:net'
import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface'

/** An encrypter that gathers what it writes. */
export function gatheringWrites<C>(make: (components: C) => ConnectionEncrypter): typeof make {
  return (components) => {
    const encrypter = make(components)
    const { secureInbound, secureOutbound } = encrypter
    encrypter.secureInbound = (connection, options) =>
      secureInbound.call(encrypter, gathering(connection), options)
    encrypter.secureOutbound = (connection, options) =>
      secureOutbound.call(encrypter, gathering(connection), options)
    return encrypter
  }
}

/** What libp2p's TCP connections have besides their interface. */
interface SocketConnection {
  readonly socket: Socket
  sendData(data: unknown): unknown
}

/** The same connection; one that shows no socket, such as one through a relay, stays as it is. */
function gathering<S extends MessageStream>(connection: S): S {
  const inner = connection as S & Partial<SocketConnection>
  const { socket, sendData } = inner
  if (!(socket instanceof Socket) || typeof sendData !== 'function') return connection
  let isGathering = false
  inner.sendData = (data) => {
    if (!isGathering) {
      isGathering = true
      socket.cork()
      process.nextTick(() => {
        isGathering = false
        socket.uncork()
      })
    }
    return sendData.call(connection, data)
  }
  return connection
}
