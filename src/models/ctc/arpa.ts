/** ARPA files of n-gram models, plain or gzipped, read as a stream, a line at a time. */

import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { UserError } from '../../errors.js'
import { FileSource } from '../../ml/files/byte-source.js'
import { printable, refuse } from '../../ml/files/refuse.js'
import { NgramBuilder, type NgramModel } from './ngram.js'
import { SIDE } from './ngram-table.js'

/** Longest line taken: an n-gram of ten long words is far below. */
const MAX_LINE_CHARACTERS = 1 << 14
/** Published models go to 5 or 6. */
const MAX_ORDER = 10
/** Header lines before `\1-grams:`; comments may precede `\data\`. */
const MAX_HEADER_LINES = 1000
/** A gzipped file of a megabyte can hold a thousand million empty lines. */
const MAX_EMPTY_LINES = 100_000
/** As many as a Map of JavaScript holds with room to spare; the largest published models have two million. */
const MAX_WORDS = 8_000_000
const NO_DATA = 'there is no \\data\\ so far; is it an ARPA file?'
/** How KenLM's binary files begin. */
const KENLM_BINARY = 'mmap lm http'

export interface ArpaOptions {
  /** n-grams of all lengths that are taken; each costs some 45 bytes. 20 million unless told. */
  readonly maxNgrams?: number
}

const DEFAULT_MAX_NGRAMS = 20_000_000
/** Of one n-gram while a model is read: its table and its numbers, both grown by doubling. */
const NGRAM_BYTES = 110
/** Of one word: its text and its place in a Map. */
const WORD_BYTES = 200

/** What an ARPA file announces. */
export interface ArpaSize {
  /** By length, 1 first. */
  readonly ngrams: readonly number[]
  /** That reading it may take at most, beside JavaScript's heap. */
  readonly memoryBytes: number
  /** Of JavaScript's heap. */
  readonly heapBytes: number
}

/** Reads the head alone. @throws UserError as {@link readArpa} does */
export async function arpaSize(path: string, options: ArpaOptions = {}): Promise<ArpaSize> {
  const reader = new ArpaReader(path, options.maxNgrams ?? DEFAULT_MAX_NGRAMS)
  await readLines(path, (line) => reader.line(line) || reader.hasBegun)
  if (!reader.hasBegun) reader.finish()
  const { announced } = reader
  return {
    ngrams: announced,
    memoryBytes: NGRAM_BYTES * announced.reduce((sum, count) => sum + count, 0),
    heapBytes: WORD_BYTES * (announced[0] ?? 0),
  }
}

/** The first `most` words, read no further than needed. @throws UserError as {@link readArpa} does */
export async function firstArpaWords(path: string, most: number): Promise<readonly string[]> {
  const reader = new ArpaReader(path, DEFAULT_MAX_NGRAMS)
  let isEnough = false
  await readLines(path, (line) => {
    const isOver = reader.line(line)
    isEnough = reader.hasAllWords || reader.wordCount >= most
    return isOver || isEnough
  })
  if (!isEnough) reader.finish()
  return [...reader.words].slice(0, most)
}

/**
 * @param path of a `.arpa` or `.arpa.gz` file; gzip is told by its first bytes.
 * @throws UserError that names the line, for anything that is not a complete ARPA model.
 */
export async function readArpa(path: string, options: ArpaOptions = {}): Promise<NgramModel> {
  const reader = new ArpaReader(path, options.maxNgrams ?? DEFAULT_MAX_NGRAMS)
  await readLines(path, (line) => reader.line(line))
  return reader.finish()
}

/** @param take returns true where no more is wanted */
async function readLines(path: string, take: (line: string) => boolean): Promise<void> {
  const source = await FileSource.open(path)
  const head = await source.read(0, Math.min(KENLM_BINARY.length, source.size)).finally(() => source.close())
  if (Buffer.from(head).toString('latin1') === KENLM_BINARY)
    throw refuse(path, 'is a KenLM binary, which does not run here', {
      remedy: 'give the ARPA file that it was built from',
    })
  const file = createReadStream(path)
  const isGzip = head[0] === 0x1f && head[1] === 0x8b
  const stream: Readable = isGzip ? file.pipe(createGunzip()) : file
  file.once('error', (error) => stream.destroy(error))
  try {
    for await (const line of lines(stream, path)) if (take(line)) break
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_'))
      throw refuse(path, 'its gzip data is damaged', { cause: error })
    throw error
  } finally {
    stream.destroy()
    file.destroy()
  }
}

/** Lines without their ends. */
async function* lines(stream: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const bytes of stream) {
    const parts = (rest + decoder.decode(bytes, { stream: true })).split('\n')
    rest = parts.pop() ?? ''
    if (rest.length > MAX_LINE_CHARACTERS)
      throw refuse(path, `has a line of more than ${MAX_LINE_CHARACTERS} characters`)
    yield* parts
  }
  if (rest !== '') yield rest
}

