/**
 * Real daemons on loopback whose disk is full, or whose clock is set: one clear line, nothing lost, and on with it afterwards. A
 * disk of its own is a tmpfs, which only root can mount: whoever is not is told so.
 */
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { dataPaths } from '../../src/config/paths.js'
import { addressOfPublicKey } from '../../src/crypto/address.js'
import type { MeasureResult } from '../../src/roles/measure-result.js'
import { askedAgain, checkKept } from './kill-campaign.js'
import { LocalNetwork, type Member } from './local-network.js'
import type { NodeProcess } from './node-process.js'

const run = promisify(execFile)
const SHIFTED = fileURLToPath(new URL('shifted-clock.mjs', import.meta.url))
const CHALLENGERS = 3
const DISK_MEBIBYTES = 16
/** Challenges until one succeeds again. */
const TRIES = 5
/** A clock is set by so much, there and back: more than any round's age, request's validity or slack between clocks. */
const JUMPS_MS = [3_600_000, -3_600_000, 90_000, -90_000]
/** Signals are handled between two turns of an event loop. */
const SETTLE_MS = 500

export type Victim = 'prover' | 'challenger' | 'payer'
export const VICTIMS: readonly Victim[] = ['challenger', 'prover', 'payer']

export interface FaultCase {
  readonly what: string
  readonly victim: Victim
  /** Of the measurements meanwhile: how many were signed all the same, and what the others said, a line each. */
  readonly meanwhile: {
    readonly done: number
    /** Of those, in how many the victim, a challenger, did not take part to the end. */
    readonly without: number
    readonly said: readonly string[]
  }
  /** What the victim itself wrote about it. */
  readonly logged: readonly string[]
  /** Measurements until one was signed again; undefined for never. */
  readonly recoveredAfter: number | undefined
  /** The victim ended, and had to be started again. */
  readonly restarted: boolean
  readonly violations: readonly string[]
}

