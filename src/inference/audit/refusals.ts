/**
 * What providers refused an auditor, on its disk: who refuses to the end has failed, also where the auditor was started
 * again meanwhile. Bounded: what is asked for the shortest time more makes room.
 */
import { z } from 'zod'
import { readKept, writeKept } from '../kept-json.js'
import type { AskedBefore, Asking } from './asking.js'

/** Drawn jobs and redemptions that wait at once. */
const MOST_REFUSALS = 20_000
const seconds = z.number().min(0).max(1e12)

const schema = z.strictObject({
  format: z.literal('plumbline-audit-refusals'),
  version: z.literal(1),
  refusals: z
    .array(
      z.strictObject({
        key: z.string().min(1).max(200),
        end: seconds,
        refusals: z.int().min(1),
        firstRefusal: seconds,
        lastRefusal: seconds,
        next: seconds,
      }),
    )
    .max(MOST_REFUSALS),
})
type Refusal = z.infer<typeof schema>['refusals'][number]

export class Refusals {
  readonly #path: string | undefined
  #kept: ReadonlyMap<string, Refusal>

  private constructor(path: string | undefined, kept: readonly Refusal[]) {
    this.#path = path
    this.#kept = byKey(kept)
  }

  /** In memory alone. */
  static passing(): Refusals {
    return new Refusals(undefined, [])
  }

  static async open(path: string): Promise<Refusals> {
    return new Refusals(path, (await readKept(path, schema))?.refusals ?? [])
  }

  /** @param key of what is asked for */
  before(key: string): AskedBefore | undefined {
    return this.#kept.get(key)
  }

  /**
   * Takes what was refused by now; what is not among it is kept until its end, since a new run meets its channels one by one.
   * @param now Unix seconds
   */
  async keep(asked: Iterable<readonly [key: string, asking: Asking]>, now: number): Promise<void> {
    const all = new Map([...this.#kept].filter(([, { end }]) => end >= now))
    let isChanged = all.size !== this.#kept.size
    for (const [key, asking] of asked) {
      const { before } = asking
      if (before === undefined || asking.isOver(now)) continue
      isChanged ||= all.get(key)?.refusals !== before.refusals
      all.set(key, { key, ...before })
    }
    if (!isChanged) return
    const refusals = [...all.values()].sort((a, b) => a.end - b.end).slice(-MOST_REFUSALS)
    this.#kept = byKey(refusals)
    if (this.#path !== undefined)
      await writeKept(this.#path, { format: 'plumbline-audit-refusals', version: 1, refusals })
  }
}

const byKey = (refusals: readonly Refusal[]): ReadonlyMap<string, Refusal> =>
  new Map(refusals.map((each) => [each.key, each]))
