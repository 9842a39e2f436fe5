/**
 * The colluders' channel beside the measured link: a Unix socket, over which rushing challengers hand their seeds to the
 * prover before a slot. Namespaces share the file system, so it passes by the bottleneck.
 */
import { createConnection, createServer, type Server } from 'node:net'
import { createInterface } from 'node:readline'

export interface LeakedSeed {
  readonly challengeId: string
  readonly slot: number
  readonly attempt: number
  /** Hex of the member's public key. */
  readonly member: string
  readonly seed: string
}

/** Seeds kept; a laboratory run has some dozens. */
const MAX_LEAKS = 10_000

/** A challenger's end. Failures are of no consequence: the attack is then weaker. */
export function leak(path: string, seed: LeakedSeed): void {
  const socket = createConnection(path, () => socket.end(`${JSON.stringify(seed)}\n`))
  socket.on('error', () => socket.destroy())
}

/** The prover's end. */
export class SideChannel {
  readonly #leaks: LeakedSeed[] = []
  #server: Server | undefined

  async listen(path: string): Promise<void> {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy())
      createInterface({ input: socket }).on('line', (line) => {
        if (this.#leaks.length >= MAX_LEAKS) this.#leaks.shift()
        this.#leaks.push(JSON.parse(line) as LeakedSeed)
      })
    })
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
  }

  of(challengeId: string, slot: number, attempt: number): readonly LeakedSeed[] {
    return this.#leaks.filter(
      (each) => each.challengeId === challengeId && each.slot === slot && each.attempt === attempt,
    )
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) =>
      this.#server === undefined ? resolve() : this.#server.close(() => resolve()),
    )
  }
}
