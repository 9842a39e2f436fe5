/** The gateway's side of {@link openSoundService}: uploads to the sound of a job, with a limit on time and memory. */
import { UserError } from '../../errors.js'
import { compiledUrl, ServiceHost } from '../../ml/session/index.js'
import type { SoundInput } from '../job.js'
import { ApiError } from './api-error.js'
import { plainWav } from './plain-wav.js'
import { checkDuration, LEAST_SAMPLE_RATE_HZ } from './sound-limits.js'
import type { DecodeCall, DecodedSound, ResampleCall } from './sound-service.js'

/** Half an hour of one channel at 192 kHz is 1.4 GB as decoded; what needs more is refused instead of swapped. */
const MEMORY_BYTES = 2 * 2 ** 30
const HEAP_MB = 512
/** Each holds its upload; the gateway's byte budget is the real bound. */
const MOST_WAITING = 32

export class SoundDecoder {
  readonly #host: ServiceHost
  readonly #mostSeconds: number
  readonly #mostMs: number

  constructor({ soundSeconds, decodeMs }: { readonly soundSeconds: number; readonly decodeMs: number }) {
    this.#mostSeconds = soundSeconds
    this.#mostMs = decodeMs
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
      await told(async () => checkDuration(seconds, mostSeconds), fileError)
      return plain
    }
    const call: DecodeCall = { file, mostSeconds }
    const sound = (await this.#call('decode', call, { signal, wrong: fileError })) as DecodedSound
    return { kind: 'sound', ...sound }
  }

  /** Of speech that was made for the client, whose fault it is not where that fails. @throws ApiError 502 */
  async resample(call: ResampleCall, signal: AbortSignal): Promise<Uint8Array> {
    const { fromHz, toHz } = call
    const wrong: Wrong = (_, cause) =>
      new ApiError(
        `the speech came with ${fromHz} samples a second, which cannot be made ${toHz}: ask for response_format "wav"`,
        { status: 502, code: 'wrong_answer', cause },
      )
    // A few kilobytes at a hertz would be hours.
    if (fromHz < LEAST_SAMPLE_RATE_HZ) throw wrong('no speech has it', undefined)
    return (await this.#call('resample', call, { signal, wrong })) as Uint8Array
  }

  /** Speech that was made for the client, which FLAC halves nearly. @throws ApiError 502 */
  async flac({ sampleRate, pcm16 }: DecodedSound, signal: AbortSignal): Promise<Uint8Array> {
    const wrong: Wrong = (reason, cause) =>
      new ApiError(`the speech cannot be written as FLAC (${reason}): ask for response_format "wav"`, {
        status: 502,
        code: 'wrong_answer',
        cause,
      })
    return (await this.#call('flac', { sampleRate, pcm16 }, { signal, wrong })) as Uint8Array
  }

  close(): Promise<void> {
    return this.#host.close()
  }

  async #call(
    method: string,
    argument: unknown,
    { signal, wrong }: { readonly signal: AbortSignal; readonly wrong: Wrong },
  ): Promise<unknown> {
    const mostMs = this.#mostMs
    const late = new AbortController()
    let timer: NodeJS.Timeout | undefined
    const options = {
      signal: AbortSignal.any([signal, late.signal]),
      // What those before it take in the line is not its fault.
      onBegun: () => {
        timer = setTimeout(() => late.abort(), mostMs)
      },
    }
    try {
      return await told(() => this.#host.call(method, argument, options), wrong)
    } catch (error) {
      if (late.signal.aborted && !signal.aborted) throw wrong(`it took more than ${mostMs / 1000} s`, error)
      throw error
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Says what is wrong with a sound to whom it concerns. */
type Wrong = (reason: string, cause: unknown) => ApiError

async function told<T>(work: () => Promise<T>, wrong: Wrong): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof UserError && error.code === 'BAD_ARGUMENT') throw wrong(error.line, error)
    if (error instanceof UserError && error.details.limitBytes !== undefined)
      throw wrong('it is too large when decoded; cut it, or convert it to 16 kHz and one channel', error)
    throw error
  }
}

/** Of the field that held the recording. */
const fileError: Wrong = (reason, cause) =>
  new ApiError(`file: ${reason}`, { status: 400, code: 'invalid_audio', param: 'file', cause })

/** Seconds of a job's sound. */
export const secondsOf = ({ pcm16, sampleRate }: Pick<SoundInput, 'pcm16' | 'sampleRate'>): number =>
  pcm16.length / 2 / sampleRate
