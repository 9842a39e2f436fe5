/** The world of one command: its streams, its environment and the signal that ends it early. */
import type { Readable } from 'node:stream'
import { DEFAULT_COLUMNS } from './format.js'
import { Output, type OutputMode, type Style, styleFor, type Terminal } from './output.js'

/** Keyboard input; `setRawMode` exists on a terminal only. */
export type Keyboard = Readable & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown }

export interface CommandIo {
  readonly output: Output
  readonly stdin: Keyboard
  readonly stdout: Terminal
  readonly stderr: Terminal
  /** For text on standard output. */
  readonly style: Style
  /** Aborted by the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal
  readonly env: Readonly<Record<string, string | undefined>>
}

interface StandardStream {
  write(text: string): unknown
  readonly isTTY?: boolean
  readonly columns?: number
}

function terminal(stream: StandardStream): Terminal {
  return {
    write: (text) => void stream.write(text),
    isTTY: stream.isTTY === true,
    get columns() {
      // Some pseudo-terminals say 0.
      return stream.columns || DEFAULT_COLUMNS
    },
  }
}

/** The real one. */
export function processIo(mode: OutputMode, signal: AbortSignal): CommandIo {
  const stdout = terminal(process.stdout)
  const stderr = terminal(process.stderr)
  return {
    output: new Output(mode, stdout, stderr),
    stdin: process.stdin,
    stdout,
    stderr,
    style: styleFor(stdout, process.env),
    signal,
    env: process.env,
  }
}
