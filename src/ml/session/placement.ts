/** Where a service runs: a child process, whose memory can be capped, or a worker thread, which starts faster. */
import { type ChildProcess, spawn } from 'node:child_process'
import { Worker } from 'node:worker_threads'
import { compiledUrl } from './compiled-url.js'
import type { HostMessage, ServiceMessage } from './service.js'

/** One running place. It ends once; `onEnd` says so. */
export interface Place {
  send(message: HostMessage): void
  /**
   * A process ends at once. A worker ends after the run it is in: to stop a thread inside the native runtime takes
   * the whole process down with it (its C++ exceptions find no JavaScript to arrive in).
   */
  kill(): void
  /** Stops a process where it is, until {@link resume}; a worker shares its process and goes on. */
  suspend(): void
  resume(): void
  /** Settles when it is gone. */
  readonly gone: Promise<void>
}

export interface PlaceEvents {
  readonly onMessage: (message: ServiceMessage) => void
  readonly onEnd: (reason: string) => void
}

export interface PlaceLimits {
  /** Private memory of a child process, bytes. Files that are mapped to be read do not count. */
  readonly memoryBytes?: number
  /** JavaScript's own heap within it, MB. */
  readonly heapMb?: number
  /** Added to the scheduling priority's number of a child process, 0 to 19: the higher, the later its turn. */
  readonly niceness?: number
}

const DEFAULT_HEAP_MB = 256
/** What a child writes to stderr is kept to explain its end, not printed. */
const LAST_WORDS = 2000

/** A sibling file. */
export const entryUrl = (name: string): URL => compiledUrl(import.meta.url, `./${name}.js`)

/**
 * A child process. On Linux the kernel holds its data segment to the limit (RLIMIT_DATA): an allocation beyond it
 * fails there, and nothing else on the machine is touched. Elsewhere the host compares what the child reports.
 */
export function startProcess(limits: PlaceLimits, { onMessage, onEnd }: PlaceEvents): Place {
  const nodeArgs = [
    `--max-old-space-size=${limits.heapMb ?? DEFAULT_HEAP_MB}`,
    entryUrl('child-main').pathname,
  ]
  const [command, args] = commandFor(nodeArgs, limits)
  // Nothing of the daemon's environment but where to find things: a service needs no keys.
  const { PATH, HOME, TMPDIR, LANG, SystemRoot } = process.env
  const child: ChildProcess = spawn(command, [...args], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
    env: Object.fromEntries(
      Object.entries({ PATH, HOME, TMPDIR, LANG, SystemRoot }).filter(([, value]) => value !== undefined),
    ),
  })
  let lastWords = ''
  let ended = false
  let leave = (): void => undefined
  const gone = new Promise<void>((resolve) => {
    leave = resolve
  })
  const end = (reason: string): void => {
    if (ended) return
    ended = true
    leave()
    onEnd(lastWords === '' ? reason : `${reason}: ${lastWords.trim()}`)
  }
  child.stderr?.on('data', (chunk: Buffer) => {
    lastWords = (lastWords + chunk.toString()).slice(-LAST_WORDS)
  })
  child.on('message', (message) => onMessage(message as ServiceMessage))
  child.on('error', (error) => end(error.message))
  child.on('close', (code, signal) => end(signal === null ? `status ${code}` : `signal ${signal}`))
  return {
    send: (message) => {
      if (child.connected) child.send(message, () => undefined)
    },
    kill: () => {
      child.kill('SIGKILL')
    },
    suspend: () => signalTo(child, 'SIGSTOP'),
    resume: () => signalTo(child, 'SIGCONT'),
    gone,
  }
}

/** Windows has no such signals: there a process goes on. */
function signalTo(child: ChildProcess, signal: 'SIGSTOP' | 'SIGCONT'): void {
  if (process.platform !== 'win32') child.kill(signal)
}

/** Limits are set by a shell before Node starts: a priority that is set later leaves out the threads that are there. */
function commandFor(
  nodeArgs: readonly string[],
  { memoryBytes, niceness = 0 }: PlaceLimits,
): readonly [command: string, args: readonly string[]] {
  const capped = memoryBytes !== undefined && process.platform === 'linux'
  const niced = niceness > 0 && process.platform !== 'win32'
  if (!capped && !niced) return [process.execPath, nodeArgs]
  const limit = capped ? `ulimit -d ${Math.floor(memoryBytes / 1024)} && ` : ''
  const nice = niced ? `nice -n ${niceness} ` : ''
  return ['/bin/sh', ['-c', `${limit}exec ${nice}"$0" "$@"`, process.execPath, ...nodeArgs]]
}

/** A worker thread. Its limit is JavaScript's heap only: the runtime's memory is the process's own. */
export function startWorker(limits: PlaceLimits, { onMessage, onEnd }: PlaceEvents): Place {
  const worker = new Worker(entryUrl('worker-main'), {
    argv: [],
    execArgv: [],
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: limits.heapMb ?? DEFAULT_HEAP_MB },
  })
  let failure: string | undefined
  worker.on('message', onMessage)
  worker.on('error', (error) => {
    failure = error instanceof Error ? error.message : String(error)
  })
  let leave = (): void => undefined
  const gone = new Promise<void>((resolve) => {
    leave = resolve
  })
  worker.on('exit', (code) => {
    leave()
    onEnd(failure ?? `status ${code}`)
  })
  return {
    send: (message) => worker.postMessage(message),
    kill: () => worker.postMessage({ kind: 'close' } satisfies HostMessage),
    suspend: () => undefined,
    resume: () => undefined,
    gone,
  }
}
