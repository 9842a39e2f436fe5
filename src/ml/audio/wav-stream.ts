/**
 * WAV as it comes out of a pipe. Its writer may not know how long the sound will be: then the header says nothing, or
 * something too large (0 and 2^32 - 1, by ffmpeg; 2^31, arecord; 0x7ffff000, sox), and the sound goes on to the end.
 */
import { badAudio, SAMPLE_RATES_HZ } from './audio.js'
import { decoder, parseFormat, type WavFormat } from './wav-read.js'

const FORMAT = 'WAV'
/** Longer sounds come from no file of a pipe: 12 hours at 48 kHz. */
const LEAST_UNKNOWN_BYTES = 0x7fff_0000
/** What may come before the sound: tags, pictures. */
const MOST_HEADER_BYTES = 16 << 20
const MOST_FORMAT_BYTES = 1024
const RIFF_BYTES = 12
const CHUNK_BYTES = 8

type Place =
  | { readonly at: 'riff' }
  | { readonly at: 'chunk' }
  | { readonly at: 'format'; readonly bytes: number; readonly padding: number }
  | { readonly at: 'skip'; readonly bytes: number }
  | { readonly at: 'data'; readonly bytes: number }
  | { readonly at: 'end' }

export class WavStream {
  #place: Place = { at: 'riff' }
  #held = Buffer.alloc(0)
  #headerBytes = 0
  #format: WavFormat | undefined
  #decode: ((data: DataView, at: number) => number) | undefined

  /** Hz; undefined until the header came. */
  get sampleRate(): number | undefined {
    return this.#place.at === 'data' || this.#place.at === 'end' ? this.#format?.sampleRate : undefined
  }

  /** The sound is over, whatever else comes: tags behind it. */
  get isOver(): boolean {
    return this.#place.at === 'end'
  }

  /** @returns mono samples in [-1, 1); channels are mixed down. @throws UserError for what is no WAV */
  push(bytes: Uint8Array): Float32Array {
    this.#held = this.#held.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#held, bytes])
    while (this.#step());
    return this.#samples()
  }

  /** The end of the pipe; sound that breaks off is as long as it is. @throws UserError where none has begun */
  finish(): void {
    if (this.#place.at === 'data' || this.#place.at === 'end') return
    throw badAudio(FORMAT, 'it ends before its sound begins')
  }

  /** One part of the header. @returns whether there may be another */
  #step(): boolean {
    const place = this.#place
    if (place.at === 'data' || place.at === 'end') return false
    if (place.at === 'skip') {
      const skipped = Math.min(place.bytes, this.#held.length)
      this.#take(skipped)
      const bytes = place.bytes - skipped
      this.#place = bytes > 0 ? { at: 'skip', bytes } : { at: 'chunk' }
      return bytes === 0
    }
    const part = this.#take(neededFor(place))
    if (part === undefined) return false
    if (place.at === 'chunk') this.#place = this.#open(tagOf(part), part.readUInt32LE(4))
    else {
      if (place.at === 'format') this.#readFormat(part.subarray(0, place.bytes))
      else if (!isWav(part)) throw badAudio(FORMAT, 'it does not begin like one')
      this.#place = { at: 'chunk' }
    }
    return true
  }

  #open(kind: string, bytes: number): Place {
    const padding = bytes % 2
    if (kind === 'data') {
      if (this.#format === undefined) throw badAudio(FORMAT, 'its sound comes before its fmt chunk')
      const isKnown = bytes > 0 && bytes < LEAST_UNKNOWN_BYTES
      return { at: 'data', bytes: isKnown ? bytes : Number.POSITIVE_INFINITY }
    }
    if (kind === 'fmt ' && this.#format === undefined) {
      if (bytes > MOST_FORMAT_BYTES) throw badAudio(FORMAT, `its fmt chunk has ${bytes} bytes`)
      return { at: 'format', bytes, padding }
    }
    this.#headerBytes += bytes
    if (this.#headerBytes > MOST_HEADER_BYTES)
      throw badAudio(FORMAT, `no sound within its first ${MOST_HEADER_BYTES} bytes`)
    return { at: 'skip', bytes: bytes + padding }
  }

  #readFormat(chunk: Buffer): void {
    const format = parseFormat(new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    const { least, most } = SAMPLE_RATES_HZ
    if (format.sampleRate < least || format.sampleRate > most)
      throw badAudio(FORMAT, `it says ${format.sampleRate} Hz`)
    this.#decode = decoder(format)
    this.#format = format
  }

  #samples(): Float32Array {
    const place = this.#place
    const [format, decode] = [this.#format, this.#decode]
    if (place.at !== 'data' || format === undefined || decode === undefined) return new Float32Array(0)
    const { channels, sampleBytes } = format
    const frameBytes = channels * sampleBytes
    const there = Math.min(place.bytes, this.#held.length)
    const frames = Math.floor(there / frameBytes)
    const bytes = place.bytes - frames * frameBytes
    const data = this.#held.subarray(0, frames * frameBytes)
    this.#held = this.#held.subarray(data.length)
    this.#place = bytes < frameBytes ? { at: 'end' } : { at: 'data', bytes }
    if (this.#place.at === 'end') this.#held = Buffer.alloc(0)
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
    return Float32Array.from({ length: frames }, (_, frame) => {
      let sum = 0
      for (let channel = 0; channel < channels; channel++)
        sum += decode(view, frame * frameBytes + channel * sampleBytes)
      // A float that is no number would spoil all that is heard with it.
      return Number.isFinite(sum) ? sum / channels : 0
    })
  }

  /** Undefined where so many have not come yet. */
  #take(bytes: number): Buffer | undefined {
    if (this.#held.length < bytes) return undefined
    const taken = this.#held.subarray(0, bytes)
    this.#held = this.#held.subarray(bytes)
    return taken
  }
}

function neededFor(place: Extract<Place, { readonly at: 'riff' | 'chunk' | 'format' }>): number {
  if (place.at === 'format') return place.bytes + place.padding
  return place.at === 'riff' ? RIFF_BYTES : CHUNK_BYTES
}

const tagOf = (bytes: Buffer): string => bytes.toString('latin1', 0, 4)

/** Whether bytes, of which there are at least twelve, begin a WAV. */
export const isWav = (bytes: Buffer): boolean =>
  tagOf(bytes) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WAVE'
