#!/usr/bin/env node
import '../node/polyfills.js'
import { readFileSync } from 'node:fs'
import { UserError } from '../errors.js'
import { COMMANDS } from './commands.js'
import { processIo } from './io.js'
import { outputModeOf, parseCommandLine } from './parse.js'

/** 128 + SIGINT and SIGTERM, as shells count. */
const INTERRUPTED = 130
const TERMINATED = 143

function version(): string {
  const path = new URL('../../package.json', import.meta.url)
  const { version: found } = JSON.parse(readFileSync(path, 'utf8')) as { readonly version: string }
  return found
}

/** `plumbline verify x | head -1` closes our output early: that is no error of ours. */
function endQuietlyOnClosedPipe(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0)
      throw error
    })
}

/** The first signal asks the command to end; the second ends the process whatever it does. */
function interruptible(): { readonly signal: AbortSignal; readonly status: () => number | undefined } {
  const controller = new AbortController()
  let status: number | undefined
  const listen = (name: 'SIGINT' | 'SIGTERM', exitStatus: number) =>
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(exitStatus)
      status = exitStatus
      controller.abort()
    })
  listen('SIGINT', INTERRUPTED)
  listen('SIGTERM', TERMINATED)
  return { signal: controller.signal, status: () => status }
}

async function main(args: readonly string[]): Promise<number> {
  endQuietlyOnClosedPipe()
  const interruption = interruptible()
  const early = processIo(outputModeOf(args), interruption.signal)
  try {
    const invocation = parseCommandLine(args, COMMANDS, version())
    if (invocation.kind === 'print') {
      early.stdout.write(invocation.text)
      return 0
    }
    const io = processIo(invocation.mode, interruption.signal)
    return (await invocation.command.run(invocation.raw, io)) ?? 0
  } catch (error) {
    const status = interruption.status()
    if (status === undefined || !endedBySignal(error)) return early.output.failure(error)
    early.output.failure(new UserError('interrupted', { code: 'INTERRUPTED' }))
    return status
  }
}

/** After a signal, whatever gave up is no news; a bug still is. */
function endedBySignal(error: unknown): boolean {
  return error instanceof UserError || (error instanceof Error && error.name === 'AbortError')
}

/** Whatever escapes a promise or a timer is a bug; the stack helps to find it. */
process.on('uncaughtException', (error) => {
  process.exit(
    processIo(outputModeOf(process.argv.slice(2)), new AbortController().signal).output.failure(error),
  )
})

process.exitCode = await main(process.argv.slice(2))
// Sockets and workers that a command forgot must not keep a finished command alive; standard output drains first.
process.stdout.write('', () => process.exit())
