/**
 * A back-off n-gram language model (Katz 1987; interpolated Kneser-Ney models are written in the same form):
 * p(w | h) is the model's own where it has h w, otherwise the weight of h times p(w | h without its first word).
 */
import { NgramTable } from './ngram-table.js'

/** A context: the longest run of last words that the model can use. */
export type NgramState = number

export const BEGIN = '<s>'
export const END = '</s>'
export const UNKNOWN = '<unk>'

/** log10 p of an unknown word in a model without `<unk>`, as KenLM has it: impossible, yet a number. */
const NEVER_LOG10 = -100
/** The empty context. */
const EMPTY: NgramState = 0
/** Spellings of the unknown word in the wild. */
const UNKNOWNS = [UNKNOWN, '<UNK>', '<unknown>']

export interface NgramStep {
  /** Natural logarithm of p(word | state). */
  readonly logProbability: number
  readonly state: NgramState
}

/** Collects n-grams, the shorter before the longer; {@link build} makes the model. */
export class NgramBuilder {
  readonly #words = new Map<string, number>()
  readonly #table = new NgramTable()
  /** By n-gram; 0 is the empty one. NaN marks a prefix that the model does not list itself. */
  #logP = new Float32Array(1024)
  #backOff = new Float32Array(1024)
  #length = new Uint8Array(1024)
  #parent = new Int32Array(1024)
  #word = new Int32Array(1024)
  #count = 1

  constructor(readonly order: number) {
    this.#logP[0] = Number.NaN
  }

  get count(): number {
    return this.#count - 1
  }

  get words(): Iterable<string> {
    return this.#words.keys()
  }

  get wordCount(): number {
    return this.#words.size
  }

  /**
   * @param words of the n-gram, oldest first. @param log10P, log10BackOff as ARPA files have them.
   * @returns why it cannot be taken, undefined where it was.
   */
  add(words: readonly string[], log10P: number, log10BackOff: number): string | undefined {
    const ids: number[] = []
    for (const word of words) {
      let id = this.#words.get(word)
      if (id === undefined) {
        if (words.length > 1) return `the word "${word}" is not among the 1-grams`
        id = this.#words.size
        this.#words.set(word, id)
      }
      ids.push(id)
    }
    const last = ids.pop() ?? 0
    const context = this.#place(ids)
    const known = this.#table.get(context, last)
    if (known !== undefined && !Number.isNaN(this.#logP[known])) return 'the n-gram stands there twice'
    const node = known ?? this.#node(context, last)
    this.#logP[node] = log10P
    this.#backOff[node] = log10BackOff
    return undefined
  }

  build(): NgramModel {
    return new NgramModel(this.order, this.#words, this.#table, {
      logP: this.#logP.slice(0, this.#count),
      backOff: this.#backOff.slice(0, this.#count),
      length: this.#length.slice(0, this.#count),
      suffix: this.#suffixes(),
    })
  }

  /** The n-gram of these words, made as a bare prefix where a pruned model lacks it. */
  #place(ids: readonly number[]): number {
    let node = EMPTY
    for (const id of ids) node = this.#table.get(node, id) ?? this.#node(node, id)
    return node
  }

  /** The longest n-gram that ends each n-gram, found from its parent's as Aho and Corasick (1975) do. */
  #suffixes(): Int32Array {
    const suffix = new Int32Array(this.#count)
    for (let length = 2; length <= this.order; length++)
      for (let node = 1; node < this.#count; node++) {
        if (this.#length[node] !== length) continue
        const word = this.#word[node] ?? 0
        let context = this.#parent[node] ?? EMPTY
        let found: number | undefined
        while (found === undefined && context !== EMPTY) {
          context = suffix[context] ?? EMPTY
          found = this.#table.get(context, word)
        }
        suffix[node] = found ?? EMPTY
      }
    return suffix
  }

  #node(context: number, word: number): number {
    if (this.#count === this.#logP.length) {
      const size = this.#count * 2
      this.#logP = enlarged(this.#logP, new Float32Array(size))
      this.#backOff = enlarged(this.#backOff, new Float32Array(size))
      this.#length = enlarged(this.#length, new Uint8Array(size))
      this.#parent = enlarged(this.#parent, new Int32Array(size))
      this.#word = enlarged(this.#word, new Int32Array(size))
    }
    const node = this.#count++
    this.#table.set(context, word, node)
    this.#logP[node] = Number.NaN
    this.#backOff[node] = 0
    this.#length[node] = (this.#length[context] ?? 0) + 1
    this.#parent[node] = context
    this.#word[node] = word
    return node
  }
}

