/** One command line from its words to its exit status: parse, run, report what went wrong. */
import { UserError } from '../errors.js'
import type { Command } from './command.js'
import type { CommandIo } from './io.js'
import type { OutputMode } from './output.js'
import { outputModeOf, parseCommandLine } from './parse.js'

/** 128 + SIGINT, as shells count. */
export const INTERRUPTED_STATUS = 130

export interface Program {
  readonly commands: readonly Command[]
  readonly version: string
}

/** Never throws: a failure is reported and becomes the status. */
export async function runCommandLine(
  args: readonly string[],
  { commands, version }: Program,
  ioFor: (mode: OutputMode) => CommandIo,
): Promise<number> {
  const io = ioFor(outputModeOf(args))
  try {
    const invocation = parseCommandLine(args, commands, version)
    if (invocation.kind === 'run') return (await invocation.command.run(invocation.raw, io)) ?? 0
    io.stdout.write(invocation.text)
    return 0
  } catch (error) {
    if (!isInterruption(error, io.signal)) return io.output.failure(error)
    io.output.failure(new UserError('interrupted', { code: 'INTERRUPTED' }))
    return INTERRUPTED_STATUS
  }
}

/** After a signal, whatever gave up is no news; a bug still is. */
function isInterruption(error: unknown, signal: AbortSignal): boolean {
  if (error instanceof UserError) return signal.aborted || error.code === 'INTERRUPTED'
  return signal.aborted && error instanceof Error && error.name === 'AbortError'
}
