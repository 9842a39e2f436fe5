/** A disk that was full: what is acknowledged afterwards is found again. On a file system of its own, which takes root. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openStore } from '../../../src/store/index.js'

const directory = mkdtempSync(join(tmpdir(), 'plumbline-full-'))
const disk = join(directory, 'disk')
const HOUR = 3_600_000

function mounted(): boolean {
  try {
    execFileSync('mkdir', [disk])
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
const isMounted = mounted()
if (!isMounted) console.warn('a full disk is not tested: only root mounts one')
afterAll(() => {
  if (isMounted) execFileSync('umount', [disk])
  rmSync(directory, { recursive: true, force: true })
})

describe.skipIf(!isMounted)('a store whose disk was full', () => {
  it('says so where it cannot be opened, be it new or there already', async () => {
    const filler = join(disk, 'filler')
    const there = join(disk, 'there')
    await (await openStore(there)).close()
    try {
      writeFileSync(filler, Buffer.alloc(2 ** 21))
    } catch {
      // As much as there is room for.
    }
    for (const path of [there, join(disk, 'new')])
      await expect(openStore(path).then((store) => store.close())).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        line: `cannot open the store at ${path}: the disk is full; make room`,
      })
    rmSync(filler)
    for (const path of [there, join(disk, 'new')]) {
      await (await openStore(path)).close()
      rmSync(path, { recursive: true })
    }
  })

  it('loses nothing that it acknowledged, and goes on when there is room', async () => {
    const path = join(disk, 'store')
    const filler = join(disk, 'filler')
    const store = await openStore(path)
    const until = Date.now() + HOUR
    const acknowledged: string[] = []
    const use = async (id: string): Promise<boolean> => {
      const isFresh = await store.useOnce(id, until)
      acknowledged.push(id)
      return isFresh
    }
    await use('before')
    try {
      writeFileSync(filler, Buffer.alloc(2 ** 21))
    } catch {
      // As much as there is room for.
    }
    let refused = 0
    for (let i = 0; i < 1000 && refused < 5; i++)
      await use(`${i}-${'x'.repeat(100)}`).catch(() => {
        refused++
      })
    expect(refused).toBe(5)
    // What was written can be read all the while.
    expect(await store.useOnce('before', until)).toBe(false)
    rmSync(filler)
    for (let i = 0; i < 5; i++) expect(await use(`after ${i}`)).toBe(true)
    await store.close()
    const reopened = await openStore(path)
    for (const id of acknowledged) expect(await reopened.useOnce(id, until)).toBe(false)
    await reopened.close()
  })
})
