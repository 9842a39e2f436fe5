/**
 * Network namespaces without names: each is held by a process that waits for the end of its standard input,
 * so that whatever happens to us the kernel removes namespaces and interfaces with the last process in them.
 * The same code serves root (`unshare -n`) and a user (`unshare -Urn`: all namespaces below one user namespace).
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import type { LabMode } from './capabilities.js'
import { ChildSet, endAll } from './child-set.js'
import { LAB_ID_VARIABLE } from './leftovers.js'
import type { LabSpawnOptions } from './network.js'

/** How long a holder may take to appear, and a command to run. */
const COMMAND_TIMEOUT_MS = 10_000

/** Announces that the namespace is there, then waits for the end of our pipe. */
const HOLDER_SCRIPT = 'echo ready; exec cat > /dev/null'

/** Counters of a qdisc: layer 2, segments of super-packets counted one by one. */
export interface Passed {
  readonly bytes: number
  readonly packets: number
  readonly dropped: number
}

/** Ethernet, IPv4 and UDP header, which each further segment of a super-packet brings. */
const SEGMENT_HEADER_BYTES = 42

interface Holder {
  readonly process: ChildProcess
  readonly pid: number
}

export class NamespaceSet {
  readonly #mode: LabMode
  readonly #labId: string
  readonly #holders = new Map<string, Holder>()
  readonly #children: ChildSet
  readonly #onExit = (): void => {
    for (const holder of this.#holders.values()) holder.process.kill('SIGKILL')
  }

  /** @param options `deathSignal`: setpriv is there */
  constructor(options: { readonly mode: LabMode; readonly labId: string; readonly deathSignal: boolean }) {
    this.#mode = options.mode
    this.#labId = options.labId
    this.#children = new ChildSet(options)
    process.once('exit', this.#onExit)
  }

  /** Makes a namespace. The first one made also makes the user namespace where one is needed. */
  async add(name: string): Promise<void> {
    const first = this.#holders.values().next().value
    const isUser = this.#mode === 'user-netns'
    const parent = isUser && first !== undefined ? enterUser(first.pid) : []
    const unshare = ['unshare', isUser && first === undefined ? '-Urn' : '-n']
    const [command = 'unshare', ...args] = [...parent, ...unshare, 'sh', '-c', HOLDER_SCRIPT]
    // Detached: a terminal's Ctrl-C must reach the daemons before their network goes.
    const child = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, [LAB_ID_VARIABLE]: this.#labId },
    })
    child.stdin.on('error', () => undefined)
    await ready(child, name)
    if (child.pid === undefined) throw new Error(`namespace ${name}: no holder process`)
    this.#holders.set(name, { process: child, pid: child.pid })
  }

  /** A process inside a namespace. @throws Error where there is no such namespace */
  holderPid(name: string): number {
    const holder = this.#holders.get(name)
    if (holder === undefined) throw new Error(`no namespace ${name} in this laboratory`)
    return holder.pid
  }

  /** Runs a short command inside; resolves to its standard output. @throws Error with its standard error */
  run(name: string, command: string, args: readonly string[], input = ''): Promise<string> {
    const [program = command, ...rest] = [...this.#enter(name), command, ...args]
    return new Promise((resolve, reject) => {
      const child = execFile(program, rest, { timeout: COMMAND_TIMEOUT_MS }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout)
        else reject(new Error(`${name}: ${command} ${args.join(' ')}: ${stderr.trim() || error.message}`))
      })
      child.stdin?.on('error', () => undefined)
      child.stdin?.end(input)
    })
  }

  /** Starts a process inside; it ends with us. */
  spawn(name: string, command: string, args: readonly string[], options: LabSpawnOptions = {}): ChildProcess {
    return this.#children.spawn(this.#enter(name), command, args, options)
  }

  /**
   * What a device's root qdisc has let pass and dropped. Its bytes are exact; its packets are not, since a
   * super-packet from a TUN counts as none. The device counts super-packets once and leaves out the headers of
   * their segments: the difference in bytes says how many there were. Exact while nothing is on the way.
   *
   * @throws Error where the device has no qdisc that counts
   */
  async passed(name: string, device: string): Promise<Passed> {
    const text = await this.run(name, 'tc', ['-s', 'qdisc', 'show', 'dev', device, 'root'])
    const match = /Sent (\d+) bytes (\d+) pkt \(dropped (\d+)/.exec(text)
    if (match === null) throw new Error(`${name}: no counters on ${device}`)
    const [bytes = 0, packets = 0, dropped = 0] = match.slice(1).map(Number)
    const sent = await this.#deviceSent(name, device)
    const segments = Math.max(0, Math.round((bytes - sent.bytes) / SEGMENT_HEADER_BYTES))
    return { bytes, packets: Math.max(packets, sent.packets + segments), dropped }
  }

  /** The device's own transmit counters, through the holder's /proc entry. */
  async #deviceSent(name: string, device: string): Promise<{ bytes: number; packets: number }> {
    const table = await readFile(`/proc/${this.holderPid(name)}/net/dev`, 'latin1')
    const row = table.split('\n').find((line) => line.trimStart().startsWith(`${device}:`)) ?? ''
    // Receive: bytes packets errs drop fifo frame compressed multicast; then the same for transmit.
    const fields = row
      .slice(row.indexOf(':') + 1)
      .trim()
      .split(/\s+/)
      .map(Number)
    return { bytes: fields[8] ?? 0, packets: fields[9] ?? 0 }
  }

  /** Ends every process inside, then lets go of the namespaces. */
  async close(): Promise<void> {
    process.removeListener('exit', this.#onExit)
    await this.#children.close()
    const holders = [...this.#holders.values()].map(({ process: holder }) => holder)
    this.#holders.clear()
    for (const holder of holders) holder.stdin?.end()
    await endAll(holders, 0)
  }

  #enter(name: string): string[] {
    const pid = this.holderPid(name)
    return this.#mode === 'user-netns' ? [...enterUser(pid), '-n'] : ['nsenter', '-t', String(pid), '-n']
  }
}

/** The owner of a user namespace has every right in it, so nobody needs to run the whole lab inside one. */
function enterUser(pid: number): string[] {
  return ['nsenter', '-t', String(pid), '-U', '--preserve-credentials']
}

/** Waits for the holder's word. */
function ready(child: ChildProcess, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let complaint = ''
    const fail = (): void => reject(new Error(`namespace ${name}: ${complaint.trim() || 'holder ended'}`))
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`namespace ${name}: not there after ${COMMAND_TIMEOUT_MS} ms`))
    }, COMMAND_TIMEOUT_MS)
    child.stderr?.on('data', (chunk: Buffer) => {
      complaint += chunk.toString()
    })
    child.once('error', (error) => {
      complaint = error.message
      clearTimeout(timer)
      fail()
    })
    child.once('exit', () => {
      clearTimeout(timer)
      fail()
    })
    child.stdout?.once('data', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
