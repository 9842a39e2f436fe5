/** Greedy and beam search over a decoder that keeps what it has seen; results equal Hugging Face's `generate`. */
import type { GenerationConfig } from './generation-config.js'
import { applyRules } from './score-rules.js'

/** One recording's decoder: rows go on side by side. */
export interface DecoderState {
  /**
   * Reads one more token in each row.
   * @param from the row that each row goes on from; their count may change. @param tokens one a row.
   * @returns logits of the next token, an array a row.
   */
  step(from: readonly number[], tokens: readonly number[]): Promise<readonly Float32Array[]>
}

export interface Generated {
  /** The start token first; an end token last, unless the length ran out. */
  readonly tokens: readonly number[]
  /** Beam: log p of the tokens after the start over their number to the length penalty. Greedy: the same measure. */
  readonly score: number
}

export async function generate(decoder: DecoderState, config: GenerationConfig): Promise<Generated> {
  return config.beams === 1 ? greedy(decoder, config) : beam(decoder, config)
}

async function greedy(decoder: DecoderState, config: GenerationConfig): Promise<Generated> {
  const tokens = [config.startToken]
  let logP = 0
  while (tokens.length < config.maxLength) {
    const [logits] = await decoder.step([0], tokens.slice(-1))
    if (logits === undefined) throw new Error('the decoder gave no row')
    const plain = logSoftmax(logits)
    const scores = Float32Array.from(logits)
    applyRules(scores, tokens, config)
    const next = argmax(scores)
    logP += plain[next] ?? 0
    tokens.push(next)
    if (config.endTokens.includes(next)) break
  }
  return { tokens, score: logP / (tokens.length - 1) ** config.lengthPenalty }
}

interface Row {
  readonly tokens: readonly number[]
  readonly logP: number
}

/** A start that only the first row counts in: the rows are still the same. */
const ASIDE = -1e9

async function beam(decoder: DecoderState, config: GenerationConfig): Promise<Generated> {
  const { beams, endTokens, maxLength } = config
  const finished = new Finished(config)
  let rows: Row[] = Array.from({ length: beams }, (_, i) => ({
    tokens: [config.startToken],
    logP: i === 0 ? 0 : ASIDE,
  }))
  let from: number[] = rows.map(() => 0)
  for (let length = 1; length < maxLength; length++) {
    const logits = await decoder.step(
      from,
      rows.map(({ tokens }) => tokens.at(-1) ?? config.startToken),
    )
    const candidates = best(rows, logits, config, Math.max(2, 1 + endTokens.length) * beams)
    const next: Row[] = []
    from = []
    for (const [rank, { row, token, logP }] of candidates.entries()) {
      const { tokens } = rows[row] ?? { tokens: [] }
      if (endTokens.includes(token)) {
        // Ends below the first `beams` ranks are not worth a place.
        if (rank < beams) finished.add({ tokens: [...tokens, token], logP }, length)
        continue
      }
      next.push({ tokens: [...tokens, token], logP })
      from.push(row)
      if (next.length === beams) break
    }
    if (next.length < beams || finished.isDone(candidates[0]?.logP ?? 0, length)) {
      if (next.length < beams && length < maxLength - 1) throw new Error('the beam ran out of candidates')
      return finished.best()
    }
    rows = next
  }
  for (const row of rows) finished.add(row, row.tokens.length - 1)
  return finished.best()
}

interface Candidate {
  readonly row: number
  readonly token: number
  readonly logP: number
}

/** The likeliest continuations of all rows. */
function best(
  rows: readonly Row[],
  logits: readonly Float32Array[],
  config: GenerationConfig,
  count: number,
): readonly Candidate[] {
  const found: Candidate[] = []
  let least = Number.NEGATIVE_INFINITY
  for (const [row, { tokens, logP }] of rows.entries()) {
    const scores = logSoftmax(logits[row] ?? new Float32Array(0))
    applyRules(scores, tokens, config)
    for (let token = 0; token < scores.length; token++) {
      // In float32, as the reference adds: near ties fall alike.
      const total = Math.fround((scores[token] ?? 0) + logP)
      if (found.length === count && !(total > least)) continue
      let place = found.length
      while (place > 0 && (found[place - 1]?.logP ?? 0) < total) place--
      found.splice(place, 0, { row, token, logP: total })
      if (found.length > count) found.pop()
      if (found.length === count) least = found.at(-1)?.logP ?? least
    }
  }
  return found
}

/** The finished sequences of one recording, as many as there are beams. */
class Finished {
  readonly #config: GenerationConfig
  readonly #sequences: Generated[] = []

  constructor(config: GenerationConfig) {
    this.#config = config
  }

  /** @param length tokens after the start. */
  add({ tokens, logP }: Row, length: number): void {
    const score = logP / length ** this.#config.lengthPenalty
    if (this.#sequences.length >= this.#config.beams && !(score > this.#worst())) return
    this.#sequences.push({ tokens, score })
    if (this.#sequences.length <= this.#config.beams) return
    const worst = this.#sequences.findIndex((sequence) => sequence.score === this.#worst())
    this.#sequences.splice(worst, 1)
  }

  /** @param logP of the likeliest continuation. */
  isDone(logP: number, length: number): boolean {
    const { beams, earlyStopping, lengthPenalty, maxLength } = this.#config
    if (this.#sequences.length < beams) return false
    if (earlyStopping === true) return true
    const reach = earlyStopping === 'never' && lengthPenalty > 0 ? maxLength - 1 : length
    return this.#worst() >= logP / reach ** lengthPenalty
  }

  /** Of equals the later. */
  best(): Generated {
    const [first, ...rest] = this.#sequences
    if (first === undefined) throw new Error('no sequence was finished')
    return rest.reduce((top, sequence) => (sequence.score >= top.score ? sequence : top), first)
  }

  #worst(): number {
    return this.#sequences.reduce((least, { score }) => Math.min(least, score), Number.POSITIVE_INFINITY)
  }
}

function argmax(scores: Float32Array): number {
  let best = 0
  for (let i = 1; i < scores.length; i++) if ((scores[i] ?? 0) > (scores[best] ?? 0)) best = i
  return best
}

/** A new array. */
export function logSoftmax(logits: Float32Array): Float32Array {
  const top = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const total = top + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0))
  return logits.map((logit) => logit - total)
}
