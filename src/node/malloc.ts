/**
 * What glibc's malloc keeps of freed memory between what is in use: sounds come and go in pieces of 100 KB to a megabyte, and
 * free pages in the middle of its heap stay with the process otherwise, as many as there ever were at once.
 * https://man7.org/linux/man-pages/man3/malloc_trim.3.html, https://man7.org/linux/man-pages/man3/mallopt.3.html
 */
import { createRequire } from 'node:module'

export interface Malloc {
  /** Gives back the free pages. */
  trim(): void
  /** From so many bytes on a piece has pages of its own, which go back when it is freed; malloc raises that by itself otherwise. */
  ownPagesFrom(bytes: number): void
}

const M_MMAP_THRESHOLD = -3

/** Undefined where there is no such thing: other systems, and other C libraries. */
export function loadMalloc(): Malloc | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
    const libc = koffi.load(null)
    const trim = libc.func('malloc_trim', 'int', ['size_t']) as (pad: number) => number
    const mallopt = libc.func('mallopt', 'int', ['int', 'int']) as (what: number, value: number) => number
    return { trim: () => void trim(0), ownPagesFrom: (bytes) => void mallopt(M_MMAP_THRESHOLD, bytes) }
  } catch {
    return undefined
  }
}
