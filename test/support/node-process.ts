/** Child processes of tests: their output kept, their JSON lines read, none of them outlives the test. */
import { type ChildProcess, spawn } from 'node:child_process'

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export type JsonLine = Readonly<Record<string, unknown>> & { readonly event?: unknown }

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Words before `node`, such as nsenter and its flags. */
  readonly prefix?: readonly string[]
  /** With a channel for messages: see {@link NodeProcess.child}. */
  readonly ipc?: boolean
}

/** Machines that run tests are slow at times; nothing here is measured. */
const PATIENCE_MS = Number(process.env.TEST_PATIENCE_MS ?? 60_000)

const running = new Set<NodeProcess>()
process.once('exit', () => {
  for (const each of running) each.kill('SIGKILL')
})

export class NodeProcess {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  readonly events: JsonLine[] = []
  readonly #waiting = new Set<() => void>()
  #stdout = ''
  #stderr = ''
  #line = ''
  #isOver = false

  constructor(script: string, args: readonly string[], options: StartOptions = {}) {
    const [program = process.execPath, ...rest] = [
      ...(options.prefix ?? []),
      process.execPath,
      script,
      ...args,
    ]
    const env = { ...process.env, NO_COLOR: '1', ...options.env }
    const channel = options.ipc === true ? (['ipc'] as const) : []
    this.child = spawn(program, rest, { env, stdio: ['ignore', 'pipe', 'pipe', ...channel] })
    running.add(this)
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#read(text))
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = `${this.#stderr}${text}`.slice(-200_000)
    })
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject)
      this.child.once('close', (code, signal) => {
        running.delete(this)
        this.#isOver = true
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr })
        this.#wake()
      })
    })
  }

  get stderr(): string {
    return this.#stderr
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** The first JSON line of that name. @throws where the process ends, or too much time passes, without it */
  async event(name: string): Promise<JsonLine> {
    const find = () => this.events.find(({ event }) => event === name)
    const deadline = Date.now() + PATIENCE_MS
    for (;;) {
      const found = find()
      if (found !== undefined) return found
      const why = this.#isOver ? 'ended' : Date.now() > deadline ? 'went on' : undefined
      if (why !== undefined) throw new Error(`the process ${why} without "${name}": ${this.#stderr}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000)
        this.#waiting.add(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  /** Asks it to stop; kills it where it does not. */
  async stop(): Promise<Ended> {
    this.kill('SIGTERM')
    const timer = setTimeout(() => this.kill('SIGKILL'), 15_000)
    try {
      return await this.ended
    } finally {
      clearTimeout(timer)
    }
  }

  #read(text: string): void {
    this.#stdout += text
    const lines = `${this.#line}${text}`.split('\n')
    this.#line = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('{"')) this.#take(line)
    this.#wake()
  }

  #take(line: string): void {
    try {
      this.events.push(JSON.parse(line) as JsonLine)
    } catch {
      // Part of a result in several lines.
    }
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake()
    this.#waiting.clear()
  }
}