function enlarged<T extends Float32Array | Uint8Array | Int32Array>(from: T, to: T): T {
  to.set(from)
  return to
}

interface NgramArrays {
  readonly logP: Float32Array
  readonly backOff: Float32Array
  readonly length: Uint8Array
  readonly suffix: Int32Array
}

export class NgramModel {
  readonly #table: NgramTable
  readonly #ids: ReadonlyMap<string, number>
  readonly #arrays: NgramArrays
  readonly #unknown: number | undefined

  /** Made by {@link NgramBuilder}, usually through readArpa. */
  constructor(
    readonly order: number,
    ids: ReadonlyMap<string, number>,
    table: NgramTable,
    arrays: NgramArrays,
  ) {
    this.#ids = ids
    this.#table = table
    this.#arrays = arrays
    this.#unknown = UNKNOWNS.map((word) => ids.get(word)).find((id) => id !== undefined)
  }

  /** n-grams of all lengths. */
  get count(): number {
    return this.#arrays.logP.length - 1
  }

  get words(): Iterable<string> {
    return this.#ids.keys()
  }

  has(word: string): boolean {
    return this.#ids.has(word)
  }

  /** Where a sentence begins: after `<s>`, or nowhere in a model without it. */
  get begin(): NgramState {
    const id = this.#ids.get(BEGIN)
    return id === undefined ? EMPTY : this.#after(EMPTY, id)
  }

  /** The state before anything is known. */
  get empty(): NgramState {
    return EMPTY
  }

  /** p(word | state) and the state after the word; a word that the model lacks counts as `<unk>`. */
  step(state: NgramState, word: string): NgramStep {
    const id = this.#ids.get(word) ?? this.#unknown
    if (id === undefined) return { logProbability: NEVER_LOG10 * Math.LN10, state: EMPTY }
    return { logProbability: this.#log10(state, id) * Math.LN10, state: this.#after(state, id) }
  }

  /** p(`</s>` | state); 0 as a logarithm in a model that has no end of sentence. */
  end(state: NgramState): number {
    const id = this.#ids.get(END)
    return id === undefined ? 0 : this.#log10(state, id) * Math.LN10
  }

  /** Log p of a whole sentence with its end, natural logarithm. */
  sentence(words: Iterable<string>): number {
    let total = 0
    let state = this.begin
    for (const word of words) {
      const step = this.step(state, word)
      total += step.logProbability
      state = step.state
    }
    return total + this.end(state)
  }

  #log10(state: NgramState, word: number): number {
    const { logP, backOff, suffix } = this.#arrays
    let weight = 0
    for (let context = state; ; context = suffix[context] ?? EMPTY) {
      const node = this.#table.get(context, word)
      const own = node === undefined ? Number.NaN : (logP[node] ?? Number.NaN)
      if (!Number.isNaN(own)) return weight + own
      if (context === EMPTY) return NEVER_LOG10
      weight += backOff[context] ?? 0
    }
  }

  /** The longest context below the model's order that ends with the word. */
  #after(state: NgramState, word: number): NgramState {
    const { length, suffix } = this.#arrays
    for (let context = state; ; context = suffix[context] ?? EMPTY) {
      const node = this.#table.get(context, word)
      if (node !== undefined && (length[node] ?? 0) < this.order) return node
      if (node !== undefined) return suffix[node] ?? EMPTY
      if (context === EMPTY) return EMPTY
    }
  }
}
