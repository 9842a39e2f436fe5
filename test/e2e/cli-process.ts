/** The built command line as a process of its own, in an environment without our variables. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
export const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** Compiles what has changed; next to nothing where nothing has. */
export function ensureBuilt(): void {
  const { stderr } = spawnSync(process.execPath, ['scripts/bootstrap.mjs', 'build'], { cwd: root })
  if (!existsSync(MAIN)) throw new Error(`the command line cannot be built: ${stderr}`)
}

export interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Piped into it; nothing at all unless given. */
  readonly input?: string | Uint8Array
  /** Whether more is piped into it later: `child.stdin`. */
  readonly isInputOpen?: boolean
}

const environment = (options: CliOptions): Record<string, string> => ({
  PATH: process.env.PATH ?? '',
  // Nobody's real data directory is touched, whatever a test forgets.
  HOME: '/nonexistent',
  ...options.env,
})

/** A command that ends by itself. */
export async function cli(args: readonly string[], options: CliOptions = {}): Promise<Outcome> {
  return ended(start(args, options))
}

export interface Running {
  readonly child: ChildProcess
  stdout: string
  stderr: string
  readonly exit: Promise<number | null>
}

export function start(args: readonly string[], options: CliOptions = {}): Running {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: environment(options),
    cwd: options.cwd ?? root,
    stdio: [options.input === undefined && options.isInputOpen !== true ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  // A command that refuses early leaves its input unread.
  child.stdin?.on('error', () => undefined)
  if (options.isInputOpen !== true) child.stdin?.end(options.input)
  const running: Running = {
    child,
    stdout: '',
    stderr: '',
    exit: new Promise((resolve) => child.once('close', (status) => resolve(status))),
  }
  child.stdout?.on('data', (chunk) => {
    running.stdout += String(chunk)
  })
  child.stderr?.on('data', (chunk) => {
    running.stderr += String(chunk)
  })
  return running
}

export async function ended(running: Running): Promise<Outcome> {
  const status = await running.exit
  return { status, stdout: running.stdout, stderr: running.stderr }
}

/** Waits until the standard output shows it. @throws where the process ends first or the time is up */
export async function shows(running: Running, pattern: RegExp, timeoutMs = 20_000): Promise<RegExpExecArray> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const match = pattern.exec(running.stdout)
    if (match !== null) return match
    if (running.child.exitCode !== null || Date.now() > deadline)
      throw new Error(`${pattern} was not shown:\n${running.stdout}\n${running.stderr}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
