/**
 * The daemon's side of a service. Calls wait in a line and run one at a time. A call that is cancelled while it waits
 * costs nothing; one that is cancelled while it runs answers at once, and its place is ended if it does not come back
 * in time (a process at once; a worker's thread is left to its run, ends after it, and `close` waits for it). A place that dies fails the call it was running, and the next call starts a new one.
 */
import { UserError } from '../../errors.js'
import { type Place, startProcess, startWorker } from './placement.js'
import { type Failure, OPENING, type ServiceMessage, type ServiceModule } from './service.js'

export interface ServiceHostOptions {
  readonly placement?: 'process' | 'worker'
  /** A child's private memory, bytes; no limit unless told. Not for workers. */
  readonly memoryBytes?: number
  /** JavaScript's heap in the place, MB. */
  readonly heapMb?: number
  /** A child's niceness, 0 to 19. Not for workers. */
  readonly niceness?: number
  /** Calls that may wait; further ones are refused with BUSY. */
  readonly mostWaiting?: number
  /** How long a cancelled call may go on before its place is ended, milliseconds. */
  readonly graceMs?: number
}

export interface CallOptions {
  readonly signal?: AbortSignal
  /** Told each part of the result that the service tells before the whole; none of a call that was cancelled. */
  readonly onPart?: (part: unknown) => void
  /** It waits no longer: the service has it. */
  readonly onBegun?: () => void
}

/** A call that takes longer than this after being cancelled is worth the cost of loading the model again. */
const GRACE_MS = 2000
const MOST_WAITING = 64

interface Call {
  readonly id: number
  readonly method: string
  readonly argument: unknown
  readonly onPart: ((part: unknown) => void) | undefined
  readonly onBegun: (() => void) | undefined
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
  /** Nobody waits for it any more. */
  abandoned: boolean
  /** The place has it. Until then, the place is still loading, and that is not in vain. */
  sent: boolean
}

export class ServiceHost {
  readonly #module: ServiceModule
  readonly #options: ServiceHostOptions
  readonly #waiting: Call[] = []
  #running: Call | undefined
  #place: Place | undefined
  #opened: Promise<void> | undefined
  #settleOpening: { resolve: () => void; reject: (error: Error) => void } | undefined
  #nextId = OPENING + 1
  #closing: Promise<void> | undefined
  /** Those that are not gone yet, the replaced ones too. */
  readonly #places = new Set<Promise<void>>()
  #residentBytes = 0
  #starts = 0
  #isSuspended = false

  constructor(module: ServiceModule, options: ServiceHostOptions = {}) {
    if (options.placement === 'worker' && options.memoryBytes !== undefined)
      throw new RangeError('only a process has a memory limit')
    this.#module = module
    this.#options = options
  }

  /** The place's memory after its last answer, bytes (of the whole process for a worker). */
  get residentBytes(): number {
    return this.#residentBytes
  }

  /** How often a place has been started: 1 as long as none died. */
  get starts(): number {
    return this.#starts
  }

  /** Stops the child process where it is, and any that starts, until {@link resume}: a call that runs takes longer. */
  suspend(): void {
    this.#isSuspended = true
    this.#place?.suspend()
  }

  resume(): void {
    this.#isSuspended = false
    this.#place?.resume()
  }

