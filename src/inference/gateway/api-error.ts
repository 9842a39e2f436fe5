/** Failures as OpenAI's clients read them: `{error: {message, type, param, code}}` with a status. */
import { type ErrorCode, UserError } from '../../errors.js'

export type ApiErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'rate_limit_error'
  | 'server_error'

export interface ApiErrorOptions {
  readonly status: number
  /** Machine-readable and stable. */
  readonly code: string
  /** By the status unless given. */
  readonly type?: ApiErrorType
  /** The request's field that is to blame. */
  readonly param?: string
  readonly retryAfterSeconds?: number
  /** Whether a client may repeat the request by itself; whatever its status says unless given. */
  readonly isRepeatable?: false
  readonly cause?: unknown
}

/** How long a client waits that was told nothing better. */
const DEFAULT_RETRY_AFTER_SECONDS = 1

export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number
  readonly code: string
  readonly type: ApiErrorType
  readonly param: string | null
  readonly retryAfterSeconds: number | undefined
  readonly #isRepeatable: boolean

  constructor(message: string, options: ApiErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    const { status, code, param = null } = options
    this.status = status
    this.code = code
    this.param = param
    this.type = options.type ?? typeOf(status)
    this.retryAfterSeconds =
      options.retryAfterSeconds ?? (status === 429 ? DEFAULT_RETRY_AFTER_SECONDS : undefined)
    // The official client repeats what failed with 5xx by itself: for a job that may have been paid, that is not its to decide.
    this.#isRepeatable = options.isRepeatable ?? status < 500
  }

  /** The same of a request that has paid for something: nobody but a person may repeat it. */
  afterPaying(words: string): ApiError {
    const { status, code, type, param, retryAfterSeconds } = this
    return new ApiError(`${this.message}; ${words}`, {
      ...{ status, code, type, isRepeatable: false, cause: this },
      ...(param === null ? {} : { param }),
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    })
  }

  get body(): { readonly error: Readonly<Record<'message' | 'type' | 'param' | 'code', string | null>> } {
    const { message, type, param, code } = this
    return { error: { message, type, param, code } }
  }

  get headers(): Readonly<Record<string, string>> {
    return {
      ...(this.retryAfterSeconds === undefined
        ? {}
        : { 'retry-after': String(Math.max(1, Math.ceil(this.retryAfterSeconds))) }),
      ...(this.#isRepeatable ? {} : { 'x-should-retry': 'false' }),
    }
  }
}

function typeOf(status: number): ApiErrorType {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 429) return 'rate_limit_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}

/** A request's field that cannot be used. */
export const badField = (param: string, message: string, code = 'invalid_value'): ApiError =>
  new ApiError(message, { status: 400, code, param })

export const busy = (message: string): ApiError => new ApiError(message, { status: 429, code: 'busy' })

interface Told {
  readonly status: number
  readonly code: string
}

const UNAVAILABLE: Told = { status: 503, code: 'unavailable' }
/** Whoever runs the gateway has something to mend, and its line says what. */
const NOT_CONFIGURED: Told = { status: 503, code: 'not_configured' }
/** Whoever was asked did what none may do, or answered what is none. */
const PROVIDER_FAILED: Told = { status: 502, code: 'provider_failed' }
const BUSY: Told = { status: 429, code: 'busy' }
/** Not a matter of the price: who offers it cheated, is paid on another chain, or was forbidden. */
const NOT_BOUGHT: Told = { status: 503, code: 'not_bought' }
const PRICE_LIMIT: Told = { status: 402, code: 'price_limit' }

const BY_CODE: Readonly<Record<ErrorCode, Told>> = {
  BAD_ARGUMENT: { status: 400, code: 'invalid_value' },
  BAD_CONFIG: NOT_CONFIGURED,
  BAD_KEY: NOT_CONFIGURED,
  BAD_MESSAGE: PROVIDER_FAILED,
  BAD_TRANSCRIPT: PROVIDER_FAILED,
  BUSY,
  DENIED: NOT_BOUGHT,
  EXISTS: NOT_BOUGHT,
  INTERRUPTED: UNAVAILABLE,
  LOCKED: NOT_CONFIGURED,
  NOT_FOUND: { status: 404, code: 'model_not_found' },
  RATE_LIMITED: BUSY,
  TIMEOUT: { status: 504, code: 'timeout' },
  UNAVAILABLE,
  UNREACHABLE: UNAVAILABLE,
  VERIFICATION_FAILED: PROVIDER_FAILED,
  WRONG_CLOCK: UNAVAILABLE,
}

/** What it takes and what there is, or a server behind this one that asks for money. */
const isPrice = ({ needWei, status }: UserError['details']): boolean =>
  needWei !== undefined || status === PRICE_LIMIT.status

const toldOf = ({ code, details }: UserError): Told =>
  code === 'DENIED' && isPrice(details) ? PRICE_LIMIT : BY_CODE[code]

/**
 * What a client is told of any failure. A bug's words stay here: they may hold paths, and help nobody outside.
 * @param requestId by which the log tells the rest
 */
export function asApiError(thrown: unknown, requestId: string): ApiError {
  if (thrown instanceof ApiError) return thrown
  if (!(thrown instanceof UserError))
    return new ApiError(`an internal error; the gateway's log has it as ${requestId}`, {
      status: 500,
      code: 'internal_error',
      cause: thrown,
    })
  const { retryAfterSeconds } = thrown.details
  return new ApiError(thrown.line, {
    ...toldOf(thrown),
    ...(typeof retryAfterSeconds === 'number' && retryAfterSeconds > 0 ? { retryAfterSeconds } : {}),
    cause: thrown,
  })
}