/** Why no disk of a size can be had here; undefined where it can. */
export async function whyNoDisk(): Promise<string | undefined> {
  const directory = await mkdtemp(join(tmpdir(), 'plb-disk-'))
  try {
    await mountDisk(directory)
    await run('umount', [directory])
    return undefined
  } catch (error) {
    return `a disk of a known size needs root: ${error instanceof Error ? error.message.split('\n').at(-1) || error.message.split('\n')[0] : error}`
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const mountDisk = (directory: string) =>
  run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MEBIBYTES}m,mode=0700`, 'tmpfs', directory])

export async function diskFull(victim: Victim): Promise<FaultCase> {
  const network = await LocalNetwork.create({ challengers: CHALLENGERS })
  const member = memberOf(network, victim)
  const ballast = join(member.dataDir, 'ballast')
  let isMounted = false
  try {
    const copy = join(network.directory, 'copy')
    await cp(member.dataDir, copy, { recursive: true })
    await mountDisk(member.dataDir)
    isMounted = true
    await cp(copy, member.dataDir, { recursive: true })
    return await course(network, victim, 'disk full', {
      begin: () => fill(ballast),
      end: () => rm(ballast),
    })
  } finally {
    await network.stopAll()
    if (isMounted) await run('umount', [member.dataDir])
    await network.close()
  }
}

/** Until there is no room at all. */
async function fill(path: string): Promise<void> {
  await run('dd', ['if=/dev/zero', `of=${path}`, 'bs=64k']).catch(() => undefined)
  await run('dd', [
    'if=/dev/zero',
    `of=${path}`,
    'bs=1',
    'oflag=append',
    'conv=notrunc',
    'count=65536',
  ]).catch(() => undefined)
}

/** @param jumpMs by which the victim's clock is set, and set back afterwards */
export async function clockJump(victim: Victim, jumpMs: number): Promise<FaultCase> {
  const network = await LocalNetwork.create({ challengers: CHALLENGERS })
  const clock = join(network.directory, 'clock')
  await writeFile(clock, '0')
  const set = async (ms: number, running: NodeProcess | undefined) => {
    await writeFile(clock, String(ms))
    running?.kill('SIGUSR2')
    await sleep(SETTLE_MS)
  }
  try {
    const what = `clock ${jumpMs > 0 ? 'ahead' : 'back'} by ${Math.abs(jumpMs / 1000)} s`
    return await course(network, victim, what, {
      script: SHIFTED,
      env: { PLUMBLINE_TEST_CLOCK: clock },
      begin: (running) => set(jumpMs, running),
      end: (running) => set(0, running),
    })
  } finally {
    await network.close()
  }
}

export const clockJumps = (): readonly number[] => JUMPS_MS

interface Fault {
  readonly script?: string
  readonly env?: Readonly<Record<string, string>>
  readonly begin: (running: NodeProcess | undefined) => Promise<void>
  readonly end: (running: NodeProcess | undefined) => Promise<void>
}

const memberOf = (network: LocalNetwork, victim: Victim): Member => {
  const [challenger] = network.challengers
  if (challenger === undefined) throw new Error('no challenger')
  return { challenger, prover: network.prover, payer: network.payer }[victim]
}

/** Before, meanwhile, afterwards; then everybody stops, and what each has on its disk is compared. */
async function course(
  network: LocalNetwork,
  victim: Victim,
  what: string,
  { begin, end, ...options }: Fault,
): Promise<FaultCase> {
  const member = memberOf(network, victim)
  const published: string[] = []
  const flags: (readonly string[])[] = []
  const measure = async (): Promise<string | undefined> => {
    const args = network.measureArguments()
    const { code, stdout, stderr } = await network.run(args, victim === 'payer' ? options : {})
    if (code !== 0) return errorOf(stdout, stderr)
    const { transcript, challengers } = JSON.parse(stdout) as MeasureResult
    published.push(transcript.path)
    const own = addressOfPublicKey(member.identity.publicKey)
    const seen = challengers.find(({ address }) => address === own)
    flags.push(seen?.flags ?? [])
    return undefined
  }
  const start = (each: Member) => {
    const role = each === network.prover ? 'prover' : 'challenger'
    return network.daemon(role, each, each === member ? options : {})
  }
  const others = [network.prover, ...network.challengers].filter((each) => each !== member)
  await Promise.all(others.map(start))
  let running = victim === 'payer' ? undefined : await start(member)
  const first = await measure()
  if (first !== undefined) throw new Error(`nothing works before any fault: ${first}`)
  await begin(running)
  const loggedBefore = running?.stderr.length ?? 0
  const said: string[] = []
  for (let i = 0; i < 2; i++) {
    const failure = await measure()
    if (failure !== undefined) said.push(failure)
  }
  const missed = flags.slice(1).filter((each) => each.includes('unresponsive')).length
  const logged = linesOf(running?.stderr.slice(loggedBefore) ?? '')
  const wordless = endedInSilence(running)
  await end(running)
  const restarted = running?.isOver === true
  if (restarted) running = await start(member)
  let recoveredAfter: number | undefined
  for (let i = 1; i <= TRIES && recoveredAfter === undefined; i++)
    if ((await measure()) === undefined) recoveredAfter = i
  await network.stopAll()
  const again = victim === 'payer' ? { granted: [] } : await askedAgain(member, published)
  const { violations } = await checkKept(network, published)
  return {
    what,
    victim,
    meanwhile: { done: 2 - said.length, without: missed, said },
    logged,
    recoveredAfter,
    restarted,
    violations: [...wordless, ...again.granted, ...violations, ...(await strays(member))],
  }
}

/** A fault leaves no halves of files behind. */
async function strays({ dataDir }: Member): Promise<string[]> {
  const { transcripts } = dataPaths(dataDir)
  const names = await readdir(transcripts).catch(() => [])
  return names.filter((name) => name.endsWith('.tmp')).map((name) => `${name} was left behind`)
}

/** A daemon that ended without a word has told nobody why. */
function endedInSilence(running: NodeProcess | undefined): string[] {
  return running?.isOver === true && running.stderr === '' ? ['the daemon ended without a word'] : []
}

const linesOf = (text: string): string[] => {
  const lines = text.split('\n').filter((line) => line !== '')
  const messages = lines.map((line) => {
    try {
      const { msg, reason } = JSON.parse(line) as { readonly msg?: string; readonly reason?: string }
      return `${msg}${reason === undefined ? '' : `: ${reason}`}`
    } catch {
      return line
    }
  })
  return [...new Set(messages)].slice(0, 6)
}

/** The one line of a command that failed. */
function errorOf(stdout: string, stderr: string): string {
  try {
    const { error } = JSON.parse(stdout) as { readonly error?: { readonly message?: string } }
    if (error?.message !== undefined) return error.message
  } catch {
    // Not in JSON.
  }
  return linesOf(stderr).at(-1) ?? 'nothing'
}
