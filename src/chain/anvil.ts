/** Foundry's local chain as a child process that ends with us, whatever happens to us. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { UserError } from '../errors.js'

export const HARDFORKS = ['cancun', 'prague', 'osaka'] as const
export type Hardfork = (typeof HARDFORKS)[number]

export interface AnvilOptions {
  /** Loopback unless a person says otherwise. */
  readonly host?: string | undefined
  /** 0: any free one. */
  readonly port?: number | undefined
  readonly chainId?: number | undefined
  readonly hardfork?: Hardfork | undefined
  /** A block at every so many seconds besides one for each transaction; 0: for transactions only. */
  readonly blockTimeSeconds?: number | undefined
  /** Unix seconds of its first block, from where its clock runs on; the machine's time unless given. */
  readonly startsAtSeconds?: number | undefined
  /** No blocks but those that are asked for (anvil_mine), in tests. */
  readonly noMining?: boolean | undefined
}

export interface Anvil {
  readonly url: string
  readonly port: number
  /** Resolves when the process ended. */
  readonly exited: Promise<void>
  stop(): Promise<void>
}

const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 3000
/** What it printed, for the message where it does not start. */
const KEPT_OUTPUT = 4000

/**
 * Ends anvil when our end of its standard input closes, which also a kill -9 of ours does. `wait` gives its status on.
 */
const KEEPER =
  'exec 3<&0; "$@" 3<&- </dev/null & pid=$!; (cat <&3 >/dev/null; kill "$pid" 2>/dev/null) & ' +
  'trap \'kill "$pid" 2>/dev/null\' TERM INT; wait "$pid"'

/**
 * The binary: of the npm package @foundry-rs/anvil, or on the PATH.
 * @throws UserError NOT_FOUND with the way to get it
 */
export function anvilBinary(env: Readonly<Record<string, string | undefined>> = process.env): string {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch
  const file = process.platform === 'win32' ? 'anvil.exe' : 'anvil'
  const require = createRequire(import.meta.url)
  try {
    const manifest = require.resolve(`@foundry-rs/anvil-${process.platform}-${architecture}/package.json`)
    return join(dirname(manifest), 'bin', file)
  } catch {
    const found = (env.PATH ?? '')
      .split(delimiter)
      .map((directory) => join(directory, file))
      .find((path) => existsSync(path))
    if (found !== undefined) return found
    throw new UserError('the local chain needs anvil, which is not installed', {
      code: 'NOT_FOUND',
      remedy: 'run "npm install @foundry-rs/anvil", or put foundry\'s anvil on the PATH',
    })
  }
}

/** Starts anvil and resolves once it answers. @throws UserError NOT_FOUND, UNAVAILABLE */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const { host = '127.0.0.1', port = 0, chainId = 31337, hardfork = 'prague', blockTimeSeconds = 0 } = options
  const binary = anvilBinary()
  // It writes to ~/.foundry, which may not be writable.
  const home = await mkdtemp(join(tmpdir(), 'plumbline-anvil-'))
  const mining = options.noMining
    ? ['--no-mining']
    : blockTimeSeconds > 0
      ? ['--block-time', String(blockTimeSeconds), '--mixed-mining']
      : []
  const args = ['--host', host, '--port', String(port), '--chain-id', String(chainId)]
  args.push('--hardfork', hardfork, ...mining)
  if (options.startsAtSeconds !== undefined) args.push('--timestamp', String(options.startsAtSeconds))
  const isPosix = process.platform !== 'win32'
  const child = spawn(
    isPosix ? 'sh' : binary,
    isPosix ? ['-c', KEEPER, 'sh', binary, ...args] : args,
    // A group of its own: Ctrl-C reaches us first, and we end it in order.
    { env: { ...process.env, HOME: home }, stdio: ['pipe', 'pipe', 'pipe'], detached: isPosix },
  )
  const exited = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', () => resolve())
  }).then(() => rm(home, { recursive: true, force: true }))
  const stop = async () => {
    endGroup(child, 'SIGTERM')
    const timer = setTimeout(() => endGroup(child, 'SIGKILL'), STOP_TIMEOUT_MS)
    await exited
    clearTimeout(timer)
  }
  try {
    const listening = await listeningPort(child)
    return { url: `http://${host}:${listening}`, port: listening, exited, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function endGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  child.stdin?.destroy()
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  try {
    if (process.platform === 'win32') child.kill(signal)
    else process.kill(-child.pid, signal)
  } catch {
    // It ended in between.
  }
}

/** From the line "Listening on 127.0.0.1:8545"; the rest of its output is read and dropped. */
function listeningPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let output = ''
    const failed = (what: string) =>
      new UserError(`anvil ${what}${lastLine(output)}`, {
        code: 'UNAVAILABLE',
        remedy: 'choose another --port, or look at what it says',
      })
    const timer = setTimeout(() => reject(failed('did not start in time')), START_TIMEOUT_MS)
    const take = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-KEPT_OUTPUT)
      const port = /Listening on \S+:(\d+)/.exec(output)?.[1]
      if (port === undefined) return
      clearTimeout(timer)
      resolve(Number(port))
    }
    child.stdout?.on('data', take)
    child.stderr?.on('data', take)
    child.once('error', (error) => reject(failed(`cannot be run (${error.message})`)))
    child.once('close', () => {
      clearTimeout(timer)
      reject(failed('ended'))
    })
  })
}

function lastLine(output: string): string {
  const line = output
    .split('\n')
    .map((each) => each.trim())
    .findLast((each) => each !== '')
  return line === undefined ? '' : `: ${line.slice(0, 200)}`
}
