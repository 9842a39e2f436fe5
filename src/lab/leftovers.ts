/**
 * Finds what a crashed lab left behind. Every process of a lab carries the lab's id in its environment:
 * `<pid>.<start time>.<random>` of the process that built it. Where that process is gone, so must they be.
 */
import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'

/** The variable that carries the id. */
export const LAB_ID_VARIABLE = 'PLUMBLINE_LAB_ID'

/** Field 22 of /proc/pid/stat, counted behind the parenthesised name (proc(5)). */
const START_TIME_FIELD_AFTER_NAME = 19

/** Start time of a process in clock ticks since boot; null where there is no such process. */
async function startTime(pid: number): Promise<string | null> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // A zombie is as good as gone.
    return fields[0] === 'Z' ? null : (fields[START_TIME_FIELD_AFTER_NAME] ?? null)
  } catch {
    return null
  }
}

/** An id that no other lab has: pid and start time of this process, and 32 random bits. */
export async function newLabId(): Promise<string> {
  const started = (await startTime(process.pid)) ?? '0'
  return `${process.pid}.${started}.${randomBytes(4).toString('hex')}`
}

/** Processes of this user that carry a lab's id, with that id. Empty where there is no /proc. */
export async function labProcesses(): Promise<{ readonly pid: number; readonly labId: string }[]> {
  const entries = await readdir('/proc').catch(() => [])
  const found = await Promise.all(
    entries
      .filter((entry) => /^\d+$/.test(entry))
      .map(async (entry) => {
        const environment = await readFile(`/proc/${entry}/environ`, 'latin1').catch(() => '')
        const match = new RegExp(`(?:^|\\0)${LAB_ID_VARIABLE}=([^\\0]+)`).exec(environment)
        return { pid: Number(entry), labId: match?.[1] }
      }),
  )
  return found.flatMap(({ pid, labId }) => (labId === undefined ? [] : [{ pid, labId }]))
}

/**
 * Ends the processes of labs whose builder is dead; their namespaces and interfaces vanish with them.
 *
 * @returns how many processes were ended
 */
export async function sweepLeftovers(): Promise<number> {
  let ended = 0
  for (const { pid, labId } of await labProcesses()) {
    const [owner, ownerStart] = labId.split('.')
    if (pid === process.pid || owner === undefined || !/^\d+$/.test(owner)) continue
    if ((await startTime(Number(owner))) === ownerStart) continue
    try {
      process.kill(pid, 'SIGKILL')
      ended += 1
    } catch {
      // Gone by itself in the meantime.
    }
  }
  return ended
}
