/** Clocks that jump and a disk that is full: what was signed or used stays so, and nothing is granted that is not on the disk. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openStore } from '../../../src/store/index.js'

const digest = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
const MINUTE = 60_000
const YEAR = 366 * 24 * 60 * MINUTE

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plumbline-trouble-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

describe('a clock', () => {
  it('that jumps ahead and is set back makes no id usable again', async () => {
    const trueMs = 1_750_000_000_000
    let nowMs = trueMs
    const open = () => openStore(join(directory, 'store'), { now: () => nowMs })
    let store = await open()
    expect(await store.useOnce('accept/1', trueMs + 2 * MINUTE)).toBe(true)
    await store.close()
    // A day ahead, through a start that sweeps out what has expired.
    nowMs = trueMs + 1440 * MINUTE
    store = await open()
    expect(await store.useOnce('other', nowMs + MINUTE)).toBe(true)
    await store.close()
    nowMs = trueMs
    store = await open()
    expect(await store.useOnce('accept/1', trueMs + 2 * MINUTE)).toBe(false)
    // The price is small: what expires no later than what was swept out is refused.
    expect(await store.useOnce('accept/2', trueMs + 3 * MINUTE)).toBe(true)
    await store.close()
  })

  it('that is years wrong at a start forgets no lock', async () => {
    const trueMs = 1_750_000_000_000
    let nowMs = trueMs
    const open = () => openStore(join(directory, 'store'), { now: () => nowMs })
    let store = await open()
    expect(await store.signOnce('result', digest(1))).toBe('granted')
    await store.close()
    for (const wrong of [trueMs + 10 * YEAR, 0]) {
      nowMs = wrong
      store = await open()
      expect(await store.signOnce('result', digest(2))).toBe('conflict')
      await store.close()
    }
    // Locks older than the newest by the retention go.
    nowMs = trueMs + 3 * YEAR
    store = await open()
    expect(await store.signOnce('newer', digest(3))).toBe('granted')
    await store.close()
    store = await open()
    expect(await store.lockedDigest('result')).toBeUndefined()
    await store.close()
  })
})

const canMount = process.platform === 'linux' && process.getuid?.() === 0 && tryMount()

/** Containers often forbid it. */
function tryMount(): boolean {
  const { status } = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt'])
  return status === 0
}
if (!canMount) process.stderr.write('unit store: no file system of its own to fill: skipped\n')

describe.skipIf(!canMount)('a full disk', () => {
  it('grants nothing that is not on it, and loses nothing that was granted', async () => {
    const mount = (...args: string[]) => spawnSync('mount', args).status
    expect(mount('-t', 'tmpfs', '-o', 'size=6m', 'none', directory)).toBe(0)
    try {
      const path = join(directory, 'store')
      let store = await openStore(path)
      const filler = join(directory, 'filler')
      const granted: number[] = []
      let refused = 0
      for (let i = 0; i < 50; i++)
        if ((await store.signOnce(`lock/${i}`, digest(i))) === 'granted') granted.push(i)
      await writeFile(filler, new Uint8Array(8 << 20)).catch(() => undefined)
      for (let i = 50; i < 5000 && refused < 20; i++)
        try {
          if ((await store.signOnce(`lock/${i}`, digest(i & 255))) === 'granted') granted.push(i)
        } catch {
          refused++
        }
      expect(refused).toBe(20)
      await store.close().catch(() => undefined)
      await rm(filler)
      store = await openStore(path)
      for (const i of granted)
        expect(await store.signOnce(`lock/${i}`, digest((i + 1) & 255))).toBe('conflict')
      // There is room again, and the store goes on.
      expect(await store.signOnce('after', digest(1))).toBe('granted')
      await store.close()
    } finally {
      spawnSync('umount', [directory])
    }
  })
})
