/**
 * Contradictions that an auditor met, on its disk, for whoever doubts its findings: one for each channel, a few for each
 * provider. They hold hashes and signatures, nothing of what a client sent. Bounded: the oldest make room.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { z } from 'zod'
import { UserError } from '../../errors.js'
import { readKept, writeKept } from '../kept-json.js'
import {
  type Contradiction,
  decodeContradiction,
  encodeContradiction,
  MAX_CONTRADICTION_BYTES,
} from './contradiction.js'

const MOST_CONTRADICTIONS = 1000
/** One convinces. More of the same provider would push out others'. */
const MOST_OF_ONE = 10

const schema = z.strictObject({
  format: z.literal('plumbline-audit-contradictions'),
  version: z.literal(1),
  contradictions: z
    .array(
      z
        .string()
        .regex(/^([0-9a-f]{2})+$/)
        .max(2 * MAX_CONTRADICTION_BYTES),
    )
    .max(MOST_CONTRADICTIONS),
})

/** A file of contradictions is never longer. */
export const MAX_CONTRADICTIONS_BYTES = MOST_CONTRADICTIONS * (2 * MAX_CONTRADICTION_BYTES + 16) + 1024

/**
 * All of a file that somebody gave, or none.
 * @throws UserError BAD_MESSAGE for another file, or a damaged one; VERIFICATION_FAILED where a signature is not its provider's
 */
export function readContradictions(text: string): readonly Contradiction[] {
  const { contradictions } = parsed(text)
  return contradictions.map((encoded, i) => {
    try {
      return decodeContradiction(hexToBytes(encoded))
    } catch (error) {
      if (!(error instanceof UserError)) throw error
      const { code, message } = error
      throw new UserError(`entry ${i + 1} of ${contradictions.length} proves nothing: ${message}`, { code })
    }
  })
}

function parsed(text: string): z.infer<typeof schema> {
  try {
    return schema.parse(JSON.parse(text))
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof z.ZodError)) throw error
    throw new UserError('it is damaged, or no file of contradictions', { code: 'BAD_MESSAGE' })
  }
}

export class Contradictions {
  readonly #path: string | undefined
  /** By channel, hex, the oldest first. */
  readonly #kept: Map<string, Contradiction>

  private constructor(path: string | undefined, kept: readonly Contradiction[]) {
    this.#path = path
    this.#kept = new Map(kept.map((each) => [channelOf(each), each]))
  }

  /** In memory alone. */
  static passing(): Contradictions {
    return new Contradictions(undefined, [])
  }

  static async open(path: string): Promise<Contradictions> {
    const kept = (await readKept(path, schema))?.contradictions ?? []
    return new Contradictions(path, kept.flatMap(readable))
  }

  /** The oldest first. */
  all(): readonly Contradiction[] {
    return [...this.#kept.values()]
  }

  has(channelId: Uint8Array): boolean {
    return this.#kept.has(bytesToHex(channelId))
  }

  /** The first of a channel stays, and the first of a provider. */
  async keep(contradiction: Contradiction): Promise<void> {
    const { provider, receipt } = contradiction
    const own = this.all().filter((each) => Buffer.compare(each.provider, provider) === 0)
    if (this.has(receipt.channelId) || own.length >= MOST_OF_ONE) return
    this.#kept.set(channelOf(contradiction), contradiction)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > MOST_CONTRADICTIONS && oldest !== undefined) this.#kept.delete(oldest)
    if (this.#path === undefined) return
    const contradictions = this.all().map((each) => bytesToHex(encodeContradiction(each)))
    await writeKept(this.#path, { format: 'plumbline-audit-contradictions', version: 1, contradictions })
  }
}

const channelOf = ({ receipt }: Contradiction): string => bytesToHex(receipt.channelId)

/** What was altered convicts nobody. */
function readable(encoded: string): readonly Contradiction[] {
  try {
    return [decodeContradiction(hexToBytes(encoded))]
  } catch (error) {
    if (error instanceof UserError) return []
    throw error
  }
}
