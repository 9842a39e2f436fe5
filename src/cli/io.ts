/** The world of one command: its streams, its environment and the signal that ends it early. */
import { fstatSync, writeFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { DEFAULT_COLUMNS } from './format.js'
import { Output, type OutputMode, type Style, styleFor, type Terminal } from './output.js'
import { unwritten } from './system-error.js'

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

const STDOUT = 1

/** Whether it is a file, or a device that is no terminal. */
function isFileLike(fd: number): boolean {
  try {
    const status = fstatSync(fd)
    return status.isFile() || status.isCharacterDevice()
  } catch {
    // It is closed, and Node has put /dev/null there.
    return false
  }
}

/**
 * Into a file it is written here: Node's stream tells of a full disk when the command is over, and of a write that the
 * system did by half never. @throws UserError where it is not written
 */
function writerOf(stream: StandardStream, fd: number | undefined): (text: string) => void {
  if (fd === undefined || stream.isTTY === true || !isFileLike(fd)) return (text) => void stream.write(text)
  return (text) => {
    try {
      writeFileSync(fd, text)
    } catch (error) {
      throw unwritten(error)
    }
  }
}

function terminal(stream: StandardStream, fd?: number): Terminal {
  return {
    write: writerOf(stream, fd),
    isTTY: stream.isTTY === true,
    get columns() {
      // Some pseudo-terminals say 0.
      return stream.columns || DEFAULT_COLUMNS
    },
  }
}

/** The real one. */
export function processIo(mode: OutputMode, signal: AbortSignal): CommandIo {
  const stdout = terminal(process.stdout, STDOUT)
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
