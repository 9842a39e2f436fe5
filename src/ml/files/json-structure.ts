/**
 * What a JSON text is made of, told before it is parsed. A text of some megabytes can ask for gigabytes of objects, and
 * one that nests deeper than the call stack breaks whatever walks over it; neither is worth parsing. The count of keys
 * shows a name that is spelled twice, of which `JSON.parse` keeps the last in silence.
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const COMMA = 0x2c

/** Checkpoint files nest 3 to 6 deep. */
const MAX_DEPTH = 64
/** Brackets, colons and commas: a header of 250,000 tensors or a vocabulary of two million words. */
const MAX_MARKS = 4_000_000

/** A text that no sound file holds; the readers turn it into a line that names the file. */
export class JsonStructureError extends Error {
  override readonly name = 'JsonStructureError'
}

export interface JsonStructure {
  /** Keys that the object spells out at its top level, repeats counted. */
  readonly topLevelKeys: number
}

/**
 * @param json any text; of one that is no JSON the result means nothing
 * @throws JsonStructureError for more than 64 levels or four million marks
 */
export function jsonStructure(json: string): JsonStructure {
  let depth = 0
  let marks = 0
  let topLevelKeys = 0
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i)
    if (code === QUOTE) {
      i++
      while (i < json.length && json.charCodeAt(i) !== QUOTE) i += json.charCodeAt(i) === BACKSLASH ? 2 : 1
      continue
    }
    const isOpening = code === 0x7b || code === 0x5b
    const isClosing = code === 0x7d || code === 0x5d
    if (isOpening) depth++
    else if (isClosing) depth--
    else if (code === COLON && depth === 1) topLevelKeys++
    if (isOpening || isClosing || code === COLON || code === COMMA) marks++
    if (depth > MAX_DEPTH) throw new JsonStructureError(`nests deeper than ${MAX_DEPTH} levels`)
    if (marks > MAX_MARKS)
      throw new JsonStructureError(`has more than ${MAX_MARKS} brackets, colons and commas`)
  }
  return { topLevelKeys }
}
