/** Processes that serve models, as Linux lists them. */
import { readdirSync, readFileSync } from 'node:fs'

/** Those this process started and that are there now. */
export function children(): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const [, parent] = / \S (\d+) /.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
        return (
          Number(parent) === process.pid &&
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('child-main')
        )
      } catch {
        return false
      }
    })
}