class ArpaReader {
  readonly #path: string
  readonly #maxNgrams: number
  #number = 0
  /** Announced counts by length - 1. */
  readonly announced: number[] = []
  #section: 'before' | 'counts' | number = 'before'
  #seen = 0
  #empty = 0
  #builder = new NgramBuilder(0)
  #isComplete = false

  constructor(path: string, maxNgrams: number) {
    this.#path = path
    this.#maxNgrams = Math.min(maxNgrams, SIDE - 2)
  }

  /** @returns true at the end of the model. */
  line(raw: string): boolean {
    this.#number++
    const line = raw.trim()
    if (line === '') {
      if (++this.#empty > MAX_EMPTY_LINES) throw this.#fault('there are too many empty lines')
      return false
    }
    if (line === '\\end\\') {
      this.#closeSection()
      if (this.#section !== this.announced.length) throw this.#fault('ends before all sections came')
      this.#isComplete = true
      return true
    }
    const header = /^\\(\d+)-grams:$/.exec(line)
    if (header !== null) this.#open(Number(header[1]))
    else if (this.#section === 'before') this.#before(line)
    else if (this.#section === 'counts') this.#count(line)
    else this.#ngram(this.#section, line)
    return false
  }

  /** Whether all counts were read. */
  get hasBegun(): boolean {
    return typeof this.#section === 'number'
  }

  /** Whether the section of 1-grams is over. */
  get hasAllWords(): boolean {
    return typeof this.#section === 'number' && this.#section > 1
  }

  get words(): Iterable<string> {
    return this.#builder.words
  }

  get wordCount(): number {
    return this.#builder.wordCount
  }

  finish(): NgramModel {
    if (this.#section === 'before') throw this.#fault(NO_DATA)
    if (!this.#isComplete) throw refuse(this.#path, `breaks off after line ${this.#number}, before \\end\\`)
    return this.#builder.build()
  }

  #before(line: string): void {
    if (line === '\\data\\') this.#section = 'counts'
    else if (this.#number > MAX_HEADER_LINES) throw this.#fault(NO_DATA)
  }

  #count(line: string): void {
    const match = /^ngram\s+(\d+)\s*=\s*(\d+)$/.exec(line)
    if (match === null) throw this.#fault(`"${printable(line)}" is no count`)
    if (Number(match[1]) !== this.announced.length + 1) throw this.#fault('the counts are not in order')
    if (this.announced.length === MAX_ORDER) throw this.#fault(`n-grams are longer than ${MAX_ORDER}`)
    this.announced.push(Number(match[2]))
    if ((this.announced[0] ?? 0) > MAX_WORDS)
      throw refuse(this.#path, `line ${this.#number}: ${this.announced[0]} words, more than ${MAX_WORDS}`, {
        remedy: 'prune the model',
      })
    const total = this.announced.reduce((a, b) => a + b, 0)
    if (total > this.#maxNgrams)
      throw refuse(
        this.#path,
        `line ${this.#number}: ${total} n-grams exceed the limit of ${this.#maxNgrams}`,
        { remedy: 'prune the model' },
      )
  }

  #open(length: number): void {
    if (this.#section === 'before') throw this.#fault('a section before \\data\\')
    if (this.#section === 'counts') {
      if (this.announced.length === 0) throw this.#fault('no counts before the first section')
      this.#builder = new NgramBuilder(this.announced.length)
    }
    const expected = this.#section === 'counts' ? 1 : this.#section + 1
    this.#closeSection()
    if (length !== expected || length > this.announced.length)
      throw this.#fault(`the section of ${length}-grams is out of place`)
    this.#section = length
    this.#seen = 0
  }

  #closeSection(): void {
    if (typeof this.#section !== 'number') return
    const announced = this.announced[this.#section - 1] ?? 0
    if (this.#seen !== announced)
      throw this.#fault(`${this.#seen} ${this.#section}-grams came, ${announced} were announced`)
  }

  #ngram(length: number, line: string): void {
    if (++this.#seen > (this.announced[length - 1] ?? 0))
      throw this.#fault(`more ${length}-grams than were announced`)
    const fields = line.split(/[\t ]+/)
    if (fields.length !== length + 1 && fields.length !== length + 2)
      throw this.#fault(`${fields.length} fields, a ${length}-gram has ${length + 1} or ${length + 2}`)
    const logP = this.#logarithm(fields[0] ?? '')
    const backOff = fields.length === length + 2 ? this.#logarithm(fields[length + 1] ?? '') : 0
    if (logP > 1e-6) throw this.#fault(`${logP} is no logarithm of a probability`)
    const reason = this.#builder.add(fields.slice(1, length + 1), logP, backOff)
    if (reason !== undefined) throw this.#fault(printable(reason))
  }

  #logarithm(text: string): number {
    if (/^-inf$/i.test(text)) return -99
    const value = Number(text)
    if (text === '' || !Number.isFinite(value)) throw this.#fault(`"${printable(text)}" is no number`)
    return value
  }

  #fault(reason: string): UserError {
    return refuse(this.#path, `line ${this.#number}: ${reason}`)
  }
}
