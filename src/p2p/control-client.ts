/** The asking side of the control socket, for `plumbline status` and its like. */
import { connect } from 'node:net'
import { z } from 'zod'
import { type ErrorCode, shown, UserError } from '../errors.js'

export type ControlAnswer =
  | { readonly result: unknown }
  | { readonly error: { readonly code: ErrorCode; readonly message: string } }

export interface ControlCallOptions {
  readonly params?: unknown
  readonly deadlineMs?: number
}

const DEADLINE_MS = 5000
/** A status has 2 KB; lists of peers or challenges some more. */
export const MAX_ANSWER_BYTES = 4 * 1_048_576
const NEWLINE = 10
const MOST_MESSAGE = 600

/** Splits bytes into lines of bounded length. */
export class LineReader {
  readonly #maxBytes: number
  #rest: Buffer = Buffer.alloc(0)

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** The lines that are whole by now, without their ends. @throws RangeError for one that is too long */
  push(chunk: Uint8Array): readonly string[] {
    this.#rest = Buffer.concat([this.#rest, chunk])
    const lines: string[] = []
    for (let end = this.#rest.indexOf(NEWLINE); end >= 0; end = this.#rest.indexOf(NEWLINE)) {
      if (end > this.#maxBytes) break
      lines.push(this.#rest.toString('utf8', 0, end))
      this.#rest = this.#rest.subarray(end + 1)
    }
    if (this.#rest.length > this.#maxBytes) throw new RangeError(`a line of over ${this.#maxBytes} bytes`)
    return lines
  }
}

/**
 * Asks the daemon that serves `path`.
 * @throws UserError UNAVAILABLE where none does, TIMEOUT where it hangs, or the daemon's own error
 */
export async function callControlSocket(
  path: string,
  method: string,
  options: ControlCallOptions = {},
): Promise<unknown> {
  const answer = await new Promise<ControlAnswer>((resolve, reject) => {
    const reader = new LineReader(MAX_ANSWER_BYTES)
    const socket = connect(path)
    const timer = setTimeout(() => {
      fail(
        new UserError('the daemon does not answer on its control socket', {
          code: 'TIMEOUT',
          remedy: 'see its log; restart it if it hangs',
        }),
      )
    }, options.deadlineMs ?? DEADLINE_MS)
    const fail = (error: Error): void => {
      clearTimeout(timer)
      socket.destroy()
      reject(error)
    }
    socket.once('error', (cause: NodeJS.ErrnoException) => fail(notRunning(path, cause)))
    socket.once('close', () => fail(notRunning(path, new Error('closed without an answer'))))
    socket.once('connect', () => {
      const { params } = options
      socket.write(`${JSON.stringify({ method, ...(params === undefined ? {} : { params }) })}\n`)
    })
    socket.on('data', (chunk) => {
      try {
        const [line] = reader.push(chunk)
        if (line === undefined) return
        resolve(readAnswer(line))
        clearTimeout(timer)
        socket.destroy()
      } catch (cause) {
        fail(unreadable(cause))
      }
    })
  })
  if ('error' in answer)
    throw new UserError(shown(answer.error.message, MOST_MESSAGE), { code: answer.error.code })
  return answer.result
}

const ANSWER = z.union([
  z.object({ error: z.object({ code: z.string().regex(/^[A-Z_]{1,40}$/), message: z.string() }) }),
  z.object({ result: z.unknown() }),
])

/** @throws SyntaxError, or ZodError for what is no answer */
export const readAnswer = (line: string): ControlAnswer => ANSWER.parse(JSON.parse(line)) as ControlAnswer

const unreadable = (cause: unknown): UserError =>
  new UserError('what answers on the control socket is no daemon of this version', {
    code: 'BAD_MESSAGE',
    remedy: 'restart the daemon, so that both are of one version',
    cause,
  })

function notRunning(path: string, cause: NodeJS.ErrnoException): UserError {
  const denied = cause.code === 'EACCES' || cause.code === 'EPERM'
  return new UserError(
    denied ? `the control socket ${path} belongs to another user` : 'no daemon runs here',
    {
      code: denied ? 'DENIED' : 'UNAVAILABLE',
      remedy: denied
        ? 'run as that user'
        : 'start one with "plumbline prover", "challenger" or "provider", or check --data-dir',
      details: { path },
      cause,
    },
  )
}
