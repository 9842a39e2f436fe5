/** Opcodes that carry a scalar in themselves: None, booleans, numbers, text and bytes. */

import type { PickleInput } from './input.js'
import {
  decimalFloat,
  decimalInteger,
  longInteger,
  python2String,
  quotedString,
  rawUnicode,
  utf8,
} from './text.js'
import { PickleError, type PickleValue } from './values.js'

const MAX_LONG_BYTES = 1024

/**
 * The value of a scalar opcode, its argument taken from `input`; undefined for every other opcode.
 * @throws PickleError where the argument is malformed or cut short
 */
export function readScalar(opcode: string, input: PickleInput): PickleValue | undefined {
  switch (opcode) {
    case 'N':
      return null
    case '\x88':
      return true
    case '\x89':
      return false
    case 'I': {
      const line = input.line()
      const text = String.fromCharCode(...line.subarray(0, 3))
      return text === '00' ? false : text === '01' ? true : decimalInteger(line)
    }
    case 'L':
      return decimalInteger(input.line())
    case 'J':
      return input.int32()
    case 'K':
      return input.uint(1)
    case 'M':
      return input.uint(2)
    case '\x8a':
      return longInteger(input.bytes(input.uint(1)))
    case '\x8b': {
      const length = input.uint(4)
      if (length > MAX_LONG_BYTES) throw new PickleError('an integer is too long')
      return longInteger(input.bytes(length))
    }
    case 'F':
      return decimalFloat(input.line())
    case 'G':
      return input.double()
    case 'S':
      return quotedString(input.line())
    case 'V':
      return rawUnicode(input.line())
    case 'T':
      return python2String(input.bytes(input.uint(4)))
    case 'U':
      return python2String(input.bytes(input.uint(1)))
    case 'X':
      return utf8(input.bytes(input.uint(4)))
    case '\x8c':
      return utf8(input.bytes(input.uint(1)))
    case '\x8d':
      return utf8(input.bytes(input.length8()))
    case 'B':
      return input.bytes(input.uint(4)).slice()
    case 'C':
      return input.bytes(input.uint(1)).slice()
    case '\x8e':
    case '\x96': // BYTEARRAY8
      return input.bytes(input.length8()).slice()
    default:
      return undefined
  }
}
