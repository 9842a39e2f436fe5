/**
 * Until when providers had shown all their receipts, on the auditor's disk: who shows one after a day, and had none of that
 * date when it was asked, hid it, also where the auditor was started again meanwhile. Bounded: the channels whose last answer
 * is the oldest make room.
 */
import { z } from 'zod'
import { readKept, writeKept } from '../kept-json.js'
import type { WatchedChannel, WholeAnswer } from './watched-channel.js'

const MOST_ANSWERS = 20_000
/** What a restart forgets of so short a time, against the day for which a receipt would have to be hidden, is nothing. */
const BETWEEN_WRITES_SECONDS = 600

const schema = z.strictObject({
  format: z.literal('plumbline-audit-answers'),
  version: z.literal(1),
  answers: z
    .array(
      z.strictObject({
        channelId: z.string().length(64),
        at: z.number().min(0).max(1e12),
        last: z.int().min(0),
      }),
    )
    .max(MOST_ANSWERS),
})
type Answer = z.infer<typeof schema>['answers'][number]

export class LastAnswers {
  readonly #path: string | undefined
  #kept: ReadonlyMap<string, Answer>
  #writtenAt = Number.NEGATIVE_INFINITY

  private constructor(path: string | undefined, kept: readonly Answer[]) {
    this.#path = path
    this.#kept = byChannel(kept)
  }

  /** In memory alone. */
  static passing(): LastAnswers {
    return new LastAnswers(undefined, [])
  }

  static async open(path: string): Promise<LastAnswers> {
    return new LastAnswers(path, (await readKept(path, schema))?.answers ?? [])
  }

  /** @param channelId hex @param now Unix seconds: an answer of a time to come says that the clock was wrong */
  of(channelId: string, now: number): WholeAnswer | undefined {
    const kept = this.#kept.get(channelId)
    return kept === undefined || kept.at > now ? undefined : { at: kept.at, last: kept.last }
  }

  /** @param channels by id, hex @param now Unix seconds */
  async keep(channels: ReadonlyMap<string, Pick<WatchedChannel, 'whole'>>, now: number): Promise<void> {
    if (Math.abs(now - this.#writtenAt) < BETWEEN_WRITES_SECONDS) return
    this.#writtenAt = now
    const all = new Map(this.#kept)
    for (const [channelId, { whole }] of channels)
      if (whole !== undefined) all.set(channelId, { channelId, ...whole })
    const answers = [...all.values()].sort((a, b) => a.at - b.at).slice(-MOST_ANSWERS)
    this.#kept = byChannel(answers)
    if (this.#path !== undefined)
      await writeKept(this.#path, { format: 'plumbline-audit-answers', version: 1, answers })
  }
}

const byChannel = (answers: readonly Answer[]): ReadonlyMap<string, Answer> =>
  new Map(answers.map((each) => [each.channelId, each]))
