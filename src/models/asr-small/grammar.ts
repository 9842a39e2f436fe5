/**
 * A closed grammar: which of a list of sentences was said, if any. Each is scored by CTC's likelihood of the whole
 * sound; how far the best one lies below the best unconstrained path, a character, says whether to believe it.
 */
import { UserError } from '../../errors.js'
import type { LogProbabilities } from '../ctc/log-probabilities.js'
import { BLANK, encodeText, normaliseText } from './text.js'

/** Sentences of a grammar after its patterns are written out. */
export const MOST_SENTENCES = 5000

/** Characters of a line: nested brackets are read by recursion. */
const LONGEST_LINE = 2000

export interface GrammarMatch {
  /** In the recogniser's spelling. */
  readonly sentence: string
  /** As the grammar has it. */
  readonly written: string
  /** Natural logarithm of the sentence's likelihood. */
  readonly logLikelihood: number
  /**
   * Likelihood over that of the best path, a character (geometric mean), at most 1: near 1 where the sound is the
   * sentence, lower where it is something else. To be held against a threshold; no probability.
   */
  readonly confidence: number
  /** The same for the runner-up; undefined where there is none. */
  readonly second: Omit<GrammarMatch, 'logLikelihood' | 'second'> | undefined
}

interface Entry {
  readonly sentence: string
  readonly written: string
  readonly labels: readonly number[]
}

export class Grammar {
  readonly #entries: readonly Entry[]

  /**
   * @param lines sentences, with `[optional]` and `(one|another)` parts. Numbers may be digits.
   * @throws UserError for none, more than {@link MOST_SENTENCES}, or a line that is too long or no pattern.
   */
  constructor(lines: Iterable<string>) {
    const sentences = new Map<string, Entry>()
    for (const line of lines) {
      if (line.length > LONGEST_LINE)
        throw refused(`a line of the grammar has more than ${LONGEST_LINE} characters`, 'split it')
      for (const expansion of expandPattern(line)) {
        const sentence = normaliseText(expansion)
        if (sentence === '' || sentences.has(sentence)) continue
        if (sentences.size === MOST_SENTENCES)
          throw refused(`the grammar has more than ${MOST_SENTENCES} sentences`, 'split it')
        const written = expansion.replace(/\s+/g, ' ').trim()
        sentences.set(sentence, { sentence, written, labels: encodeText(sentence) })
      }
    }
    if (sentences.size === 0) throw refused('the grammar has no sentence', 'write one a line')
    this.#entries = [...sentences.values()]
  }

  get sentences(): readonly string[] {
    return this.#entries.map(({ sentence }) => sentence)
  }

  /**
   * The likeliest sentence; undefined where the sound is too short for any.
   * @param without a sentence that is left out, to measure rejection.
   */
  match(sound: LogProbabilities, without?: string): GrammarMatch | undefined {
    const probabilities = Float64Array.from(sound.data, Math.exp)
    const free = bestPathScore(sound)
    const scored: { readonly entry: Entry; readonly logLikelihood: number }[] = []
    for (const entry of this.#entries) {
      if (entry.sentence === without) continue
      const logLikelihood = scaledLikelihood(probabilities, sound.frames, sound.classes, entry.labels)
      if (logLikelihood > Number.NEGATIVE_INFINITY) scored.push({ entry, logLikelihood })
    }
    const [first, runnerUp] = scored.sort((a, b) => b.logLikelihood - a.logLikelihood)
    if (first === undefined) return undefined
    const described = ({ entry: { sentence, written, labels }, logLikelihood }: typeof first) => ({
      sentence,
      written,
      confidence: Math.min(1, Math.exp((logLikelihood - free) / labels.length)),
    })
    return {
      ...described(first),
      logLikelihood: first.logLikelihood,
      second: runnerUp === undefined ? undefined : described(runnerUp),
    }
  }
}

