/** Calls between the laboratory and its child processes over node's IPC channel: a name, a value, a reply. */
import type { ChildProcess } from 'node:child_process'

interface Call {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

interface Reply {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** Children answer between slices of at most some tens of ms; this long means that one hangs. */
const CALL_TIMEOUT_MS = 10_000

/** The parent's end. The child must have been spawned with an `ipc` channel. */
export class ChildCalls {
  readonly process: ChildProcess
  readonly #label: string
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #nextId = 1

  constructor(child: ChildProcess, label: string) {
    this.process = child
    this.#label = label
    child.on('message', (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id)
      this.#waiting.delete(reply.id)
      if (reply.error === undefined) waiting?.resolve(reply.value)
      else waiting?.reject(new Error(`${label}: ${reply.error}`))
    })
    child.once('exit', (code, signal) => this.#failAll(`ended (${code ?? signal})`))
    child.once('error', (error) => this.#failAll(error.message))
  }

  /**
   * The handler's return value, which the caller knows the type of: both ends are ours.
   *
   * @throws Error what the child threw, its end, or no answer in time
   */
  call<T>(name: string, argument: unknown = null): Promise<T> {
    const id = this.#nextId
    this.#nextId += 1
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new Error(`${this.#label}: no answer to "${name}" in ${CALL_TIMEOUT_MS} ms`))
      }, CALL_TIMEOUT_MS)
      this.#waiting.set(id, {
        resolve: (value) => {
          clearTimeout(timer)
          resolve(value as T)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
      const call: Call = { id, name, argument }
      this.process.send(call, (error) => {
        if (error !== null) this.#failAll(error.message)
      })
    })
  }

  #failAll(reason: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(`${this.#label}: ${reason}`))
    this.#waiting.clear()
  }
}

/** The child's end: answers calls until the parent goes, then ends the process. */
export function serveCalls(handlers: Readonly<Record<string, (argument: never) => unknown>>): void {
  process.on('message', async (call: Call) => {
    let reply: Reply
    try {
      const handler = handlers[call.name]
      if (handler === undefined) throw new Error(`no call "${call.name}"`)
      reply = { id: call.id, value: await handler(call.argument as never) }
    } catch (error) {
      reply = { id: call.id, error: error instanceof Error ? error.message : String(error) }
    }
    process.send?.(reply)
  })
  process.once('disconnect', () => process.exit(0))
  process.once('SIGTERM', () => process.exit(0))
}
