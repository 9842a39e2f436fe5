/**
 * What a command says: results on standard output, everything else on standard error. One object with `--json`, one
 * object a line with `--json-stream`.
 */
import { styleText } from 'node:util'
import { UserError } from '../errors.js'
import { printable } from './format.js'
import { explained } from './system-error.js'

export type OutputMode = 'human' | 'json' | 'json-stream'

/** As much of a stream as we need; tests hand in their own. */
export interface Terminal {
  write(text: string): void
  readonly isTTY: boolean
  readonly columns: number
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json | undefined }
/** Anything that JSON can say; interfaces without an index signature fit, too. */
export type JsonObject = object

const COLOURS = { bold: 'bold', dim: 'dim', good: 'green', warn: 'yellow', bad: 'red' } as const
export type Colour = keyof typeof COLOURS
export type Style = (colour: Colour, text: string) => string

/** Colours only on a terminal, and not where NO_COLOR (no-color.org) forbids them. */
export function styleFor(terminal: Terminal, env: Readonly<Record<string, string | undefined>>): Style {
  const plain = !terminal.isTTY || (env.NO_COLOR ?? '') !== '' || env.TERM === 'dumb'
  // The terminal has been asked about already.
  return (colour, text) => (plain ? text : styleText(COLOURS[colour], text, { validateStream: false }))
}

export class Output {
  constructor(
    readonly mode: OutputMode,
    readonly stdout: Terminal,
    readonly stderr: Terminal,
  ) {}

  get isJson(): boolean {
    return this.mode !== 'human'
  }

  /** The command's result: the object for programs, the text for people. */
  result(value: JsonObject, humanText: () => string): void {
    if (this.mode === 'human') this.stdout.write(`${humanText().trimEnd()}\n`)
    else if (this.mode === 'json') this.stdout.write(`${json(value, this.#indent())}\n`)
    else this.event('result', value)
  }

  /** Something happened; seen with `--json-stream` only. */
  event(name: string, value: JsonObject = {}): void {
    if (this.mode === 'json-stream') this.stdout.write(`${json({ event: name, ...value })}\n`)
  }

  /** A line of a result that comes piece by piece; programs get it as an event instead. */
  line(text: string): void {
    if (this.mode === 'human') this.stdout.write(`${text}\n`)
  }

  /** A remark for the person at the terminal. */
  note(line: string): void {
    if (this.mode === 'human') this.stderr.write(`${line}\n`)
  }

  warn(line: string): void {
    this.stderr.write(`plumbline: warning: ${printable(line)}\n`)
  }

  /** Reports the end of a command that failed. @returns its exit status */
  failure(thrown: unknown): number {
    const error = explained(thrown)
    const user = error instanceof UserError ? error : undefined
    const message = user?.message ?? (error instanceof Error ? error.message : String(error))
    const remedy = user?.remedy
    const body: Json = {
      error: { code: user?.code ?? 'INTERNAL', message, ...(remedy === undefined ? {} : { remedy }) },
    }
    try {
      if (this.mode === 'json') this.stdout.write(`${json(body, this.#indent())}\n`)
      else this.event('error', body)
    } catch {
      // Where standard output takes nothing the line on standard error is all there is.
    }
    if (user === undefined) {
      const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.stderr.write(`plumbline: this is a bug; please report it with these lines\n${stack}\n`)
      return 1
    }
    this.stderr.write(`plumbline: ${printable(user.line)}\n`)
    return user.exitStatus
  }

  #indent(): number | undefined {
    return this.stdout.isTTY ? 2 : undefined
  }
}

/** JSON leaves DEL and the upper control characters as they are, and terminals obey those, too. */
const json = (value: JsonObject, indent?: number): string =>
  JSON.stringify(value, null, indent).replace(
    /[\x7f-\x9f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
