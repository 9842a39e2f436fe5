/** Asks an OpenAI-compatible server: bounded in time and in what it answers, its errors as ours. */
import { shown, UserError } from '../../errors.js'

export interface UpstreamClientOptions {
  /** As OpenAI's clients take it: `https://host/v1`. */
  readonly baseUrl: string
  /** Sent as a bearer token. */
  readonly apiKey?: string
  /** Of an answer. */
  readonly mostAnswerBytes: number
}

/** Of an error's body, and of its message as we pass it on. */
const MOST_ERROR_BYTES = 64 * 1024
const MOST_MESSAGE = 300
const MOST_RETRY_SECONDS = 300

export class UpstreamClient {
  readonly #base: URL
  readonly #headers: Readonly<Record<string, string>>
  readonly #mostAnswerBytes: number

  /** @throws UserError BAD_ARGUMENT for what is no http URL */
  constructor({ baseUrl, apiKey, mostAnswerBytes }: UpstreamClientOptions) {
    this.#base = readBaseUrl(baseUrl)
    this.#headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }
    this.#mostAnswerBytes = mostAnswerBytes
  }

  /** Who it is, in a word: host and port. */
  get name(): string {
    return this.#base.host
  }

  get url(): string {
    return this.#base.href
  }

  /** The body of a 2xx answer. @throws UserError; the signal's reason */
  async bytes(path: string, body: FormData | object | undefined, signal: AbortSignal): Promise<Uint8Array> {
    const pieces: Uint8Array[] = []
    for await (const piece of this.pieces(path, body, signal)) pieces.push(piece)
    return new Uint8Array(Buffer.concat(pieces))
  }

  /** @throws UserError; the signal's reason */
  async json(path: string, body: FormData | object | undefined, signal: AbortSignal): Promise<unknown> {
    const text = Buffer.from(await this.bytes(path, body, signal)).toString()
    try {
      return JSON.parse(text)
    } catch (cause) {
      throw this.broken('its answer is no JSON', cause)
    }
  }

  /** The body of a 2xx answer as it comes. @throws UserError; the signal's reason */
  async *pieces(
    path: string,
    body: FormData | object | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    try {
      const response = await this.#send(path, body, signal)
      if (!response.ok) throw await this.#refusal(response)
      yield* this.#bounded(response, this.#mostAnswerBytes)
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof UserError) throw error
      throw new UserError(`${this.name} cannot be reached (${reasonOf(error)})`, {
        code: 'UNREACHABLE',
        remedy: 'check its address, and whether it runs',
        cause: error,
      })
    }
  }

  /** What it answered cannot be used. */
  broken(what: string, cause?: unknown): UserError {
    return new UserError(`${this.name}: ${shown(what, MOST_MESSAGE)}`, {
      code: 'UNAVAILABLE',
      remedy: 'it must speak the HTTP of OpenAI',
      ...(cause === undefined ? {} : { cause }),
    })
  }

  #send(path: string, body: FormData | object | undefined, signal: AbortSignal): Promise<Response> {
    const isForm = body instanceof FormData
    return fetch(new URL(path, this.#base), {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...this.#headers,
        ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
      // Sound and key go where they were told to go.
      redirect: 'error',
      signal,
    })
  }

  async *#bounded(response: Response, most: number): AsyncGenerator<Uint8Array> {
    if (response.body === null) return
    let received = 0
    for await (const piece of response.body) {
      received += piece.length
      if (received > most) throw this.broken(`its answer exceeds ${most} bytes`)
      yield piece
    }
  }

  async #refusal(response: Response): Promise<UserError> {
    const pieces: Uint8Array[] = []
    try {
      for await (const piece of this.#bounded(response, MOST_ERROR_BYTES)) pieces.push(piece)
    } catch {
      // The status says enough.
    }
    const { status } = response
    const message = `${this.name}: ${messageOf(Buffer.concat(pieces).toString()) ?? `status ${status}`}`
    if (status === 429) {
      const retryAfterSeconds = retrySecondsOf(response.headers.get('retry-after'))
      return new UserError(message, {
        code: 'BUSY',
        remedy: `try again in ${retryAfterSeconds} s`,
        details: { retryAfterSeconds },
      })
    }
    if (status === 401 || status === 403)
      return new UserError(message, { code: 'UNAVAILABLE', remedy: 'the API key for it must be mended' })
    if (status === 402) return new UserError(message, { code: 'DENIED', details: { status } })
    if (status === 404) return new UserError(message, { code: 'NOT_FOUND' })
    if (status === 408 || status === 504) return new UserError(message, { code: 'TIMEOUT' })
    return new UserError(message, { code: status < 500 ? 'BAD_ARGUMENT' : 'UNAVAILABLE' })
  }
}

function readBaseUrl(text: string): URL {
  const url = parsed(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '')
    throw new UserError(`${JSON.stringify(text.slice(0, 100))} is no address of a server`, {
      code: 'BAD_ARGUMENT',
      remedy: 'give it like https://host:8000/v1',
      exitStatus: 2,
    })
  // Paths are relative to it.
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}

function parsed(text: string): URL | null {
  try {
    return new URL(text)
  } catch {
    return null
  }
}

/** In whole seconds, or an HTTP date (RFC 9110, section 10.2.3). */
function retrySecondsOf(header: string | null): number {
  const seconds = /^\d+$/.test(header ?? '')
    ? Number(header)
    : Math.ceil((Date.parse(header ?? '') - Date.now()) / 1000)
  return Number.isFinite(seconds) ? Math.min(MOST_RETRY_SECONDS, Math.max(1, seconds)) : 1
}

/** `{error: {message}}`, or `{message}` or `{detail}` as others write it. */
function messageOf(body: string): string | undefined {
  try {
    const { error, message, detail } = JSON.parse(body) as Readonly<Record<string, unknown>>
    const inner = typeof error === 'object' && error !== null && 'message' in error ? error.message : error
    const found = [inner, message, detail].find((each) => typeof each === 'string' && each !== '')
    return typeof found === 'string'
      ? found.replace(/[^\P{C}]|[\u2028\u2029]/gu, ' ').slice(0, MOST_MESSAGE)
      : undefined
  } catch {
    return undefined
  }
}

/** The system's word for it: fetch itself says only that it failed. */
function reasonOf(error: unknown): string {
  const { cause } = error as { readonly cause?: { readonly code?: unknown; readonly message?: unknown } }
  return String(cause?.code ?? cause?.message ?? (error instanceof Error ? error.message : error))
}
