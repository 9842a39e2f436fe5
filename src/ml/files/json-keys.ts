/**
 * Counts the keys that a JSON object spells out at its top level. `JSON.parse` keeps the last of two equal
 * keys in silence; comparing counts shows the duplicate.
 */

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a

/** @param json text that `JSON.parse` has accepted */
export function topLevelKeys(json: string): number {
  let depth = 0
  let keys = 0
  for (let i = 0; i < json.length; i++) {
    const code = json.charCodeAt(i)
    if (code === QUOTE) {
      i++
      while (json.charCodeAt(i) !== QUOTE) i += json.charCodeAt(i) === BACKSLASH ? 2 : 1
    } else if (code === 0x7b || code === 0x5b) depth++
    else if (code === 0x7d || code === 0x5d) depth--
    else if (code === COLON && depth === 1) keys++
  }
  return keys
}
