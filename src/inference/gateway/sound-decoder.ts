/** The gateway's side of {@link openSoundService}: uploads to the sound of a job, with a limit on time and memory. */
import { UserError } from '../../errors.js'
import { compiledUrl, ServiceHost } from '../../ml/session/index.js'
import type { SoundInput } from '../job.js'
import { ApiError } from './api-error.js'
import { plainWav } from './plain-wav.js'
import { checkDuration } from './sound-limits.js'
import type { DecodeCall, DecodedSound, ResampleCall } from './sound-service.js'

/** Half an hour of one channel at 192 kHz is 1.4 GB as decoded; what needs more is refused instead of swapped. */
const MEMORY_BYTES = 2 * 2 ** 30
const HEAP_MB = 512
/** The slowest format, an hour of MP3, takes some twenty seconds on one slow core. */
const MOST_MS = 120_000
/** Each holds its upload; the gateway's byte budget is the real bound. */
const MOST_WAITING = 32

export class SoundDecoder {
  readonly #host: ServiceHost
  readonly #mostSeconds: number

  constructor({ soundSeconds }: { readonly soundSeconds: number }) {
    this.#mostSeconds = soundSeconds
    this.#host = new ServiceHost(
      {
        url: compiledUrl(import.meta.url, './sound-service.js').href,
        factory: 'openSoundService',
        options: undefined,
      },
      { memoryBytes: MEMORY_BYTES, heapMb: HEAP_MB, mostWaiting: MOST_WAITING },
    )
  }

  /** So that the first upload need not wait. */
  open(): Promise<void> {
    return this.#host.open()
  }

  /** Of a file in any format that is read here; one channel, at 16 kHz or below. @throws ApiError */
  async decode(file: Uint8Array, signal: AbortSignal): Promise<SoundInput> {
    const mostSeconds = this.#mostSeconds
    const plain = plainWav(file)
    if (plain !== undefined) {
      const seconds = secondsOf(plain)
      await this.#told(async () => checkDuration(seconds, mostSeconds))
      return plain
    }
    const call: DecodeCall = { file, mostSeconds }
    const sound = (await this.#call('decode', call, signal)) as DecodedSound
    return { kind: 'sound', ...sound }
  }

  /** @throws ApiError */
  async resample(call: ResampleCall, signal: AbortSignal): Promise<Uint8Array> {
    return (await this.#call('resample', call, signal)) as Uint8Array
  }

  close(): Promise<void> {
    return this.#host.close()
  }

  async #call(method: string, argument: unknown, signal: AbortSignal): Promise<unknown> {
    const timeout = AbortSignal.timeout(MOST_MS)
    try {
      return await this.#told(() =>
        this.#host.call(method, argument, { signal: AbortSignal.any([signal, timeout]) }),
      )
    } catch (error) {
      if (timeout.aborted && !signal.aborted)
        throw fileError(`it was not decoded within ${MOST_MS / 1000} s`, error)
      throw error
    }
  }

  /** What is wrong with a recording is said of the field that held it. */
  async #told<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof UserError && error.code === 'BAD_ARGUMENT') throw fileError(error.line, error)
      if (error instanceof UserError && error.details.limitBytes !== undefined)
        throw fileError(
          'it is too large when decoded; cut it, or convert it to 16 kHz and one channel',
          error,
        )
      throw error
    }
  }
}

const fileError = (reason: string, cause: unknown): ApiError =>
  new ApiError(`file: ${reason}`, { status: 400, code: 'invalid_audio', param: 'file', cause })

/** Seconds of a job's sound. */
export const secondsOf = ({ pcm16, sampleRate }: Pick<SoundInput, 'pcm16' | 'sampleRate'>): number =>
  pcm16.length / 2 / sampleRate
