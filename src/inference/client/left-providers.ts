/** Providers that cheated this client, on its disk: none of them is asked again, by this process or the next. Bounded. */
import { z } from 'zod'
import { readKept, writeKept } from '../kept-json.js'

/** The oldest make room: a key is new for nothing, so that more would be no better. */
const MOST_LEFT = 1000
const MOST_REASON = 300

const schema = z.strictObject({
  format: z.literal('plumbline-left-providers'),
  version: z.literal(1),
  providers: z
    .array(
      z.strictObject({
        peerId: z.string().max(200),
        at: z.int().min(0),
        reason: z.string().max(MOST_REASON),
      }),
    )
    .max(MOST_LEFT),
})
type Left = z.infer<typeof schema>['providers'][number]

export class LeftProviders {
  readonly #path: string | undefined
  #left: ReadonlyMap<string, Left> = new Map()

  private constructor(path: string | undefined) {
    this.#path = path
  }

  /** In memory alone. */
  static passing(): LeftProviders {
    return new LeftProviders(undefined)
  }

  static async open(path: string): Promise<LeftProviders> {
    const left = new LeftProviders(path)
    left.#left = await left.#read()
    return left
  }

  has(peerId: string): boolean {
    return this.#left.has(peerId)
  }

  /** Holds at once; resolves when it is on the disk. @param at Unix seconds */
  async add(peerId: string, reason: string, at: number): Promise<void> {
    const entry = { peerId, at: Math.floor(at), reason: reason.slice(0, MOST_REASON) }
    this.#left = new Map([...this.#left, [peerId, entry]])
    if (this.#path === undefined) return
    // Another process of this client may have left somebody meanwhile.
    const all = new Map([...(await this.#read()), ...this.#left])
    const providers = [...all.values()].sort((a, b) => a.at - b.at).slice(-MOST_LEFT)
    this.#left = new Map(providers.map((each) => [each.peerId, each]))
    await writeKept(this.#path, { format: 'plumbline-left-providers', version: 1, providers })
  }

  async #read(): Promise<ReadonlyMap<string, Left>> {
    const kept = this.#path === undefined ? undefined : await readKept(this.#path, schema)
    return new Map((kept?.providers ?? []).map((each) => [each.peerId, each]))
  }
}
