/**
 * The colluders' channel beside the measured link: a Unix socket that the laboratory keeps, over which corrupt daemons
 * tell each other seeds, commitments and captured packets. Namespaces share the file system, so it passes by the
 * bottleneck. What they count there is how the laboratory learns what an attack has done.
 */
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** Facts kept, the oldest given up first; a run leaves some dozens. */
const MAX_FACTS = 20_000
/** Questions that wait for a fact at a time. */
const MAX_WAITING = 1000
/** A follower that reads slower than this misses what is cast meanwhile. */
const MAX_BACKLOG_BYTES = 4 * 2 ** 20

export type Fact = readonly [key: string, value: string]

/** One line of JSON each. */
type Message =
  | { readonly op: 'tell'; readonly key: string; readonly value: string }
  | { readonly op: 'ask'; readonly id: number; readonly key: string; readonly withinMs: number }
  | { readonly op: 'list'; readonly id: number; readonly prefix: string }
  | { readonly op: 'count'; readonly name: string; readonly by: number }
  | { readonly op: 'cast'; readonly value: string }
  | { readonly op: 'follow' }
type Answer =
  | { readonly id: number; readonly value?: string; readonly facts?: readonly Fact[] }
  | { readonly cast: string }

interface Waiting {
  readonly key: string
  answer(value: string | undefined): void
}

/** The laboratory's end. */
export class SideChannelHub {
  readonly #facts = new Map<string, string>()
  readonly #counts = new Map<string, number>()
  readonly #waiting = new Set<Waiting>()
  readonly #followers = new Set<Socket>()
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined

  async listen(path: string): Promise<void> {
    const server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.once('close', () => {
        this.#sockets.delete(socket)
        this.#followers.delete(socket)
      })
      const lines = createInterface({ input: socket })
      // It hands on its input's errors: a daemon that was killed is none of the laboratory's.
      lines.on('error', () => undefined)
      lines.on('line', (line) => this.#onMessage(socket, JSON.parse(line) as Message))
    })
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
  }

  /** What was counted under a name since {@link reset}. */
  count(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  counts(): ReadonlyMap<string, number> {
    return new Map(this.#counts)
  }

  tell(key: string, value: string): void {
    this.#tell(key, value)
  }

  list(prefix: string): readonly Fact[] {
    return [...this.#facts].filter(([key]) => key.startsWith(prefix))
  }

  /** Another attack begins. */
  clear(): void {
    this.#facts.clear()
    this.#counts.clear()
  }

  /** Counts begin anew; facts stay. */
  reset(): void {
    this.#counts.clear()
  }

  #onMessage(socket: Socket, message: Message): void {
    switch (message.op) {
      case 'tell':
        this.#tell(message.key, message.value)
        return
      case 'ask':
        this.#ask(socket, message)
        return
      case 'list':
        send(socket, { id: message.id, facts: this.list(message.prefix) })
        return
      case 'count':
        this.#counts.set(message.name, this.count(message.name) + message.by)
        return
      case 'cast':
        for (const follower of this.#followers)
          if (follower.writableLength < MAX_BACKLOG_BYTES) send(follower, { cast: message.value })
        return
      case 'follow':
        this.#followers.add(socket)
        return
    }
  }

  #tell(key: string, value: string): void {
    const [oldest] = this.#facts.keys()
    if (this.#facts.size >= MAX_FACTS && oldest !== undefined) this.#facts.delete(oldest)
    this.#facts.set(key, value)
    for (const waiting of [...this.#waiting]) if (waiting.key === key) waiting.answer(value)
  }

  #ask(socket: Socket, { id, key, withinMs }: Extract<Message, { op: 'ask' }>): void {
    const known = this.#facts.get(key)
    if (known !== undefined || withinMs <= 0 || this.#waiting.size >= MAX_WAITING) {
      send(socket, { id, ...(known === undefined ? {} : { value: known }) })
      return
    }
    const waiting: Waiting = {
      key,
      answer: (value) => {
        clearTimeout(timer)
        this.#waiting.delete(waiting)
        send(socket, { id, ...(value === undefined ? {} : { value }) })
      },
    }
    const timer = setTimeout(() => waiting.answer(undefined), withinMs)
    this.#waiting.add(waiting)
  }

  async close(): Promise<void> {
    for (const waiting of [...this.#waiting]) waiting.answer(undefined)
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((resolve) =>
      this.#server === undefined ? resolve() : this.#server.close(() => resolve()),
    )
  }
}

/** A corrupt daemon's end. Failures are of no consequence: the attack is then weaker. */
export class SideChannel {
  readonly #socket: Socket
  readonly #asked = new Map<number, (answer: Extract<Answer, { id: number }>) => void>()
  #nextId = 1
  #onCast: (value: string) => void = () => undefined

  constructor(path: string) {
    this.#socket = createConnection(path)
    this.#socket.unref()
    this.#socket.on('error', () => this.#socket.destroy())
    this.#socket.once('close', () => {
      for (const [id, resolve] of this.#asked) resolve({ id })
      this.#asked.clear()
    })
    const lines = createInterface({ input: this.#socket })
    lines.on('error', () => undefined)
    lines.on('line', (line) => {
      const answer = JSON.parse(line) as Answer
      if ('cast' in answer) return this.#onCast(answer.cast)
      const resolve = this.#asked.get(answer.id)
      this.#asked.delete(answer.id)
      resolve?.(answer)
    })
  }

  tell(key: string, value: string): void {
    this.#send({ op: 'tell', key, value })
  }

  /** Waits for the fact where it is not there yet; undefined where it never came. */
  async ask(key: string, withinMs: number): Promise<string | undefined> {
    return (await this.#request((id) => ({ op: 'ask', id, key, withinMs }))).value
  }

  async list(prefix: string): Promise<readonly Fact[]> {
    return (await this.#request((id) => ({ op: 'list', id, prefix }))).facts ?? []
  }

  count(name: string, by = 1): void {
    this.#send({ op: 'count', name, by })
  }

  /** To everybody who follows, at once and kept nowhere. */
  cast(value: string): void {
    if (this.#socket.writableLength < MAX_BACKLOG_BYTES) this.#send({ op: 'cast', value })
  }

  follow(onCast: (value: string) => void): void {
    this.#onCast = onCast
    this.#send({ op: 'follow' })
  }

  close(): void {
    this.#socket.destroy()
  }

  #request(message: (id: number) => Message): Promise<Extract<Answer, { id: number }>> {
    const id = this.#nextId++
    if (this.#socket.destroyed) return Promise.resolve({ id })
    return new Promise((resolve) => {
      this.#asked.set(id, resolve)
      this.#send(message(id))
    })
  }

  #send(message: Message): void {
    if (!this.#socket.destroyed) this.#socket.write(`${JSON.stringify(message)}\n`)
  }
}

function send(socket: Socket, answer: Answer): void {
  if (!socket.destroyed) socket.write(`${JSON.stringify(answer)}\n`)
}
