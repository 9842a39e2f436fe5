import { once } from 'node:events'
import { createServer, Socket } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { gatheringWrites } from '../../../src/p2p/gather-writes.js'
import { addressOf, echo, startHost } from './hosts.js'

type Internals = { _write(data: Uint8Array, ...rest: unknown[]): void; _writev(parts: unknown[]): void }

afterEach(() => void vi.restoreAllMocks())

describe('what is sent in one turn', () => {
  it('leaves in one system call over real libp2p, no length without its bytes', async () => {
    const write = vi.spyOn(Socket.prototype as unknown as Internals, '_write')
    const writeAll = vi.spyOn(Socket.prototype as unknown as Internals, '_writev')
    const [server, client] = [await startHost(), await startHost()]
    await server.handle(echo, async (request) => request)
    for (const text of ['a', 'b'.repeat(4000)])
      expect(await client.request(addressOf(server), echo, text)).toBe(text)
    expect(writeAll.mock.calls.length).toBeGreaterThan(5)
    expect(write.mock.calls.filter(([data]) => data.length === 2)).toEqual([])
  })

  it('keeps its order, whatever comes between, and loses nothing at the end', async () => {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const received = once(server, 'connection').then(async ([peer]) => {
      const parts: Buffer[] = []
      for await (const part of peer as Socket) parts.push(part as Buffer)
      return Buffer.concat(parts).toString()
    })
    const socket = new Socket().connect(port, '127.0.0.1')
    await once(socket, 'connect')
    const connection = { socket, sendData: (data: string) => socket.write(data) }
    const encrypter = { secureOutbound: async () => ({}), secureInbound: async () => ({}) }
    const gathered = gatheringWrites(() => encrypter as never)({})
    await gathered.secureOutbound(connection as never)
    const writes = vi.spyOn(socket as unknown as Internals, '_writev')
    for (let i = 0; i < 10; i++) connection.sendData(`${i} `)
    await new Promise(setImmediate)
    expect(writes).toHaveBeenCalledTimes(1)
    connection.sendData('then ')
    await Promise.resolve()
    connection.sendData('the end')
    socket.end()
    expect(await received).toBe('0 1 2 3 4 5 6 7 8 9 then the end')
    server.close()
  })

  it('is left as it is where a connection shows no socket', async () => {
    const seen: unknown[] = []
    const secure = async (connection: unknown) => void seen.push(connection)
    const encrypter = gatheringWrites(() => ({ secureInbound: secure, secureOutbound: secure }) as never)({})
    const sendData = () => {}
    const [relayed, changed] = [{ sendData }, { socket: new Socket() }]
    await encrypter.secureInbound(relayed as never)
    await encrypter.secureInbound(changed as never)
    expect(seen).toEqual([relayed, changed])
    expect(relayed.sendData).toBe(sendData)
  })
})
