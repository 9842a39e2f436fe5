/**
 * One message per direction of a stream: an unsigned varint length (multiformats), that many bytes, then the end of the
 * half-stream. Anything else is refused: too long, cut short, or followed by more.
 */
import { type Stream, StreamResetError } from '@libp2p/interface'
import { orAbort } from './deadline.js'
import { VarintError, VarintReader, varint } from './varint.js'

/** `cut`: the end came too soon, as where the other process dies, which is no offence. */
export type FrameFault = 'oversize' | 'garbage' | 'cut'

/** The bytes that came are no message of ours. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
  constructor(
    readonly reason: FrameFault,
    message: string,
  ) {
    super(message)
  }
}

/** Beyond the message itself, before the stream is cut. */
const READ_SLACK_BYTES = 1024

/** Set aside on a length's word alone; more follows the bytes that really come. */
const FIRST_BYTES = 65_536

/** The part of a libp2p stream that framing needs; tests hand in their own. */
export type FrameStream = Pick<
  Stream,
  | 'send'
  | 'close'
  | 'abort'
  | 'addEventListener'
  | 'removeEventListener'
  | 'readableEnded'
  | 'readBufferLength'
  | 'maxReadBufferLength'
  | 'status'
>

/** Varint length, then the bytes. */
export function frame(message: Uint8Array): Uint8Array {
  const prefix = varint(message.length)
  const bytes = new Uint8Array(prefix.length + message.length)
  bytes.set(prefix)
  bytes.set(message, prefix.length)
  return bytes
}

/** Collects the bytes of one framed message; `push` throws as soon as they cannot become one. */
export class FrameReader {
  readonly #maxBytes: number
  readonly #onLength: (bytes: number) => void
  readonly #prefix = new VarintReader()
  #message: Uint8Array | undefined
  #length = 0
  #filled = 0

  /** @param onLength told the announced length before room is made; what it throws, `push` throws */
  constructor(maxBytes: number, onLength: (bytes: number) => void = () => {}) {
    this.#maxBytes = maxBytes
    this.#onLength = onLength
  }

  /** @throws FrameError */
  push(chunk: Uint8Array): void {
    let at = 0
    while (this.#message === undefined && at < chunk.length) {
      const length = readLength(this.#prefix, chunk[at++] ?? 0)
      if (length !== undefined) this.#start(length)
    }
    if (this.#message === undefined || at === chunk.length) return
    const part = chunk.subarray(at)
    const filled = this.#filled + part.length
    if (filled > this.#length) throw new FrameError('garbage', 'more bytes than the message announced')
    if (filled > this.#message.length) {
      const grown = new Uint8Array(Math.min(this.#length, Math.max(filled, this.#message.length * 2)))
      grown.set(this.#message.subarray(0, this.#filled))
      this.#message = grown
    }
    this.#message.set(part, this.#filled)
    this.#filled = filled
  }

  /** The whole message; call at the end of the stream. @throws FrameError where it was cut short */
  end(): Uint8Array {
    if (this.#message === undefined || this.#filled < this.#length)
      throw new FrameError('cut', 'the stream ended within its message')
    return this.#message
  }

  #start(length: number): void {
    if (length > this.#maxBytes)
      throw new FrameError('oversize', `a message of ${length} bytes, at most ${this.#maxBytes}`)
    this.#onLength(length)
    this.#length = length
    this.#message = new Uint8Array(Math.min(length, FIRST_BYTES))
  }
}

/** @throws FrameError */
export function readLength(reader: VarintReader, byte: number): number | undefined {
  try {
    return reader.push(byte)
  } catch (error) {
    if (!(error instanceof VarintError)) throw error
    if (error.reason === 'long') throw new FrameError('oversize', 'a length of over 35 bits')
    throw new FrameError('garbage', 'a length that is not minimal')
  }
}

/**
 * Reads the one message of a stream's remote half.
 * @param onLength told the announced length before any of the message is kept; what it throws ends the reading
 * @throws FrameError; the signal's reason; the stream's own error where it is reset; what `onLength` throws
 */
export function readMessage(
  stream: FrameStream,
  maxBytes: number,
  signal: AbortSignal,
  onLength?: (bytes: number) => void,
): Promise<Uint8Array> {
  const reader = new FrameReader(maxBytes, onLength)
  stream.maxReadBufferLength = maxBytes + READ_SLACK_BYTES
  let stop = (): void => {}
  const message = new Promise<Uint8Array>((resolve, reject) => {
    let closedBy: Error | undefined
    const finish = (): void => {
      try {
        resolve(reader.end())
      } catch (error) {
        // Whoever gave up sent no garbage. The stream notes its end first, and then its 'close' tells why.
        if (!brokeOff(stream)) reject(error)
        else queueMicrotask(() => reject(closedBy ?? new StreamResetError('the stream was given up')))
      }
    }
    // Bytes that came along with the protocol's negotiation are put back into the buffer, possibly after the
    // stream's end was noted: the end counts once the buffer is empty too.
    const finishIfEnded = (): void => {
      if (stream.readableEnded && stream.readBufferLength === 0) finish()
    }
    const onMessage = (event: { readonly data: Uint8Array | { subarray(): Uint8Array } }): void => {
      try {
        reader.push(event.data.subarray())
      } catch (error) {
        reject(error)
      }
      finishIfEnded()
    }
    const onClose = (event: { readonly error?: Error }): void => {
      closedBy = event.error
      // What is buffered still comes, and then the end.
      if (stream.readBufferLength > 0) return
      if (event.error === undefined) finish()
      else reject(event.error)
    }
    stream.addEventListener('message', onMessage)
    stream.addEventListener('end', finishIfEnded)
    stream.addEventListener('close', onClose)
    stop = () => {
      stream.removeEventListener('message', onMessage)
      stream.removeEventListener('end', finishIfEnded)
      stream.removeEventListener('close', onClose)
    }
    finishIfEnded()
  })
  return orAbort(signal, message).finally(stop)
}

const brokeOff = ({ status }: FrameStream): boolean => status === 'reset' || status === 'aborted'

/**
 * Sends one message and closes our half.
 * @param until the last byte waits for it, so that the peer has no message before
 * @throws the stream's error; an abort where the peer does not take it; the reason of `until`
 */
export async function writeMessage(
  stream: FrameStream,
  message: Uint8Array,
  signal: AbortSignal,
  until?: Promise<void>,
): Promise<void> {
  const framed = frame(message)
  const held = until === undefined ? 0 : 1
  stream.send(framed.subarray(0, framed.length - held))
  if (until !== undefined) {
    await orAbort(signal, until)
    stream.send(framed.subarray(-held))
  }
  await orAbort(signal, stream.close({ signal }))
}
