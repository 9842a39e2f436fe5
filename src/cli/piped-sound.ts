/** Sound from standard input: WAV as arecord and ffmpeg write it into a pipe, or bare samples of a rate that is told. */
import { PassThrough } from 'node:stream'
import { UserError } from '../errors.js'
import type { Sound } from '../inference/local/sound.js'
import type { CommandIo } from './io.js'
import { badArgument } from './option.js'

/**
 * What may wait, two or three times over, while the model loads or hears something long: two minutes of speech at 16 kHz.
 * Recorders have a second's room and lose what comes after.
 */
const MOST_WAITING_BYTES = 4 << 20
/** Handed on at once: half a second at 16 kHz. */
const PIECE_BYTES = 16_000
const HEAD_BYTES = 12
const BYTES_A_SAMPLE = 2
const EXAMPLE = 'arecord -f S16_LE -r 16000 -t wav - | plumbline transcribe - --local'

export class PipedSound {
  readonly #buffer = new PassThrough({ highWaterMark: MOST_WAITING_BYTES })
  readonly #rate: number | undefined
  readonly #signal: AbortSignal

  /** Begins to read. @param rate Hz, of bare samples: mono, 16-bit, little-endian. @throws UserError for a keyboard */
  constructor({ stdin, signal }: CommandIo, rate: number | undefined) {
    if (stdin.isTTY === true) throw badArgument('no sound is piped in', `pipe some: ${EXAMPLE}`)
    this.#rate = rate
    this.#signal = signal
    const end = (): void => {
      stdin.unpipe(this.#buffer)
      stdin.pause()
      this.#buffer.end()
    }
    stdin.once('error', (error) => this.#buffer.destroy(error))
    stdin.pipe(this.#buffer)
    // What was said before Ctrl-C is still heard.
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  }

  /** Mono, in [-1, 1], as it comes. @throws UserError for what is no sound */
  async *pieces(): AsyncGenerator<Sound> {
    const chunks = this.#chunks()
    const head = await headOf(chunks)
    if (head.length === 0) {
      if (this.#signal.aborted) return
      throw new UserError('standard input is empty', {
        code: 'BAD_ARGUMENT',
        remedy: `pipe sound: ${EXAMPLE}`,
      })
    }
    const { isWav, WavStream } = await import('../ml/audio/wav-stream.js')
    const all = joined(head, chunks)
    if (isWav(head)) {
      if (this.#rate !== undefined)
        throw badArgument('standard input is a WAV, which says its rate itself', 'leave --rate out')
      yield* wavPieces(all, new WavStream())
    } else if (this.#rate !== undefined) yield* samplePieces(all, this.#rate)
    else
      throw badArgument(
        'standard input is no WAV',
        'pipe it through "ffmpeg -i - -f wav -", or say with --rate that it is bare 16-bit samples, mono',
      )
  }

  async *#chunks(): AsyncGenerator<Buffer> {
    for await (const chunk of this.#buffer)
      for (let from = 0; from < (chunk as Buffer).length; from += PIECE_BYTES)
        yield (chunk as Buffer).subarray(from, from + PIECE_BYTES)
  }
}

/** As many bytes as tell a WAV, or all there are. */
async function headOf(chunks: AsyncGenerator<Buffer>): Promise<Buffer> {
  let head = Buffer.alloc(0)
  while (head.length < HEAD_BYTES) {
    const { value, done } = await chunks.next()
    if (done === true) break
    head = Buffer.concat([head, value])
  }
  return head
}

async function* joined(head: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield head
  yield* rest
}

async function* wavPieces(
  bytes: AsyncIterable<Buffer>,
  wav: import('../ml/audio/wav-stream.js').WavStream,
): AsyncGenerator<Sound> {
  for await (const chunk of bytes) {
    const samples = wav.push(chunk)
    if (wav.sampleRate !== undefined && samples.length > 0) yield { samples, sampleRate: wav.sampleRate }
    if (wav.isOver) return
  }
  wav.finish()
}

async function* samplePieces(bytes: AsyncIterable<Buffer>, sampleRate: number): AsyncGenerator<Sound> {
  const { samplesOfPcm16 } = await import('../ml/audio/pcm16.js')
  let rest = Buffer.alloc(0)
  for await (const chunk of bytes) {
    const whole = Buffer.concat([rest, chunk])
    const length = whole.length - (whole.length % BYTES_A_SAMPLE)
    rest = whole.subarray(length)
    yield { samples: samplesOfPcm16(whole.subarray(0, length)), sampleRate }
  }
}
