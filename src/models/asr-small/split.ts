/**
 * Which recordings are held out, and what may then be trained on. A held-out sentence has no counterpart in training
 * that is the same, contains it, is contained in it, or is nearly it. Pure functions of the sentences and a seed.
 */
import { Random } from '../../ml/train/random.js'
import { editDistance } from './distance.js'
import { wordsOf } from './text.js'

export type Conflict = 'exact' | 'contained' | 'near'

/** Shorter sentences ("thank you") are in every text: what they have in common with others says nothing. */
export const LEAST_WORDS = 3
/** Longer ones are not held out: they are few, and hold a fifth of the recorded speech. */
const MOST_HELD_OUT_WORDS = 20
/** Sentences nearer than this, in words or in characters over the longer length, are nearly the same. */
const NEAR_WORDS = 0.34
const NEAR_CHARACTERS = 0.25
/** A held-out sentence that would cost more other recordings than this stays in training. */
const MOST_LOST = 3

/** A sentence with what comparisons look at. */
interface Sentence {
  readonly text: string
  readonly words: readonly string[]
  readonly known: ReadonlySet<string>
}

function sentenceOf(text: string): Sentence {
  const words = wordsOf(text)
  return { text, words, known: new Set(words) }
}

/** How two normalised sentences are too alike to stand on two sides of a split; undefined where they are not. */
export function conflictBetween(a: string, b: string): Conflict | undefined {
  return conflictOf(sentenceOf(a), sentenceOf(b))
}

function conflictOf(a: Sentence, b: Sentence): Conflict | undefined {
  if (a.text === b.text) return 'exact'
  const [shorter, longer] = a.text.length <= b.text.length ? [a, b] : [b, a]
  if (shorter.words.length < LEAST_WORDS) return undefined
  if (longer.text.includes(shorter.text) && ` ${longer.text} `.includes(` ${shorter.text} `))
    return 'contained'
  const mostWords = NEAR_WORDS * Math.max(longer.words.length, shorter.words.length)
  if (leastWordDistance(shorter, longer) <= mostWords)
    if (editDistance(shorter.words, longer.words) <= mostWords) return 'near'
  const most = NEAR_CHARACTERS * longer.text.length
  if (longer.text.length - shorter.text.length > most || leastDistance(shorter.text, longer.text) > most)
    return undefined
  return editDistance(shorter.text, longer.text) <= most ? 'near' : undefined
}

/** A bound on the edit distance of words: those that the other sentence has nowhere are changed, added or left out. */
function leastWordDistance(a: Sentence, b: Sentence): number {
  const alien = ({ words }: Sentence, { known }: Sentence): number => {
    let count = 0
    for (const word of words) if (!known.has(word)) count++
    return count
  }
  return Math.max(Math.abs(a.words.length - b.words.length), alien(a, b), alien(b, a))
}

/** A bound on the edit distance by how often each character occurs: cheap, and rules out nearly all pairs. */
function leastDistance(a: string, b: string): number {
  const surplus = new Int32Array(128)
  const count = (text: string, by: number): void => {
    for (let i = 0; i < text.length; i++) {
      const at = text.charCodeAt(i) & 127
      surplus[at] = (surplus[at] ?? 0) + by
    }
  }
  count(a, 1)
  count(b, -1)
  let more = 0
  let fewer = 0
  for (const difference of surplus) {
    if (difference > 0) more += difference
    else fewer -= difference
  }
  return Math.max(more, fewer)
}

/** Finds sentences that are too alike to any of a set, without comparing with all of it. */
export class HeldOutIndex {
  readonly #byWord = new Map<string, Set<Sentence>>()

  constructor(sentences: Iterable<string>) {
    for (const sentence of [...sentences].map(sentenceOf))
      for (const word of sentence.known) {
        const known = this.#byWord.get(word)
        if (known === undefined) this.#byWord.set(word, new Set([sentence]))
        else known.add(sentence)
      }
  }

  /** A held-out sentence in the way of training on this one, and how; undefined where there is none. */
  conflict(text: string): { readonly with: string; readonly kind: Conflict } | undefined {
    const sentence = sentenceOf(text)
    // Near sentences may share no whole word only where all are misspelt: the character rule is for whole texts.
    const candidates = new Set<Sentence>()
    for (const word of sentence.known) for (const held of this.#byWord.get(word) ?? []) candidates.add(held)
    for (const held of candidates) {
      const kind = conflictOf(sentence, held)
      if (kind !== undefined) return { with: held.text, kind }
    }
    return undefined
  }
}

export interface SplitResult {
  /** Sentences to test on. */
  readonly heldOut: readonly string[]
  /** Sentences to train on. */
  readonly train: readonly string[]
  /** Sentences that are neither, because a held-out one is too alike. */
  readonly dropped: readonly { readonly sentence: string; readonly with: string; readonly kind: Conflict }[]
}

/**
 * Draws held-out sentences, of three to twenty words, in an order made of the seed.
 * @param sentences normalised; repeats count once. @param count how many to hold out, fewer where there are not enough.
 */
export function splitSentences(sentences: readonly string[], count: number, seed: number): SplitResult {
  const all = [...new Set(sentences)].sort()
  const order = Random.named(seed, 'split').shuffle(
    all.filter((sentence) => {
      const words = wordsOf(sentence).length
      return words >= LEAST_WORDS && words <= MOST_HELD_OUT_WORDS
    }),
  )
  const held = new Set<string>()
  const others = all.map(sentenceOf)
  for (const text of order) {
    if (held.size === count) break
    const sentence = sentenceOf(text)
    const lost = others.filter(
      (other) => other.text !== text && !held.has(other.text) && conflictOf(sentence, other) !== undefined,
    )
    if (lost.length <= MOST_LOST) held.add(text)
  }
  const index = new HeldOutIndex(held)
  const train: string[] = []
  const dropped: SplitResult['dropped'][number][] = []
  for (const sentence of all) {
    if (held.has(sentence)) continue
    const conflict = index.conflict(sentence)
    if (conflict === undefined) train.push(sentence)
    else dropped.push({ sentence, ...conflict })
  }
  return { heldOut: [...held].sort(), train, dropped }
}
