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

export interface ArpaOptions {
  /** n-grams of all lengths that are taken; each costs some 45 bytes. 20 million unless told. */
  readonly maxNgrams?: number
}

const DEFAULT_MAX_NGRAMS = 20_000_000

/**
 * @param path of a `.arpa` or `.arpa.gz` file; gzip is told by its first bytes.
 * @throws UserError that names the line, for anything that is not a complete ARPA model.
 */
export async function readArpa(path: string, options: ArpaOptions = {}): Promise<NgramModel> {
  const source = await FileSource.open(path)
  const head = await source.read(0, Math.min(2, source.size)).finally(() => source.close())
  const file = createReadStream(path)
  const isGzip = head[0] === 0x1f && head[1] === 0x8b
  const stream: Readable = isGzip ? file.pipe(createGunzip()) : file
  file.once('error', (error) => stream.destroy(error))
  const reader = new ArpaReader(path, options.maxNgrams ?? DEFAULT_MAX_NGRAMS)
  try {
    for await (const line of lines(stream, path)) if (reader.line(line)) break
  } catch (error) {
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_'))
      throw refuse(path, 'its gzip data is damaged', { cause: error })
    throw error
  } finally {
    stream.destroy()
    file.destroy()
  }
  return reader.finish()
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
  readonly #announced: number[] = []
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
      if (this.#section !== this.#announced.length) throw this.#fault('ends before all sections came')
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

  finish(): NgramModel {
    if (!this.#isComplete) throw refuse(this.#path, `breaks off after line ${this.#number}, before \\end\\`)
    return this.#builder.build()
  }

  #before(line: string): void {
    if (line === '\\data\\') this.#section = 'counts'
    else if (this.#number > MAX_HEADER_LINES)
      throw this.#fault('there is no \\data\\ in the first lines; is it an ARPA file?')
  }

  #count(line: string): void {
    const match = /^ngram\s+(\d+)\s*=\s*(\d+)$/.exec(line)
    if (match === null) throw this.#fault(`"${printable(line)}" is no count`)
    if (Number(match[1]) !== this.#announced.length + 1) throw this.#fault('the counts are not in order')
    if (this.#announced.length === MAX_ORDER) throw this.#fault(`n-grams are longer than ${MAX_ORDER}`)
    this.#announced.push(Number(match[2]))
    const total = this.#announced.reduce((a, b) => a + b, 0)
    if (total > this.#maxNgrams)
      throw refuse(
        this.#path,
        `line ${this.#number}: ${total} n-grams exceed the limit of ${this.#maxNgrams}`,
        {
          remedy: 'prune the model, or raise the limit',
        },
      )
  }

  #open(length: number): void {
    if (this.#section === 'before') throw this.#fault('a section before \\data\\')
    if (this.#section === 'counts') {
      if (this.#announced.length === 0) throw this.#fault('no counts before the first section')
      this.#builder = new NgramBuilder(this.#announced.length)
    }
    const expected = this.#section === 'counts' ? 1 : this.#section + 1
    this.#closeSection()
    if (length !== expected || length > this.#announced.length)
      throw this.#fault(`the section of ${length}-grams is out of place`)
    this.#section = length
    this.#seen = 0
  }

  #closeSection(): void {
    if (typeof this.#section !== 'number') return
    const announced = this.#announced[this.#section - 1] ?? 0
    if (this.#seen !== announced)
      throw this.#fault(`${this.#seen} ${this.#section}-grams came, ${announced} were announced`)
  }

  #ngram(length: number, line: string): void {
    if (++this.#seen > (this.#announced[length - 1] ?? 0))
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
