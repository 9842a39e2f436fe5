/**
 * A pickle machine that executes nothing. Globals come from an allow-list handed in, and "calling" one runs a
 * function of ours on plain data; any other name ends the reading before the next opcode. The walk is a loop
 * (no recursion), its opcodes, stack, memo, bytes and memory are bounded.
 *
 * Opcodes: CPython Lib/pickletools.py, protocols 0 to 5, without the extension registry and out-of-band buffers.
 */

import { bytesOf, ENTRY_BYTES, PickleBudget, SLOT_BYTES } from './budget.js'
import type { PickleInput } from './input.js'
import { appendAll, build, setAll } from './mutate.js'
import { readScalar } from './scalars.js'
import { decimalInteger, utf8 } from './text.js'
import { ForbiddenGlobalError, PickleError, PickleGlobal, type PickleValue } from './values.js'

/** A 1B-parameter optimizer checkpoint takes about one million. */
const MAX_OPCODES = 20_000_000
/** Items between a MARK and its end: dict entries of one state dict. */
const MAX_STACK = 4_000_000
const MAX_MEMO = 4_000_000
const HIGHEST_PROTOCOL = 5

export interface PickleHost {
  /** `module.name` as the pickle spells it -> what it means, or undefined where it is not allowed. */
  readonly global: (name: string) => PickleGlobal | undefined
  /** What a persistent id stands for (PyTorch: a storage). @throws PickleError */
  readonly persistent: (id: PickleValue) => PickleValue
}

/**
 * Reads one pickle, up to its STOP.
 * @throws ForbiddenGlobalError naming the first global that is not allowed
 * @throws PickleError for everything malformed or over a limit
 */
export function unpickle(input: PickleInput, host: PickleHost): PickleValue {
  return new Machine(input, host).run()
}

class Machine {
  readonly #in: PickleInput
  readonly #host: PickleHost
  #stack: PickleValue[] = []
  /** Stacks set aside by MARK. */
  readonly #marks: PickleValue[][] = []
  #setAside = 0
  readonly #memo = new Map<number, PickleValue>()
  readonly #budget = new PickleBudget()

  constructor(input: PickleInput, host: PickleHost) {
    this.#in = input
    this.#host = host
  }

