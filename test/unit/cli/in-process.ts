/** Runs a command line without a process: streams that remember, and a keyboard that types what it is told. */
import { Readable } from 'node:stream'
import { COMMANDS } from '../../../src/cli/commands.js'
import type { CommandIo, Keyboard } from '../../../src/cli/io.js'
import { Output, type OutputMode, styleFor, type Terminal } from '../../../src/cli/output.js'
import { runCommandLine } from '../../../src/cli/run.js'

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  /** What a person types, answer by answer; without it there is no terminal. */
  readonly answers?: readonly string[]
  readonly columns?: number
  readonly signal?: AbortSignal
}

export interface RunOutcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

export class FakeTerminal implements Terminal {
  text = ''
  constructor(
    readonly isTTY: boolean,
    readonly columns = 80,
  ) {}
  write(text: string): void {
    this.text += text
  }
}

function keyboard(answers: readonly string[] | undefined): Keyboard {
  const stream: Keyboard = new Readable({ read: () => {} })
  if (answers === undefined) return stream
  stream.push(Buffer.from(answers.map((answer) => `${answer}\r`).join('')))
  return Object.assign(stream, { isTTY: true, setRawMode: () => stream })
}

export async function run(args: readonly string[], options: RunOptions = {}): Promise<RunOutcome> {
  const isTTY = options.answers !== undefined
  const stdout = new FakeTerminal(false, options.columns)
  const stderr = new FakeTerminal(isTTY, options.columns)
  const env = { NO_COLOR: '1', ...options.env }
  const ioFor = (mode: OutputMode): CommandIo => ({
    output: new Output(mode, stdout, stderr),
    stdin: keyboard(options.answers),
    stdout,
    stderr,
    style: styleFor(stdout, env),
    signal: options.signal ?? new AbortController().signal,
    env,
  })
  const status = await runCommandLine(args, { commands: COMMANDS, version: '0.0.0-test' }, ioFor)
  return { status, stdout: stdout.text, stderr: stderr.text }
}

/** The one line of a failure, without the program's name. */
export function complaint({ stderr }: RunOutcome): string {
  const lines = stderr.trimEnd().split('\n')
  if (lines.length !== 1 || !stderr.startsWith('plumbline: '))
    throw new Error(`expected one line of complaint, got:\n${stderr}`)
  return stderr.trimEnd().slice('plumbline: '.length)
}
