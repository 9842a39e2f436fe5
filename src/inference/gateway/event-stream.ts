/** Server-sent events (HTML standard, section 9.2) as OpenAI's streams use them: JSON in `data`, `[DONE]` at the end. */
import type { ServerResponse } from 'node:http'

/** Proxies cut silent connections after a minute or so. */
const COMMENT_MS = 15_000
/** What a client leaves unread; a transcript is far shorter. */
const MAX_UNREAD_BYTES = 4 * 2 ** 20

export class EventStream {
  readonly #response: ServerResponse
  readonly #timer: NodeJS.Timeout

  constructor(response: ServerResponse) {
    this.#response = response
    this.#timer = setInterval(() => this.#write(': still at it\n\n'), COMMENT_MS)
    response.on('close', () => clearInterval(this.#timer))
  }

  send(event: object): void {
    this.#write(`data: ${JSON.stringify(event)}\n\n`)
  }

  end(): void {
    clearInterval(this.#timer)
    this.#write('data: [DONE]\n\n')
    this.#response.end()
  }

  #write(text: string): void {
    const response = this.#response
    if (response.destroyed || response.writableEnded) {
      // One whose turn on its connection never came is not told that it is closed.
      clearInterval(this.#timer)
      return
    }
    if (!response.headersSent)
      response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'x-accel-buffering': 'no',
      })
    response.write(text)
    if (response.writableLength > MAX_UNREAD_BYTES) response.destroy()
  }
}
