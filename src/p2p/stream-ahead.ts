/**
 * A stream that is opened before there is something to send: its negotiation costs two round trips and several turns of
 * the event loop on both sides, which a request that comes later need not wait for.
 */
import type { Stream } from '@libp2p/interface'

export class StreamAhead {
  readonly #opening: Promise<Stream | undefined>
  readonly #giveUp = new AbortController()
  readonly #goodUntilMs: number
  #isTaken = false

  /** @param goodForMs the answering side counts its deadline from the stream's arrival: an older one is left */
  constructor(open: (signal: AbortSignal) => Promise<Stream>, goodForMs: number) {
    this.#goodUntilMs = performance.now() + goodForMs
    // Why it failed is found out again, and told, by the request.
    this.#opening = open(this.#giveUp.signal).catch(() => undefined)
  }

  /** The stream, where it is good for a request: at most once. */
  async take(): Promise<Stream | undefined> {
    const stream = await this.#opening
    const isOld = performance.now() > this.#goodUntilMs
    if (stream === undefined || this.#isTaken || isOld || stream.status !== 'open') return undefined
    this.#isTaken = true
    return stream
  }

  /** Nobody needs it any more; no effect on one that was taken. */
  release(): void {
    const reason = new Error('not needed')
    this.#giveUp.abort(reason)
    void this.#opening.then((stream) => {
      if (!this.#isTaken) stream?.abort(reason)
    })
  }
}