  run(): PickleValue {
    for (let count = 0; count < MAX_OPCODES; count++) {
      const opcode = String.fromCharCode(this.#in.byte())
      if (opcode === '.') return this.#pop()
      if (!this.#scalar(opcode) && !this.#container(opcode) && !this.#object(opcode))
        throw new PickleError(`it has the unknown opcode 0x${opcode.charCodeAt(0).toString(16)}`)
      if (this.#stack.length + this.#setAside > MAX_STACK) throw new PickleError('its stack grows too high')
    }
    throw new PickleError(`it has more than ${MAX_OPCODES} opcodes`)
  }

  /** Opcodes of framing and the memo, and those that push a scalar. */
  #scalar(opcode: string): boolean {
    const input = this.#in
    switch (opcode) {
      case '\x80':
        if (input.byte() > HIGHEST_PROTOCOL) throw new PickleError('its protocol is too new')
        return true
      case '\x95': // FRAME: a hint for buffered readers
        input.length8()
        return true
      case 'p':
        return this.#remember(Number(decimalInteger(input.line())))
      case 'q':
        return this.#remember(input.uint(1))
      case 'r':
        return this.#remember(input.uint(4))
      case '\x94':
        return this.#remember(this.#memo.size)
      case 'g':
        return this.#recall(Number(decimalInteger(input.line())))
      case 'h':
        return this.#recall(input.uint(1))
      case 'j':
        return this.#recall(input.uint(4))
      default: {
        const value = readScalar(opcode, input)
        return value === undefined ? false : this.#push(value)
      }
    }
  }

  /** Opcodes of lists, tuples, dicts, sets and the stack. */
  #container(opcode: string): boolean {
    switch (opcode) {
      case '(':
        this.#budget.spend(ENTRY_BYTES)
        this.#marks.push(this.#stack)
        this.#setAside += this.#stack.length + 1
        this.#stack = []
        return true
      case '0':
        this.#pop()
        return true
      case '1':
        this.#popMark()
        return true
      case '2':
        return this.#pushAgain(this.#top())
      case ')':
        return this.#push(tuple([]))
      case 't':
        return this.#push(tuple(this.#popMark()))
      case '\x85':
        return this.#push(tuple(this.#popCount(1)))
      case '\x86':
        return this.#push(tuple(this.#popCount(2)))
      case '\x87':
        return this.#push(tuple(this.#popCount(3)))
      case ']':
        return this.#push([])
      case 'l':
        return this.#push(this.#popMark())
      case 'a': {
        const item = this.#pop()
        this.#budget.spend(ENTRY_BYTES)
        appendAll(this.#top(), [item])
        return true
      }
      case 'e':
      case '\x90': {
        // APPENDS, ADDITEMS
        const items = this.#popMark()
        this.#budget.spend(ENTRY_BYTES * items.length)
        appendAll(this.#top(), items)
        return true
      }
      case '}':
        return this.#push(new Map())
      case 'd': {
        const dict = new Map<PickleValue, PickleValue>()
        setAll(dict, this.#popMark())
        // Charged with its entries, as is every container that is made at once.
        return this.#push(dict)
      }
      case 's': {
        const pair = this.#popCount(2)
        this.#budget.spend(ENTRY_BYTES)
        setAll(this.#top(), pair)
        return true
      }
      case 'u': {
        const pairs = this.#popMark()
        this.#budget.spend((ENTRY_BYTES * pairs.length) / 2)
        setAll(this.#top(), pairs)
        return true
      }
      case '\x8f':
        return this.#push(new Set())
      case '\x91':
        return this.#push(new Set(this.#popMark()))
      default:
        return false
    }
  }

  /** Opcodes that name or call something. */
  #object(opcode: string): boolean {
    switch (opcode) {
      case 'c': {
        const module = utf8(this.#in.line())
        return this.#push(this.#global(module, utf8(this.#in.line())))
      }
      case '\x93': {
        const [module, name] = this.#popCount(2)
        if (typeof module !== 'string' || typeof name !== 'string')
          throw new PickleError('a global has no name')
        return this.#push(this.#global(module, name))
      }
      case 'R':
      case '\x81': {
        // REDUCE, NEWOBJ
        const [callee, args] = this.#popCount(2)
        return this.#push(call(callee, args))
      }
      case '\x92': {
        // NEWOBJ_EX: keyword arguments are not used by anything on the list
        const [callee, args, keywords] = this.#popCount(3)
        if (!(keywords instanceof Map) || keywords.size > 0) throw new PickleError('keyword arguments')
        return this.#push(call(callee, args))
      }
      case 'i': {
        const module = utf8(this.#in.line())
        const callee = this.#global(module, utf8(this.#in.line()))
        return this.#push(call(callee, tuple(this.#popMark())))
      }
      case 'o': {
        const [callee, ...args] = this.#popMark()
        return this.#push(call(callee, tuple(args)))
      }
      case 'b': {
        const state = this.#pop()
        build(this.#top(), state)
        return true
      }
      case 'P':
        return this.#push(this.#host.persistent(utf8(this.#in.line())))
      case 'Q':
        return this.#push(this.#host.persistent(this.#pop()))
      default:
        return false
    }
  }

  #global(module: string, name: string): PickleGlobal {
    const global = this.#host.global(`${module}.${name}`)
    if (global === undefined) throw new ForbiddenGlobalError(`${module}.${name}`)
    return global
  }

  /** A new value. */
  #push(value: PickleValue): true {
    this.#budget.spend(bytesOf(value))
    this.#stack.push(value)
    return true
  }

  /** A value that is known already. */
  #pushAgain(value: PickleValue): true {
    this.#budget.spend(SLOT_BYTES)
    this.#stack.push(value)
    return true
  }

  #top(): PickleValue {
    const value = this.#stack.at(-1)
    if (value === undefined) throw new PickleError('its stack runs empty')
    return value
  }

  #pop(): PickleValue {
    const value = this.#stack.pop()
    if (value === undefined) throw new PickleError('its stack runs empty')
    return value
  }

  #popCount(count: number): PickleValue[] {
    if (this.#stack.length < count) throw new PickleError('its stack runs empty')
    return this.#stack.splice(-count)
  }

  #popMark(): PickleValue[] {
    const outer = this.#marks.pop()
    if (outer === undefined) throw new PickleError('a mark is missing')
    const items = this.#stack
    this.#stack = outer
    this.#setAside -= outer.length + 1
    return items
  }

  #remember(index: number): true {
    if (this.#memo.size >= MAX_MEMO) throw new PickleError('its memo grows too large')
    this.#budget.spend(ENTRY_BYTES)
    this.#memo.set(index, this.#top())
    return true
  }

  #recall(index: number): true {
    const value = this.#memo.get(index)
    if (value === undefined) throw new PickleError(`its memo has no entry ${index}`)
    return this.#pushAgain(value)
  }
}

function tuple(items: PickleValue[]): PickleValue[] {
  Object.freeze(items)
  return items
}

function call(callee: PickleValue | undefined, args: PickleValue | undefined): PickleValue {
  if (!(callee instanceof PickleGlobal)) throw new PickleError('it calls something that is no global')
  if (!Array.isArray(args)) throw new PickleError(`${callee.name} has no argument tuple`)
  return callee.call(args)
}