function bestPathScore({ data, frames, classes }: LogProbabilities): number {
  let total = 0
  for (let frame = 0; frame < frames; frame++) {
    let top = Number.NEGATIVE_INFINITY
    for (let c = 0; c < classes; c++) top = Math.max(top, data[frame * classes + c] as number)
    total += top
  }
  return total
}

/**
 * ctc/likelihood.ts with probabilities rescaled at each frame instead of logarithms: the same number, ten times as
 * fast, which hundreds of sentences need.
 */
export function scaledLikelihood(
  probabilities: Float64Array,
  frames: number,
  classes: number,
  labels: readonly number[],
): number {
  const states = 2 * labels.length + 1
  if (frames === 0) return Number.NEGATIVE_INFINITY
  const classOf = Int32Array.from({ length: states }, (_, s) =>
    s % 2 === 0 ? BLANK : (labels[s >> 1] ?? BLANK),
  )
  const skips = Uint8Array.from(classOf, (label, s) =>
    label !== BLANK && s > 1 && label !== classOf[s - 2] ? 1 : 0,
  )
  const alpha = new Float64Array(states)
  alpha[0] = probabilities[BLANK] as number
  if (states > 1) alpha[1] = probabilities[classOf[1] as number] as number
  let log = 0
  for (let frame = 1; frame < frames; frame++) {
    const at = frame * classes
    // Only these can have been reached, and can still reach the end.
    const last = Math.min(states - 1, 2 * frame + 1)
    const first = Math.max(0, states - 2 * (frames - frame))
    let total = 0
    for (let s = last; s >= first; s--) {
      let sum = alpha[s] as number
      if (s > 0) sum += alpha[s - 1] as number
      if (skips[s] === 1) sum += alpha[s - 2] as number
      const value = sum * (probabilities[at + (classOf[s] as number)] as number)
      alpha[s] = value
      total += value
    }
    for (let s = 0; s < first; s++) alpha[s] = 0
    if (total === 0) return Number.NEGATIVE_INFINITY
    const scale = 1 / total
    for (let s = first; s <= last; s++) alpha[s] = (alpha[s] as number) * scale
    log += Math.log(total)
  }
  const end = (alpha[states - 1] as number) + (states > 1 ? (alpha[states - 2] as number) : 0)
  return end > 0 ? log + Math.log(end) : Number.NEGATIVE_INFINITY
}

/** Every sentence of a line: `[please] (open|close) the door` has four. @throws UserError for brackets that do not match. */
export function expandPattern(line: string): readonly string[] {
  const { results, at } = alternatives(line, 0)
  if (at !== line.length) throw unmatched(line)
  return results
}

interface Expansion {
  readonly results: readonly string[]
  readonly at: number
}

function alternatives(line: string, start: number): Expansion {
  const results: string[] = []
  let sequence: readonly string[] = ['']
  let at = start
  for (; at < line.length && line[at] !== ')' && line[at] !== ']'; ) {
    const character = line.charAt(at)
    if (character === '|') {
      results.push(...sequence)
      sequence = ['']
      at++
    } else if (character === '(' || character === '[') {
      const inner = alternatives(line, at + 1)
      if (line[inner.at] !== (character === '(' ? ')' : ']')) throw unmatched(line)
      const options = character === '[' ? ['', ...inner.results] : inner.results
      if (sequence.length * options.length > MOST_SENTENCES)
        throw refused(`a line stands for more than ${MOST_SENTENCES} sentences`, 'split it')
      sequence = sequence.flatMap((head) => options.map((tail) => head + tail))
      at = inner.at + 1
    } else {
      sequence = sequence.map((head) => head + character)
      at++
    }
  }
  if (results.length + sequence.length > MOST_SENTENCES)
    throw refused(`a line stands for more than ${MOST_SENTENCES} sentences`, 'split it')
  return { results: [...results, ...sequence], at }
}

const unmatched = (line: string): UserError =>
  refused(`the brackets of ${JSON.stringify(line.slice(0, 60))} do not match`, 'close each ( and [')

function refused(message: string, remedy: string): UserError {
  return new UserError(message, { code: 'BAD_ARGUMENT', remedy })
}
