/**
 * Gives back what glibc's malloc keeps of freed memory between what is in use: sounds come and go in pieces of a megabyte,
 * and free pages in the middle of its heap stay with the process otherwise. https://man7.org/linux/man-pages/man3/malloc_trim.3.html
 */
import { createRequire } from 'node:module'

/** Undefined where there is no such thing: other systems, and other C libraries. */
export function loadMallocTrim(): (() => void) | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
    const trim = koffi.load(null).func('malloc_trim', 'int', ['size_t']) as (pad: number) => number
    return () => void trim(0)
  } catch {
    return undefined
  }
}
