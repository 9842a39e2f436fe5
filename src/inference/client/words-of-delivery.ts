/** What a provider is told of outputs that are here: one message at a time, and all that came meanwhile in the next. */
import { bytesToHex } from '@noble/hashes/utils.js'

interface Word {
  readonly jobId: Uint8Array
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/** In one message. */
const MOST_AT_ONCE = 256

export class WordsOfDelivery {
  readonly #send: (channelId: Uint8Array, jobIds: readonly Uint8Array[]) => Promise<unknown>
  /** Of channels with a message under way, by channel; jobs that a channel has open are few. */
  readonly #waiting = new Map<string, Word[]>()

  constructor(send: (channelId: Uint8Array, jobIds: readonly Uint8Array[]) => Promise<unknown>) {
    this.#send = send
  }

  /** Resolves when the provider was told. @throws as the sending */
  tell(channelId: Uint8Array, jobId: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const word = { jobId, resolve, reject }
      const key = bytesToHex(channelId)
      const waiting = this.#waiting.get(key)
      if (waiting !== undefined) {
        waiting.push(word)
        return
      }
      this.#waiting.set(key, [])
      void this.#sendAll(key, channelId, [word])
    })
  }

  async #sendAll(key: string, channelId: Uint8Array, first: readonly Word[]): Promise<void> {
    for (let words = first; words.length > 0; words = this.#waiting.get(key)?.splice(0, MOST_AT_ONCE) ?? [])
      try {
        await this.#send(
          channelId,
          words.map(({ jobId }) => jobId),
        )
        for (const { resolve } of words) resolve()
      } catch (error) {
        for (const { reject } of words) reject(error)
      }
    this.#waiting.delete(key)
  }
}
