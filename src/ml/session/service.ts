/**
 * A service: what a host keeps off the daemon's loop. A module exports a factory; the host imports the module in a
 * child process or a worker, opens the service there, and passes calls one at a time. Arguments and results are
 * structured clones: numbers, texts, typed arrays.
 */
import { type ErrorCode, UserError } from '../../errors.js'

export interface Service {
  /** @param tell parts of the result as they become certain; absent where the caller waits for the whole */
  call(method: string, argument: unknown, tell?: (part: unknown) => void): Promise<unknown>
  close?(): Promise<void>
}

/** Makes a service; `options` arrive as a structured clone. */
export type ServiceFactory = (options: unknown) => Promise<Service>

/** Where a factory is. */
export interface ServiceModule {
  /** The module's URL: `new URL('./service.js', import.meta.url).href`. */
  readonly url: string
  /** The export that is a {@link ServiceFactory}. */
  readonly factory: string
  readonly options: unknown
}

/** From the host. */
export type HostMessage =
  | { readonly kind: 'open'; readonly module: ServiceModule }
  | {
      readonly kind: 'call'
      readonly id: number
      readonly method: string
      readonly argument: unknown
      /** Whether its parts are wanted. */
      readonly inParts: boolean
    }
  | { readonly kind: 'close' }

/** To the host. */
export type ServiceMessage =
  | { readonly kind: 'opened'; readonly residentBytes: number }
  | { readonly kind: 'part'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'result'; readonly id: number; readonly value: unknown; readonly residentBytes: number }
  | ({ readonly kind: 'failed'; readonly id: number } & Failure)

/** An error as it crosses: what the person can mend keeps its code and its remedy. */
export interface Failure {
  readonly name: string
  readonly message: string
  readonly user?: { readonly code: ErrorCode; readonly remedy: string | undefined }
}

/** Failure to open has no call's number. */
export const OPENING = 0

/** The far side of a host, over whatever carries messages. */
export class ServiceRunner {
  readonly #send: (message: ServiceMessage) => void
  readonly #leave: () => void
  #service: Service | undefined
  /** Messages are worked off in order, one at a time. */
  #tail: Promise<void> = Promise.resolve()

  constructor(send: (message: ServiceMessage) => void, leave: () => void) {
    this.#send = send
    this.#leave = leave
  }

  receive(message: HostMessage): void {
    this.#tail = this.#tail.then(() => this.#handle(message))
  }

  async #handle(message: HostMessage): Promise<void> {
    if (message.kind === 'close') {
      await this.#service?.close?.()
      this.#leave()
      return
    }
    const id = message.kind === 'call' ? message.id : OPENING
    try {
      if (message.kind === 'open') {
        this.#service = await openService(message.module)
        this.#send({ kind: 'opened', residentBytes: process.memoryUsage.rss() })
        return
      }
      if (this.#service === undefined) throw new Error('the service is not open')
      const tell = (part: unknown): void => this.#send({ kind: 'part', id, value: part })
      const { method, argument, inParts } = message
      const value = await this.#service.call(method, argument, inParts ? tell : undefined)
      this.#send({ kind: 'result', id, value, residentBytes: process.memoryUsage.rss() })
    } catch (error) {
      this.#send({ kind: 'failed', id, ...failureOf(error) })
    }
  }
}

function failureOf(thrown: unknown): Failure {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  const { name, message } = error
  if (!(error instanceof UserError)) return { name, message }
  return { name, message, user: { code: error.code, remedy: error.remedy } }
}

async function openService({ url, factory, options }: ServiceModule): Promise<Service> {
  const module: Record<string, unknown> = await import(url)
  const make = module[factory]
  if (typeof make !== 'function') throw new Error(`${url} exports no ${factory}`)
  return (make as ServiceFactory)(options)
}
