import { connect, createServer, type Socket } from 'node:net'
import type { Libp2p } from '@libp2p/interface'
import { afterEach, describe, expect, it } from 'vitest'
import type { Host } from '../../../src/p2p/index.js'
import { Liveness } from '../../../src/p2p/liveness.js'
import { addressOf, eventually, startHost } from './hosts.js'

/** Every check falls due at once: the tests wait for counts, not for the half minute of a daemon. */
const QUICK = { intervalMs: 50, deadlineMs: 300, tickMs: 10 }

const cleanUp: (() => void)[] = []
afterEach(() => {
  for (const each of cleanUp.splice(0)) each()
})

/** The libp2p inside; hosts do not show it. */
const nodeOf = (host: Host): Libp2p => (host as unknown as { readonly node: Libp2p }).node

/** A second watch over a host's connections, impatient; counts what it ended. */
function watch(host: Host): { readonly ended: string[] } {
  const ended: string[] = []
  const stopping = new AbortController()
  const liveness = new Liveness(
    {
      connections: () => nodeOf(host).getConnections(),
      now: () => performance.now(),
      onDead: ({ remotePeer }) => ended.push(remotePeer.toString()),
      stopping: stopping.signal,
    },
    QUICK,
  )
  cleanUp.push(() => {
    liveness.stop()
    stopping.abort(new Error('the test is over'))
  })
  return { ended }
}

/** A TCP line that can be cut without a word, as a NAT does that forgets: both ends stay open, nothing passes. */
async function line(toPort: number): Promise<{ readonly port: number; cut(): void }> {
  const sockets: Socket[] = []
  const server = createServer((near) => {
    const far = connect(toPort, '127.0.0.1')
    sockets.push(near, far)
    near.pipe(far)
    far.pipe(near)
    for (const socket of [near, far]) socket.on('error', () => {})
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUp.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    cut: () => {
      for (const socket of sockets) {
        socket.unpipe()
        socket.pause()
      }
    },
  }
}

describe('liveness', () => {
  it('ends a connection whose line fell silent, and leaves the others', async () => {
    const [client, far, near] = [await startHost({ listen: [] }), await startHost(), await startHost()]
    const port = Number(/tcp\/(\d+)/.exec(addressOf(far))?.[1])
    const cable = await line(port)
    await client.connect(`/ip4/127.0.0.1/tcp/${cable.port}/p2p/${far.peerId}`)
    await client.connect(addressOf(near))
    const { ended } = watch(client)
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(ended).toEqual([])
    cable.cut()
    await eventually(() => !client.isConnected(far.peerId))
    expect(ended).toEqual([far.peerId])
    expect(client.isConnected(near.peerId)).toBe(true)
  })

  it('takes a refusal for a sign of life, and disturbs no pings', async () => {
    const [client, server] = [await startHost({ listen: [] }), await startHost()]
    await client.connect(addressOf(server))
    const { ended } = watch(client)
    for (let i = 0; i < 20; i++) expect(await client.ping(server.peerId, { count: 3 })).toHaveLength(3)
    await nodeOf(server).unhandle('/plumbline/ping/1')
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(ended).toEqual([])
    expect(client.isConnected(server.peerId)).toBe(true)
  })
})
