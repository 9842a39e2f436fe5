/**
 * The main thread's side of a plane's worker: starts it, numbers requests, and turns its death into the rejection of
 * everything that waits. A native worker sleeps in the kernel; an eventfd wakes it.
 */
import { closeSync, writeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { UserError } from '../errors.js'
import {
  CLOSING,
  fromWireError,
  type PlaneEvent,
  type PlaneRequest,
  type PlaneRole,
  type WorkerMessage,
  type WorkerStart,
} from './messages.js'
import type { BackendInfo, Endpoint, PlaneOptions } from './types.js'

/** A caller that has this many answers outstanding is broken; memory stays bounded. */
const MAX_PENDING = 1024
/** An eventfd counts in u64 of the machine's order. */
const WAKE_BYTES = new Uint8Array(new BigUint64Array([1n]).buffer)
const NO_FD = -1

interface Pending {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** Workers asleep in the kernel would hold up the end of the process: it joins its threads. */
const openHosts = new Set<PlaneHost>()
let exitHookInstalled = false

function installExitHook(): void {
  if (exitHookInstalled) return
  exitHookInstalled = true
  process.on('exit', () => {
    for (const host of openHosts) host.abandon()
  })
}

/** The worker's file: compiled, beside this one, also where this one runs from src/ under a test runner. */
function workerUrl(): URL {
  const here = new URL('./worker.js', import.meta.url)
  return import.meta.url.endsWith('.ts') ? new URL(here.href.replace(/\/src\/(?!.*\/src\/)/, '/dist/')) : here
}

export class PlaneHost {
  readonly #worker: Worker
  readonly #control: Int32Array
  readonly #pending = new Map<number, Pending>()
  readonly #exited: Promise<void>
  #backend: BackendInfo | undefined
  #endpoint: Endpoint | undefined
  #wakeFd = NO_FD
  #nextId = 1
  #failure: Error | undefined
  #closing: Promise<void> | undefined
  #onEvent: (event: PlaneEvent) => void = () => undefined
  #onError: (error: Error) => void = () => undefined

  /** @throws UserError where the address cannot be bound or the backend asked for is missing. */
  static async open(role: PlaneRole, options: PlaneOptions): Promise<PlaneHost> {
    const host = new PlaneHost(role, options)
    await host.#opened()
    return host
  }

  private constructor(role: PlaneRole, options: PlaneOptions) {
    const shared = new SharedArrayBuffer(4)
    this.#control = new Int32Array(shared)
    const start: WorkerStart = { role, options, control: shared }
    // No arguments or environment of the main thread: a worker gets session keys and seeds, and nothing else.
    this.#worker = new Worker(workerUrl(), {
      workerData: start,
      argv: [],
      execArgv: [],
      name: `plumbline-${role}`,
    })
    installExitHook()
    openHosts.add(this)
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        openHosts.delete(this)
        this.#closeWakeFd()
        this.#fail(new Error(`the data plane's worker ended with status ${code}`))
        resolve()
      })
    })
    this.#worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))))
    this.#worker.on('messageerror', (error) => this.#fail(error))
  }

  get backend(): BackendInfo {
    if (this.#backend === undefined) throw new Error('the plane is not open')
    return this.#backend
  }

  get endpoint(): Endpoint {
    if (this.#endpoint === undefined) throw new Error('the plane is not open')
    return this.#endpoint
  }

  onEvent(handler: (event: PlaneEvent) => void): void {
    this.#onEvent = handler
  }

  /** Called once where the worker dies unasked. */
  onError(handler: (error: Error) => void): void {
    this.#onError = handler
  }

  /** @throws what the worker answers; UserError UNAVAILABLE after close; the failure after the worker died. */
  async call<T>(request: PlaneRequest): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#closing !== undefined) throw new UserError('the data plane is closed', { code: 'UNAVAILABLE' })
    return (await this.#post(request)) as T
  }

  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing
    const asked = this.#failure === undefined ? this.#post({ op: 'close' }) : Promise.resolve()
    this.#closing = asked.then(
      () => this.#exited,
      () => this.#exited,
    )
    return this.#closing
  }

  /** The process ends: the worker must leave the kernel without an answer. */
  abandon(): void {
    Atomics.store(this.#control, 0, CLOSING)
    this.#wake()
  }

  #post(request: PlaneRequest): Promise<unknown> {
    if (this.#pending.size >= MAX_PENDING)
      return Promise.reject(new UserError('the data plane has too many requests', { code: 'BUSY' }))
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject })
      this.#worker.postMessage({ id, request })
      this.#wake()
    })
  }

  #wake(): void {
    if (this.#wakeFd === NO_FD) return
    try {
      writeSync(this.#wakeFd, WAKE_BYTES)
    } catch (error) {
      // EAGAIN: the counter is full, so the worker is awake anyway.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }

  #closeWakeFd(): void {
    if (this.#wakeFd === NO_FD) return
    const fd = this.#wakeFd
    this.#wakeFd = NO_FD
    closeSync(fd)
  }

  #opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => reject(error)
      this.#onError = failed
      this.#worker.on('message', (message: WorkerMessage) => {
        switch (message.kind) {
          case 'ready':
            this.#backend = message.backend
            this.#endpoint = message.endpoint
            this.#wakeFd = message.wakeFd
            this.#onError = () => undefined
            resolve()
            return
          case 'failed':
            reject(fromWireError(message.error))
            return
          case 'event':
            this.#onEvent(message.event)
            return
          default:
            this.#settle(message)
        }
      })
    })
  }

  #settle(message: Extract<WorkerMessage, { kind: 'reply' | 'error' }>): void {
    const pending = this.#pending.get(message.id)
    this.#pending.delete(message.id)
    if (message.kind === 'reply') pending?.resolve(message.value)
    else pending?.reject(fromWireError(message.error))
  }

  #fail(error: Error): void {
    const expected = this.#closing !== undefined
    if (this.#failure === undefined) {
      this.#failure = expected ? new UserError('the data plane is closed', { code: 'UNAVAILABLE' }) : error
      if (!expected) this.#onError(error)
    }
    for (const pending of this.#pending.values()) pending.reject(this.#failure)
    this.#pending.clear()
  }
}
