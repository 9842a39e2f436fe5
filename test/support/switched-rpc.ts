/** An RPC server that can be cut off: a relay on loopback in front of a real one. */
import { connect, createServer, type Server, type Socket } from 'node:net'

export class SwitchedRpc {
  readonly #sockets = new Set<Socket>()
  #isUp = true

  private constructor(
    readonly url: string,
    readonly server: Server,
  ) {}

  static async create(target: string): Promise<SwitchedRpc> {
    const { hostname, port } = new URL(target)
    let relay: SwitchedRpc | undefined
    const server = createServer((socket) => {
      if (relay === undefined || !relay.#isUp) return socket.destroy()
      const sockets = relay.#sockets
      const upstream = connect(Number(port), hostname)
      for (const [from, to] of [
        [socket, upstream],
        [upstream, socket],
      ] as const) {
        sockets.add(from)
        from.on('error', () => to.destroy())
        from.on('close', () => {
          sockets.delete(from)
          to.destroy()
        })
        from.pipe(to)
      }
      return socket
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('the relay has no port')
    relay = new SwitchedRpc(`http://127.0.0.1:${address.port}`, server)
    return relay
  }

  down(): void {
    this.#isUp = false
    for (const socket of this.#sockets) socket.destroy()
  }

  up(): void {
    this.#isUp = true
  }

  async close(): Promise<void> {
    this.down()
    await new Promise((resolve) => this.server.close(resolve))
  }
}
