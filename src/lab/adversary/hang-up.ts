/** The TCP connections of a process, so that it can break them off under whoever waits for an answer. */
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

/** Collects every connection from now on; returns what resets them all. */
export function watchConnections(): () => void {
  const open = new Set<Socket>()
  const watch = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket }
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  }
  subscribe('net.server.socket', watch)
  subscribe('net.client.socket', watch)
  return () => {
    for (const socket of [...open]) if (socket.remoteAddress !== undefined) socket.resetAndDestroy()
  }
}
