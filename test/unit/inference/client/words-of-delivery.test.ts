import { describe, expect, it } from 'vitest'
import { WordsOfDelivery } from '../../../../src/inference/client/words-of-delivery.js'

const channel = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
const job = channel

/** A provider that answers when it is told to. */
function provider() {
  const messages: {
    readonly channelId: Uint8Array
    readonly jobs: readonly number[]
    answer(error?: Error): void
  }[] = []
  const words = new WordsOfDelivery(
    (channelId, jobIds) =>
      new Promise((resolve, reject) => {
        messages.push({
          channelId,
          jobs: jobIds.map(([byte]) => byte ?? -1),
          answer: (error) => (error === undefined ? resolve(null) : reject(error)),
        })
      }),
  )
  return { messages, words }
}
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('words of delivery', () => {
  it('go one message at a time for a channel, and all that came meanwhile together', async () => {
    const { messages, words } = provider()
    const told: number[] = []
    const tell = (each: number) => words.tell(channel(1), job(each)).then(() => void told.push(each))
    const all = [1, 2, 3].map(tell)
    const other = words.tell(channel(2), job(9))
    await turn()
    expect(messages.map(({ jobs }) => jobs)).toEqual([[1], [9]])
    messages[0]?.answer()
    await turn()
    expect(told).toEqual([1])
    expect(messages.map(({ jobs }) => jobs)).toEqual([[1], [9], [2, 3]])
    all.push(tell(4))
    messages[1]?.answer()
    messages[2]?.answer()
    await turn()
    expect(messages.at(-1)?.jobs).toEqual([4])
    messages.at(-1)?.answer()
    await Promise.all([...all, other])
    expect(told).toEqual([1, 2, 3, 4])
    // Nothing is left behind: the next one goes at once.
    void tell(5)
    expect(messages.at(-1)?.jobs).toEqual([5])
  })

  it('say to each of a message that it was not told, and go on with the next', async () => {
    const { messages, words } = provider()
    const outcomes = [1, 2, 3].map((each) =>
      words.tell(channel(1), job(each)).then(
        () => 'told',
        (error: Error) => error.message,
      ),
    )
    messages[0]?.answer(new Error('gone'))
    await turn()
    messages[1]?.answer()
    expect(await Promise.all(outcomes)).toEqual(['gone', 'told', 'told'])
  })

  it('are not too many for one message', async () => {
    const { messages, words } = provider()
    const all = Array.from({ length: 600 }, () => words.tell(channel(1), job(1)))
    for (let i = 0; i < 4; i++) {
      messages.at(-1)?.answer()
      await turn()
    }
    expect(messages.map(({ jobs }) => jobs.length)).toEqual([1, 256, 256, 87])
    await Promise.all(all)
  })
})