  /** Starts the place and loads the service, so that the first call need not. @throws as {@link call}. */
  async open(): Promise<void> {
    if (this.#closing !== undefined) throw closedError()
    await this.#open()
  }

  /**
   * @throws UserError BUSY where too many wait, UNAVAILABLE where the place died, ran out of memory or is closed.
   * @throws DOMException AbortError (or the signal's own reason) where it was cancelled.
   * @throws Error with the service's message where the service refused.
   */
  call(method: string, argument: unknown, { signal, onPart, onBegun }: CallOptions = {}): Promise<unknown> {
    if (this.#closing !== undefined) return Promise.reject(closedError())
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    if (this.#waiting.length >= (this.#options.mostWaiting ?? MOST_WAITING))
      return Promise.reject(
        new UserError(`${this.#waiting.length} calls wait already`, {
          code: 'BUSY',
          remedy: 'try again later',
        }),
      )
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#cancel(call, signal?.reason)
      const settled = (): void => signal?.removeEventListener('abort', onAbort)
      const call: Call = {
        id: this.#nextId++,
        method,
        argument,
        onPart,
        onBegun,
        resolve: (value) => {
          settled()
          resolve(value)
        },
        reject: (error) => {
          settled()
          reject(error)
        },
        abandoned: false,
        sent: false,
      }
      this.#waiting.push(call)
      signal?.addEventListener('abort', onAbort)
      void this.#next()
    })
  }

  /** Gives the running call the grace to finish (a worker: all its time), refuses the others, ends the place. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.resume()
    for (const call of this.#waiting.splice(0)) call.reject(closedError())
    await this.#opened?.catch(() => undefined)
    const place = this.#place
    if (place !== undefined) {
      place.send({ kind: 'close' })
      if (this.#options.placement !== 'worker') this.#killLater(place)
    }
    await Promise.all(this.#places)
  }

  async #next(): Promise<void> {
    if (this.#running !== undefined) return
    const call = this.#waiting.shift()
    if (call === undefined) return
    this.#running = call
    try {
      await this.#open()
    } catch (error) {
      this.#running = undefined
      call.reject(error instanceof Error ? error : new Error(String(error)))
      void this.#next()
      return
    }
    if (call.abandoned) {
      this.#done(call)
      return
    }
    call.sent = true
    call.onBegun?.()
    const { id, method, argument, onPart } = call
    this.#place?.send({ kind: 'call', id, method, argument, inParts: onPart !== undefined })
  }

  #done(call: Call): void {
    if (this.#running !== call) return
    this.#running = undefined
    void this.#next()
  }

  #cancel(call: Call, reason: unknown): void {
    if (call.abandoned) return
    call.abandoned = true
    call.reject(reason instanceof Error ? reason : new Error(String(reason)))
    const at = this.#waiting.indexOf(call)
    if (at >= 0) this.#waiting.splice(at, 1)
    else if (call.sent && this.#running === call && this.#place !== undefined)
      this.#killLater(this.#place, call)
  }

  /** Ends a place that is still at the same call when the grace is over. */
  #killLater(place: Place, call?: Call): void {
    const timer = setTimeout(() => {
      if (this.#place !== place || (call !== undefined && this.#running !== call)) return
      place.kill()
      this.#ended(place, 'it did not come back in time')
    }, this.#options.graceMs ?? GRACE_MS)
    timer.unref()
  }

  #open(): Promise<void> {
    if (this.#opened !== undefined) return this.#opened
    const { memoryBytes, heapMb, niceness } = this.#options
    const start = this.#options.placement === 'worker' ? startWorker : startProcess
    const limits = {
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
      ...(heapMb === undefined ? {} : { heapMb }),
      ...(niceness === undefined ? {} : { niceness }),
    }
    this.#starts++
    const opened = new Promise<void>((resolve, reject) => {
      this.#settleOpening = { resolve, reject }
    })
    const place: Place = start(limits, {
      onMessage: (message) => this.#receive(place, message),
      onEnd: (reason) => this.#ended(place, reason),
    })
    this.#place = place
    this.#opened = opened
    this.#places.add(place.gone)
    void place.gone.then(() => this.#places.delete(place.gone))
    place.send({ kind: 'open', module: this.#module })
    if (this.#isSuspended) place.suspend()
    return opened
  }

  #receive(place: Place, message: ServiceMessage): void {
    if (this.#place !== place) return
    if (message.kind === 'opened') {
      this.#residentBytes = message.residentBytes
      this.#settleOpening?.resolve()
      return
    }
    if (message.id === OPENING) {
      if (message.kind === 'failed') this.#settleOpening?.reject(refused(message, this.#options.memoryBytes))
      this.#forget()
      place.kill()
      return
    }
    const call = this.#running
    if (call?.id !== message.id) return
    if (message.kind === 'part') {
      if (!call.abandoned) call.onPart?.(message.value)
      return
    }
    if (message.kind === 'result') {
      this.#residentBytes = message.residentBytes
      call.resolve(message.value)
      this.#holdToLimit(place)
    } else call.reject(refused(message, this.#options.memoryBytes))
    this.#done(call)
  }

  /** Where no kernel does it: a place that has grown beyond its limit is replaced before the next call. */
  #holdToLimit(place: Place): void {
    const { memoryBytes } = this.#options
    if (process.platform === 'linux' || memoryBytes === undefined || this.#residentBytes <= memoryBytes)
      return
    this.#forget()
    place.kill()
  }

  #forget(): void {
    this.#place = undefined
    this.#opened = undefined
  }

  #ended(place: Place, reason: string): void {
    if (this.#place !== place) return
    const { placement = 'process', memoryBytes } = this.#options
    const error = OUT_OF_MEMORY.test(reason)
      ? outOfMemory(reason, memoryBytes)
      : new UserError(`the service's ${placement} ended (${reason})`, {
          code: 'UNAVAILABLE',
          remedy: 'try again; if it happens again, give it more memory',
        })
    this.#settleOpening?.reject(error)
    this.#forget()
    const call = this.#running
    if (call === undefined) return
    call.reject(error)
    this.#done(call)
  }
}

const closedError = (): UserError => new UserError('the service is closed', { code: 'UNAVAILABLE' })

/** What a service says when memory runs out below it. */
const OUT_OF_MEMORY = /bad_alloc|allocation failed|failed to allocate|out of memory/i

/** In one line: what dies of it writes its stack, too. */
function outOfMemory(reason: string, limitBytes: number | undefined): UserError {
  const [matched = ''] = OUT_OF_MEMORY.exec(reason) ?? []
  const limit = limitBytes === undefined ? 'the memory there is' : `its limit of ${gib(limitBytes)} of memory`
  return new UserError(`the model reached ${limit} (${matched})`, {
    code: 'UNAVAILABLE',
    remedy: `raise ${limitBytes === undefined ? 'the memory' : 'the limit (--memory)'}, or send shorter inputs`,
    details: { limitBytes: limitBytes ?? null },
  })
}

const GIB = 2 ** 30
const gib = (bytes: number): string => `${(bytes / GIB).toFixed(2)} GiB`

function refused({ name, message, user }: Failure, limitBytes: number | undefined): Error {
  if (OUT_OF_MEMORY.test(message)) return outOfMemory(message, limitBytes)
  if (user !== undefined) {
    const { code, remedy } = user
    return new UserError(message, { code, ...(remedy === undefined ? {} : { remedy }) })
  }
  const error = new Error(message)
  error.name = name
  return error
}
