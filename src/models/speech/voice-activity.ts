/**
 * Silero VAD (Silero Team 2021, https://github.com/snakers4/silero-vad, MIT): the probability of speech in each
 * window of 32 ms, from a small recurrent network that is published as an ONNX file.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { UserError } from '../../errors.js'
import { Session, type TensorValue } from '../../ml/session/session.js'
import { type Segment, type SegmentOptions, VoiceSegmenter } from './voice-segments.js'

/** The npm package that carries the network (ISC); nothing but the file is used of it. */
const PACKAGE = '@ricky0123/vad-web'
const FILE = 'silero_vad_v5.onnx'
/** Samples of a window and of what it hears of the one before, by sample rate; versions 5 and 6. */
const WINDOWS: Readonly<Record<number, { readonly window: number; readonly context: number }>> = {
  16000: { window: 512, context: 64 },
  8000: { window: 256, context: 32 },
}
const STATE_SHAPE = [2, 1, 128]

export interface VoiceActivityOptions {
  /** Hz; 16000 unless told, or 8000. */
  readonly sampleRate?: number
  /** Path of the network; the npm package's unless told. */
  readonly path?: string
}

/** One stream of sound at a time: the network remembers. */
export class VoiceActivity {
  readonly sampleRate: number
  /** Samples of a window. */
  readonly windowSamples: number
  readonly #session: Session
  readonly #context: Float32Array
  #state: TensorValue
  #tail: Float32Array

  private constructor(session: Session, sampleRate: number, window: number, context: number) {
    this.#session = session
    this.sampleRate = sampleRate
    this.windowSamples = window
    this.#context = new Float32Array(context)
    this.#tail = this.#context
    this.#state = zeroState()
  }

  /** @throws UserError where the network is not there, or is another one. */
  static async open(options: VoiceActivityOptions = {}): Promise<VoiceActivity> {
    const { sampleRate = 16_000, path = findNetwork() } = options
    const sizes = WINDOWS[sampleRate]
    if (sizes === undefined)
      throw new UserError(`voice activity is heard at 16000 or 8000 Hz, not ${sampleRate}`, {
        code: 'BAD_ARGUMENT',
        remedy: 'resample the sound',
      })
    const session = await Session.open(path).catch((cause: unknown) => {
      throw new UserError(`${path} is no network that can be opened`, {
        code: 'BAD_ARGUMENT',
        remedy: `give the path of ${FILE}`,
        cause,
      })
    })
    if (!['input', 'state', 'sr'].every((name) => session.inputNames.includes(name))) {
      await session.close()
      throw new UserError(`${path} is not Silero VAD of version 5 or 6`, {
        code: 'BAD_ARGUMENT',
        remedy: `give the path of ${FILE}`,
      })
    }
    return new VoiceActivity(session, sampleRate, sizes.window, sizes.context)
  }

  /** Probability of speech in the next window. @param window exactly {@link windowSamples} samples in [-1, 1]. */
  async probability(window: Float32Array): Promise<number> {
    if (window.length !== this.windowSamples)
      throw new RangeError(`a window has ${this.windowSamples} samples, not ${window.length}`)
    const data = new Float32Array(this.#tail.length + window.length)
    data.set(this.#tail)
    data.set(window, this.#tail.length)
    const { output, stateN } = await this.#session.run({
      input: { dtype: 'float32', shape: [1, data.length], data },
      state: this.#state,
      sr: { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(this.sampleRate)) },
    })
    if (output === undefined || stateN === undefined) throw new Error('the network gave no probability')
    this.#state = stateN
    this.#tail = window.slice(-this.#context.length)
    return Number(output.data[0])
  }

  /** Forgets what was heard. */
  reset(): void {
    this.#state = zeroState()
    this.#tail = this.#context
  }

  /** Stretches of speech in a whole recording, in samples. Forgets what was heard before. */
  async segments(samples: Float32Array, options: SegmentOptions = {}): Promise<readonly Segment[]> {
    this.reset()
    const segmenter = new VoiceSegmenter(this.windowSamples, this.sampleRate, options)
    const found: (Segment | undefined)[] = []
    for (let start = 0; start < samples.length; start += this.windowSamples) {
      const window = new Float32Array(this.windowSamples)
      window.set(samples.subarray(start, start + this.windowSamples))
      found.push(segmenter.push(await this.probability(window)))
    }
    found.push(segmenter.finish())
    return found.flatMap((segment) =>
      segment === undefined ? [] : [{ start: segment.start, end: Math.min(segment.end, samples.length) }],
    )
  }

  async close(): Promise<void> {
    await this.#session.close()
  }
}

const zeroState = (): TensorValue => ({ dtype: 'float32', shape: STATE_SHAPE, data: new Float32Array(256) })

function findNetwork(): string {
  try {
    return join(dirname(createRequire(import.meta.url).resolve(PACKAGE)), FILE)
  } catch (cause) {
    throw new UserError('the network for voice activity is not installed', {
      code: 'NOT_FOUND',
      remedy: `npm install ${PACKAGE}, or give the path of ${FILE}`,
      cause,
    })
  }
}
