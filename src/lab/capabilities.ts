/** What this machine lets a laboratory do: namespaces as root, as a user, or a bottleneck in user space. */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Best first. `user-netns` is the same network inside a user namespace, `user-space` a relay on loopback. */
export type LabMode = 'root-netns' | 'user-netns' | 'user-space'

export interface LabCapabilities {
  readonly mode: LabMode
  /** /dev/net/tun can be opened: the delay relay works. Only asked where namespaces work. */
  readonly tun: boolean
  /** setpriv can tie a child's life to ours (`PR_SET_PDEATHSIG`). */
  readonly deathSignal: boolean
  /** What stands in the way of better, each with its remedy; empty where nothing does. */
  readonly missing: readonly { readonly what: string; readonly remedy: string }[]
  /** All of it in one line. */
  readonly line: string
}

/** Probes are a few system calls each; this long means that something hangs. */
const PROBE_TIMEOUT_MS = 5000

/** Exit statuses of the probe script, one for each thing that may be missing. */
const NO_VETH = 31
const NO_TBF = 32
const NO_TUN = 33
/** A namespace is thrown away with the script, and the interfaces with it. */
const PROBE_SCRIPT = [
  `ip link add probe0 type veth peer name probe1 || exit ${NO_VETH}`,
  `tc qdisc add dev probe0 root tbf rate 1mbit burst 3200 limit 10000 || exit ${NO_TBF}`,
  `ip tuntap add dev probe2 mode tun || exit ${NO_TUN}`,
].join('\n')

const MISSING: Readonly<Record<'ip' | 'tc' | 'unshare' | 'nsenter' | 'setpriv', string>> = {
  ip: 'install iproute2',
  tc: 'install iproute2 with tc',
  unshare: 'install util-linux',
  nsenter: 'install util-linux',
  setpriv: 'install util-linux',
}

/** Does a program exist? Each of these prints its version and ends. */
async function isInstalled(program: string): Promise<boolean> {
  try {
    await run(program, [program === 'ip' || program === 'tc' ? '-V' : '--version'], {
      timeout: PROBE_TIMEOUT_MS,
    })
    return true
  } catch (error) {
    // Busybox tools know no --version and exit non-zero, but they are there.
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}

/** Exit status of the probe script in a fresh namespace: 0 all there, 1 no namespace, or one of the above. */
async function probe(flags: readonly string[]): Promise<number> {
  try {
    await run('unshare', [...flags, 'sh', '-c', PROBE_SCRIPT], { timeout: PROBE_TIMEOUT_MS })
    return 0
  } catch (error) {
    const code = (error as { code?: unknown }).code
    return typeof code === 'number' ? code : 1
  }
}

/** Finds out what is possible here; never throws. Takes some 50 ms. */
export async function detectLabCapabilities(): Promise<LabCapabilities> {
  const missing: { what: string; remedy: string }[] = []
  if (process.platform !== 'linux') {
    missing.push({ what: `namespaces on ${process.platform}`, remedy: 'run the lab on Linux' })
    return summary('user-space', false, false, missing)
  }
  const programs = Object.entries(MISSING)
  const installed = await Promise.all(programs.map(([program]) => isInstalled(program)))
  for (const [index, [program, remedy]] of programs.entries())
    if (installed[index] === false) missing.push({ what: program, remedy })
  const deathSignal = !missing.some(({ what }) => what === 'setpriv')
  if (missing.some(({ what }) => what !== 'setpriv'))
    return summary('user-space', false, deathSignal, missing)

  const isRoot = process.getuid?.() === 0
  let mode: LabMode = 'root-netns'
  let status = isRoot ? await probe(['-n']) : 1
  if (status === 1) {
    mode = 'user-netns'
    status = await probe(['-Urn'])
  }
  if (status === 1)
    missing.push({
      what: 'network namespaces',
      remedy: 'run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)',
    })
  if (status === NO_VETH)
    missing.push({
      what: 'veth or the right to make one',
      remedy: 'run as root, or sysctl kernel.apparmor_restrict_unprivileged_userns=0; modprobe veth',
    })
  if (status === NO_TBF) missing.push({ what: 'the tbf qdisc', remedy: 'modprobe sch_tbf' })
  const tun = status === 0 && (await canOpenTun())
  if (status === NO_TUN || (status === 0 && !tun))
    missing.push({ what: '/dev/net/tun (delays)', remedy: 'modprobe tun; chmod 666 /dev/net/tun' })
  return summary(status === 0 || status === NO_TUN ? mode : 'user-space', tun, deathSignal, missing)
}

/** Readable and writable by us; the probe script has shown that the driver is there. */
async function canOpenTun(): Promise<boolean> {
  try {
    await access('/dev/net/tun', constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

const MODE_WORDS: Readonly<Record<LabMode, string>> = {
  'root-netns': 'network namespaces as root, tbf bottleneck',
  'user-netns': 'network namespaces inside a user namespace, tbf bottleneck',
  'user-space': 'user-space bottleneck on loopback',
}

function summary(
  mode: LabMode,
  tun: boolean,
  deathSignal: boolean,
  missing: LabCapabilities['missing'],
): LabCapabilities {
  const lacks = missing.map(({ what, remedy }) => `no ${what}: ${remedy}`)
  const relay = tun ? ', delay relay' : ''
  return { mode, tun, deathSignal, missing, line: [MODE_WORDS[mode] + relay, ...lacks].join('; ') }
}
