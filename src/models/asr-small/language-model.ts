/** A word trigram estimated from sentences, for the prefix beam: interpolated absolute discounting (Ney et al. 1994). */
import { BEGIN, END, NgramBuilder, type NgramModel, UNKNOWN } from '../ctc/ngram.js'
import { wordsOf } from './text.js'

/** Taken off every count; what is taken is shared out among the shorter context's words. */
const DISCOUNT = 0.75
/** Share of the unigrams' mass that words never seen get, over this many of them. */
const UNKNOWN_WORDS = 100_000
/** log10 of "never", for what is listed only because something longer is. */
const NEVER = -99

export interface WeightedSentence {
  readonly text: string
  /** How often it counts. */
  readonly weight: number
}

interface Context {
  total: number
  readonly followers: Map<string, number>
}

/** The n-grams of a model, in the order in which ARPA files list them. */
export interface NgramEntry {
  readonly words: readonly string[]
  readonly log10P: number
  readonly log10BackOff: number
}

/**
 * @param least n-grams of full length that occur less often are left out: they are most of them.
 * @throws RangeError for no sentences.
 */
export function estimateNgrams(
  sentences: Iterable<WeightedSentence>,
  order = 3,
  least = 1,
): readonly NgramEntry[] {
  const contexts = Array.from({ length: order }, () => new Map<string, Context>())
  for (const { text, weight } of sentences) {
    const words = [BEGIN, ...wordsOf(text), END]
    for (let i = 1; i < words.length; i++)
      for (let n = 0; n < order && i - n >= 0; n++)
        count(contexts[n] as Map<string, Context>, words.slice(i - n, i).join(' '), words[i] ?? '', weight)
  }
  const root = contexts[0]?.get('')
  if (root === undefined) throw new RangeError('no sentences to count')
  for (const [n, table] of contexts.entries()) if (n > 0 && n === order - 1) prune(table, least)
  const probability = (history: readonly string[], word: string): number => {
    const table = contexts[history.length]
    const context = table?.get(history.join(' '))
    if (history.length === 0) {
      const seen = root.followers.get(word)
      const spread = (DISCOUNT * root.followers.size) / root.total / (root.followers.size + UNKNOWN_WORDS)
      return (seen === undefined ? 0 : (seen - DISCOUNT) / root.total) + spread
    }
    const shorter = probability(history.slice(1), word)
    if (context === undefined) return shorter
    const seen = context.followers.get(word)
    return (
      (seen === undefined ? 0 : Math.max(0, seen - DISCOUNT) / context.total) + backOff(context) * shorter
    )
  }
  const entries: NgramEntry[] = []
  const log = (p: number): number => Math.log10(p)
  const backOffOf = (words: readonly string[]): number => {
    const context = contexts[words.length]?.get(words.join(' '))
    return context === undefined ? 0 : log(backOff(context))
  }
  entries.push({ words: [UNKNOWN], log10P: log(probability([], UNKNOWN)), log10BackOff: 0 })
  entries.push({ words: [BEGIN], log10P: NEVER, log10BackOff: backOffOf([BEGIN]) })
  for (const [n, table] of contexts.entries())
    for (const [history, { followers }] of table) {
      const before = history === '' ? [] : history.split(' ')
      for (const word of followers.keys()) {
        const words = [...before, word]
        entries.push({
          words,
          log10P: log(probability(before, word)),
          log10BackOff: n + 1 < order && word !== END ? backOffOf(words) : 0,
        })
      }
    }
  return entries.sort((a, b) => a.words.length - b.words.length)
}

function count(table: Map<string, Context>, history: string, word: string, weight: number): void {
  const context = table.get(history)
  if (context === undefined) {
    table.set(history, { total: weight, followers: new Map([[word, weight]]) })
    return
  }
  context.total += weight
  context.followers.set(word, (context.followers.get(word) ?? 0) + weight)
}

/** Mass for what the context has not seen: what the discounts left. */
function backOff({ total, followers }: Context): number {
  let kept = 0
  for (const seen of followers.values()) kept += Math.max(0, seen - DISCOUNT)
  return Math.max(1e-9, 1 - kept / total)
}

function prune(table: Map<string, Context>, least: number): void {
  for (const [history, { followers }] of table) {
    for (const [word, seen] of followers) if (seen < least) followers.delete(word)
    if (followers.size === 0) table.delete(history)
  }
}

/** The model that the beam uses. */
export function buildLanguageModel(entries: readonly NgramEntry[]): NgramModel {
  const builder = new NgramBuilder(entries.reduce((most, { words }) => Math.max(most, words.length), 1))
  for (const { words, log10P, log10BackOff } of entries) {
    const reason = builder.add(words, log10P, log10BackOff)
    if (reason !== undefined) throw new RangeError(`${words.join(' ')}: ${reason}`)
  }
  return builder.build()
}

/** The text of an ARPA file. */
export function* arpaLines(entries: readonly NgramEntry[]): Generator<string> {
  const order = entries.reduce((most, { words }) => Math.max(most, words.length), 1)
  yield '\\data\\\n'
  const counts = Array.from({ length: order }, (_, n) =>
    entries.filter(({ words }) => words.length === n + 1),
  )
  for (const [n, list] of counts.entries()) yield `ngram ${n + 1}=${list.length}\n`
  for (const [n, list] of counts.entries()) {
    yield `\n\\${n + 1}-grams:\n`
    for (const { words, log10P, log10BackOff } of list)
      yield `${log10P.toFixed(4)}\t${words.join(' ')}${log10BackOff === 0 ? '' : `\t${log10BackOff.toFixed(4)}`}\n`
  }
  yield '\n\\end\\\n'
}
