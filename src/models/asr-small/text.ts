/** The spelling that the recogniser reads and writes: lower-case words of a-z and the apostrophe, numbers in words. */

/** Classes of the CTC output: the blank first, then these. */
export const ALPHABET = " 'abcdefghijklmnopqrstuvwxyz"
export const BLANK = 0
export const CLASSES = ALPHABET.length + 1

const UNITS =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(
    ' ',
  )
const TENS = '_ _ twenty thirty forty fifty sixty seventy eighty ninety'.split(' ')
/** Longer runs of digits are read out one by one, as telephone numbers are. */
const MOST_DIGITS = 6

/** A whole number below a million in words. @throws RangeError outside of that. */
export function numberWords(value: number): string {
  if (!Number.isInteger(value) || value < 0 || value >= 1_000_000)
    throw new RangeError(`${value} is not a whole number below a million`)
  if (value < 20) return UNITS[value] ?? ''
  if (value < 100) return joined(TENS[Math.floor(value / 10)] ?? '', value % 10)
  if (value < 1000) return joined(`${UNITS[Math.floor(value / 100)]} hundred`, value % 100)
  return joined(`${numberWords(Math.floor(value / 1000))} thousand`, value % 1000)
}

const joined = (head: string, rest: number): string => (rest === 0 ? head : `${head} ${numberWords(rest)}`)

const digitWords = (digits: string): string =>
  digits.length > MOST_DIGITS || (digits.length > 1 && digits.startsWith('0'))
    ? [...digits].map((digit) => UNITS[Number(digit)]).join(' ')
    : numberWords(Number(digits))

/** A sentence in the recogniser's spelling; what is in brackets is a remark and goes. May be empty. */
export function normaliseText(text: string): string {
  return text
    .replace(/\[[^\]]*\]|<[^>]*>|\([^)]*\)/g, ' ')
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .replace(/[\u2018\u2019]/g, "'")
    .toLowerCase()
    .replace(/\b([a-z])\.(?=[a-z]\b)/g, '$1 ')
    .replace(/#/g, ' pound ')
    .replace(/\*/g, ' star ')
    .replace(/&/g, ' and ')
    .replace(/%/g, ' percent ')
    .replace(/(\d),(?=\d{3}\b)/g, '$1')
    .replace(/\d+/g, (digits) => ` ${digitWords(digits)} `)
    .replace(/[^a-z' ]+/g, ' ')
    .replace(/(^|\s)'+|'+(?=\s|$)/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
}

/** Words of a normalised text. */
export const wordsOf = (text: string): readonly string[] => (text === '' ? [] : text.split(' '))

/** Class numbers of a normalised text. @throws RangeError for a character that it cannot have. */
export function encodeText(text: string): readonly number[] {
  return [...text].map((character) => {
    const at = ALPHABET.indexOf(character)
    if (at < 0) throw new RangeError(`${JSON.stringify(character)} is not in the recogniser's alphabet`)
    return at + 1
  })
}

/** The text of class numbers: repeats merged, blanks dropped (Graves et al. 2006, section 3.1). */
export function collapsePath(path: ArrayLike<number>): string {
  let text = ''
  let last = BLANK
  for (let t = 0; t < path.length; t++) {
    const label = path[t] ?? BLANK
    if (label !== last && label !== BLANK) text += ALPHABET.charAt(label - 1)
    last = label
  }
  return text.replace(/\s+/g, ' ').trim()
}
