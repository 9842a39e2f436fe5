/**
 * Dimensions of a shape: a number, or a name ('time') and what arithmetic makes of it ('floor((time-10)/5)+1').
 * Symbolic dimensions are affine sums over atoms, kept in one canonical spelling, so that equal sizes compare with
 * `===` and print readably in an error.
 */

/** A size known now, or the canonical text of one known only when the graph runs. */
export type Dim = number | string

interface Affine {
  readonly terms: ReadonlyMap<string, number>
  readonly constant: number
}

/** Splits at the operators of the outermost level, keeping each operator with the part after it. */
function splitOutside(text: string, isSplit: (character: string) => boolean): string[] {
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i)
    if (character === '(') depth++
    else if (character === ')') depth--
    else if (depth === 0 && i > start && isSplit(character)) {
      parts.push(text.slice(start, i))
      start = i
    }
  }
  parts.push(text.slice(start))
  return parts
}

function parse(dim: Dim): Affine {
  if (typeof dim === 'number') return { terms: new Map(), constant: dim }
  const terms = new Map<string, number>()
  let constant = 0
  for (const part of splitOutside(dim, (c) => c === '+' || c === '-')) {
    const negative = part.startsWith('-')
    const body = part.replace(/^[+-]/, '')
    const match = /^(\d+)(?:\*(.+))?$/.exec(body)
    const coefficient = (match ? Number(match[1]) : 1) * (negative ? -1 : 1)
    const atom = match ? match[2] : body
    if (atom === undefined) constant += coefficient
    else terms.set(atom, (terms.get(atom) ?? 0) + coefficient)
  }
  return { terms, constant }
}

function print({ terms, constant }: Affine): Dim {
  let text = ''
  for (const [atom, coefficient] of [...terms].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (coefficient === 0) continue
    const size = Math.abs(coefficient)
    text += `${coefficient < 0 ? '-' : text === '' ? '' : '+'}${size === 1 ? '' : `${size}*`}${atom}`
  }
  if (text === '') return constant
  return constant === 0 ? text : `${text}${constant < 0 ? '' : '+'}${constant}`
}

function combine(a: Dim, b: Dim, sign: 1 | -1): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + sign * b
  const left = parse(a)
  const right = parse(b)
  const terms = new Map(left.terms)
  for (const [atom, coefficient] of right.terms) terms.set(atom, (terms.get(atom) ?? 0) + sign * coefficient)
  return print({ terms, constant: left.constant + sign * right.constant })
}

export const addDims = (a: Dim, b: Dim): Dim => combine(a, b, 1)
export const subtractDims = (a: Dim, b: Dim): Dim => combine(a, b, -1)

/** The product; atoms of a product are written in alphabetical order. */
export function multiplyDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a * b
  const left = parse(a)
  const right = parse(b)
  const terms = new Map<string, number>()
  let constant = 0
  const accumulate = (atom: string, coefficient: number): void => {
    if (atom === '') constant += coefficient
    else terms.set(atom, (terms.get(atom) ?? 0) + coefficient)
  }
  const factors = (dim: Affine): [string, number][] => [...dim.terms, ['', dim.constant]]
  for (const [atomA, coefficientA] of factors(left))
    for (const [atomB, coefficientB] of factors(right)) {
      const atoms = [atomA, atomB]
        .filter((atom) => atom !== '')
        .flatMap((atom) => splitOutside(atom, (c) => c === '*').map((part) => part.replace(/^\*/, '')))
      accumulate(atoms.sort().join('*'), coefficientA * coefficientB)
    }
  return print({ terms, constant })
}

/** floor(a / n) for an integer n > 0. */
export function floorDivideDim(a: Dim, n: number): Dim {
  if (n === 1) return a
  if (typeof a === 'number') return Math.floor(a / n)
  const { terms, constant } = parse(a)
  if ([...terms.values()].every((coefficient) => coefficient % n === 0))
    return print({
      terms: new Map([...terms].map(([atom, coefficient]) => [atom, coefficient / n])),
      constant: Math.floor(constant / n),
    })
  return `floor((${a})/${n})`
}

/** The number of elements of a list of dimensions. */
export const productOfDims = (dims: readonly Dim[]): Dim => dims.reduce<Dim>(multiplyDims, 1)

/** A factor of a term: a name, or floor(dividend / divisor). */
export type DimFactor = string | { readonly dividend: Dim; readonly divisor: number }

export interface DissectedDim {
  readonly terms: readonly { readonly coefficient: number; readonly factors: readonly DimFactor[] }[]
  readonly constant: number
}

/** A dimension as the sum of products that it is. */
export function dissectDim(dim: Dim): DissectedDim {
  const { terms, constant } = parse(dim)
  return {
    constant,
    terms: [...terms].map(([atom, coefficient]) => ({
      coefficient,
      factors: splitOutside(atom, (c) => c === '*').map((part): DimFactor => {
        const factor = part.replace(/^\*/, '')
        const division = /^floor\(\((.*)\)\/(\d+)\)$/.exec(factor)
        return division?.[1] === undefined ? factor : { dividend: division[1], divisor: Number(division[2]) }
      }),
    })),
  }
}

/** The value of a dimension where its names are known. @throws RangeError for a name without a value. */
export function evaluateDim(dim: Dim, values: Readonly<Record<string, number>>): number {
  const { terms, constant } = dissectDim(dim)
  const sizeOf = (factor: DimFactor): number => {
    if (typeof factor !== 'string') return Math.floor(evaluateDim(factor.dividend, values) / factor.divisor)
    const known = values[factor]
    if (known === undefined) throw new RangeError(`the dimension ${factor} has no value`)
    return known
  }
  return terms.reduce(
    (total, { coefficient, factors }) =>
      total + factors.reduce((product, factor) => product * sizeOf(factor), coefficient),
    constant,
  )
}
