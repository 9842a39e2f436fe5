/** The processes of one laboratory: started under its id, tied to our life, ended together. */
import { type ChildProcess, spawn } from 'node:child_process'
import { LAB_ID_VARIABLE } from './leftovers.js'
import type { LabSpawnOptions } from './network.js'

/** How long daemons have to stop by themselves before they are killed. */
const STOP_GRACE_MS = 3000

export class ChildSet {
  readonly #labId: string
  readonly #guard: readonly string[]
  readonly #children = new Set<ChildProcess>()
  readonly #onExit = (): void => {
    for (const child of this.#children) child.kill('SIGKILL')
  }

  /** @param options `deathSignal`: setpriv is there, so that the kernel kills children whose parent has died */
  constructor(options: { readonly labId: string; readonly deathSignal: boolean }) {
    this.#labId = options.labId
    this.#guard = options.deathSignal ? ['setpriv', '--pdeathsig', 'KILL', '--'] : []
    process.once('exit', this.#onExit)
  }

  /** @param prefix words before the command, such as `nsenter` and its flags */
  spawn(
    prefix: readonly string[],
    command: string,
    args: readonly string[],
    options: LabSpawnOptions = {},
  ): ChildProcess {
    const [program = command, ...rest] = [...prefix, ...this.#guard, command, ...args]
    const child = spawn(program, rest, {
      ...options,
      env: { ...(options.env ?? process.env), [LAB_ID_VARIABLE]: this.#labId },
    })
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    child.once('error', () => this.#children.delete(child))
    return child
  }

  /** Asks all to stop, kills those that do not; resolves when all are gone. */
  async close(): Promise<void> {
    process.removeListener('exit', this.#onExit)
    await endAll([...this.#children], STOP_GRACE_MS)
  }
}

/** SIGTERM, then SIGKILL after the grace (at once where it is 0); resolves when all are gone. */
export async function endAll(children: readonly ChildProcess[], graceMs: number): Promise<void> {
  const running = children.filter((child) => child.exitCode === null && child.signalCode === null)
  const gone = running.map((child) => new Promise<void>((resolve) => child.once('exit', () => resolve())))
  for (const child of running) child.kill(graceMs > 0 ? 'SIGTERM' : 'SIGKILL')
  const timer = setTimeout(() => {
    for (const child of running) child.kill('SIGKILL')
  }, graceMs)
  await Promise.all(gone)
  clearTimeout(timer)
}
