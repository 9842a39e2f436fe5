/** The decoder's session with its cache of keys and values: rows are chosen anew at each step. */
import type { Session, TensorValue, TensorValues } from '../../ml/session/session.js'
import type { TextDecoderConfig } from './config.js'
import type { DecoderState } from './search.js'

export class CachedDecoder implements DecoderState {
  readonly #session: Session
  readonly #config: TextDecoderConfig
  readonly #cross: TensorValues
  #past: TensorValues
  #seen = 0

  /** @param cross keys and values of one recording. */
  constructor(session: Session, config: TextDecoderConfig, cross: TensorValues) {
    this.#session = session
    this.#config = config
    this.#cross = cross
    const { blocks, heads, width } = config
    const empty: TensorValue = {
      dtype: 'float32',
      shape: [1, heads, 0, width / heads],
      data: new Float32Array(0),
    }
    this.#past = Object.fromEntries(
      Array.from({ length: blocks }, (_, i) => [`${i}.key`, `${i}.value`])
        .flat()
        .map((name) => [name, empty]),
    )
  }

  async step(from: readonly number[], tokens: readonly number[]): Promise<readonly Float32Array[]> {
    const { logits } = await this.read(
      from,
      tokens.map((token) => [token]),
    )
    const { vocabulary } = this.#config
    const data = logits?.data as Float32Array
    return tokens.map((_, row) => data.subarray(row * vocabulary, (row + 1) * vocabulary))
  }

  /**
   * @param from the row of the cache that each row goes on from. @param tokens as many in each row.
   * @returns `logits` [rows, steps, vocabulary] and what else the graph gives beside the cache.
   */
  async read(
    from: readonly number[],
    tokens: readonly (readonly number[])[],
  ): Promise<Record<string, TensorValue>> {
    const steps = tokens[0]?.length ?? 0
    for (const token of tokens.flat())
      if (!Number.isInteger(token) || token < 0 || token >= this.#config.vocabulary)
        throw new RangeError(`${token} is no token of a vocabulary of ${this.#config.vocabulary}`)
    const past = Object.entries(this.#past).map(([name, value]) => [`past.${name}`, rowsOf(value, from)])
    const outputs = await this.#session.run({
      ...this.#cross,
      ...Object.fromEntries(past),
      tokens: {
        dtype: 'int64',
        shape: [tokens.length, steps],
        data: BigInt64Array.from(tokens.flat(), BigInt),
      },
      seen: { dtype: 'int64', shape: [1], data: BigInt64Array.of(BigInt(this.#seen)) },
    })
    this.#seen += steps
    const present: [string, TensorValue][] = []
    const others: [string, TensorValue][] = []
    for (const [name, value] of Object.entries(outputs))
      if (name.startsWith('present.')) present.push([name.slice('present.'.length), value])
      else others.push([name, value])
    this.#past = Object.fromEntries(present)
    return Object.fromEntries(others)
  }
}

/** Rows of [rows, ...], chosen by number; itself where all stay. */
function rowsOf(value: TensorValue, rows: readonly number[]): TensorValue {
  const [count = 0, ...rest] = value.shape
  if (rows.length === count && rows.every((row, i) => row === i)) return value
  const size = rest.reduce((product, length) => product * length, 1)
  const from = value.data as Float32Array
  const data = new Float32Array(rows.length * size)
  for (const [i, row] of rows.entries()) data.set(from.subarray(row * size, (row + 1) * size), i * size)
  return { dtype: 'float32', shape: [rows.length, ...rest], data }
}
