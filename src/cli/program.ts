/** The command line of this process, from its arguments to its exit status. */
import '../node/polyfills.js'
import { readFileSync } from 'node:fs'
import { letYoungGenerationGrow } from '../node/heap.js'
import { COMMANDS } from './commands.js'
import { processIo } from './io.js'
import { outputModeOf } from './parse.js'
import { INTERRUPTED_STATUS, runCommandLine } from './run.js'
import { unwritten } from './system-error.js'

/** 128 + SIGTERM, as shells count. */
const TERMINATED_STATUS = 143

function version(): string {
  const path = new URL('../../package.json', import.meta.url)
  const { version: found } = JSON.parse(readFileSync(path, 'utf8')) as { readonly version: string }
  return found
}

/** `plumbline verify x | head -1` closes our output early: that is no error of ours. */
function onUnwritten(error: NodeJS.ErrnoException): never {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0)
  process.stderr.write(`plumbline: ${unwritten(error).line}\n`)
  process.exit(1)
}
process.stdout.on('error', onUnwritten)
// What cannot be told ends no command: its result goes elsewhere.
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0)
})

// The first signal asks the command to end; the second ends the process whatever it does.
const interruption = new AbortController()
let interruptedStatus = INTERRUPTED_STATUS
/** process.exit would wait for a key derivation or a lookup in the thread pool; the signal itself does not. */
function endAtOnce(name: 'SIGINT' | 'SIGTERM'): void {
  process.removeAllListeners(name)
  process.kill(process.pid, name)
}
const onSignal = (name: 'SIGINT' | 'SIGTERM', status: number) =>
  process.on(name, () => {
    if (interruption.signal.aborted) return endAtOnce(name)
    interruptedStatus = status
    interruption.abort()
  })
onSignal('SIGINT', INTERRUPTED_STATUS)
onSignal('SIGTERM', TERMINATED_STATUS)

// Those that stay keep it small.
letYoungGenerationGrow()
const args = process.argv.slice(2)
// Whatever escapes a promise or a timer is a bug; the stack helps to find it.
process.on('uncaughtException', (error) => {
  process.exit(processIo(outputModeOf(args), interruption.signal).output.failure(error))
})

const status = await runCommandLine(args, { commands: COMMANDS, version: version() }, (mode) =>
  processIo(mode, interruption.signal),
)
process.exitCode = status === INTERRUPTED_STATUS ? interruptedStatus : status
// Sockets and workers that a command forgot must not keep a finished command alive; standard output drains first.
if (process.stdout.writableLength === 0) process.exit()
process.stdout.write('', (error) => (error ? onUnwritten(error) : process.exit()))
