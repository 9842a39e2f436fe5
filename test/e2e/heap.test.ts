/** What programs that stay hold of memory that they do not use. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ensureBuilt, start } from './cli-process.js'

/** It has 1 to 4 MB when it is kept small; 8 and more, up to 33, once it has grown. */
const MOST_BYTES = 6e6
const TELLER = `data:text/javascript,
import { getHeapSpaceStatistics } from 'node:v8'
const of = (name) => getHeapSpaceStatistics().find(({ space_name }) => space_name === name).space_size
process.on('exit', () => console.error(JSON.stringify({ youngBytes: of('new_space') })))`

const MALLOC = new URL('../../dist/node/malloc.js', import.meta.url).href
const HEAP = new URL('../../dist/node/heap.js', import.meta.url).href

let directory: string
beforeAll(async () => {
  ensureBuilt()
  directory = await mkdtemp(join(tmpdir(), 'plumbline-heap-'))
}, 120_000)
afterAll(() => rm(directory, { recursive: true, force: true }))

it('is small in a gateway that has loaded all that it needs', { timeout: 120_000 }, async () => {
  const env = { NODE_OPTIONS: `--import ${encodeURI(TELLER)}` }
  const args = [
    'gateway',
    '--local',
    '--models',
    'asr-small',
    '--listen',
    '127.0.0.1:0',
    '--data-dir',
    directory,
  ]
  const gateway = start([...args, '--json-stream'], { env })
  await expect.poll(() => gateway.stdout, { timeout: 100_000 }).toContain('"started"')
  gateway.child.kill('SIGTERM')
  await gateway.exit
  const told = /\{"youngBytes":.*\}/.exec(gateway.stderr)?.[0] ?? '{}'
  expect(JSON.parse(told).youngBytes).toBeLessThan(MOST_BYTES)
})

const isGlibc =
  process.platform === 'linux' &&
  'glibcVersionRuntime' in (process.report.getReport() as { header: object }).header

it.skipIf(!isGlibc)('is not the sounds that came and went, though something else lies between them', () => {
  const script = `
    import { readFileSync } from 'node:fs'
    import { loadMalloc } from ${JSON.stringify(MALLOC)}
    const ownMb = () => Number(/RssAnon:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1000
    const filled = (bytes) => Buffer.allocUnsafeSlow(bytes).fill(1)
    // Freed on another thread.
    const settled = () => new Promise((resolve) => setTimeout(resolve, 500))
    loadMalloc().ownPagesFrom(80 * 1024)
    // What glibc takes as a sign that large pieces come and go, and keeps them from then on.
    filled(20 * 2 ** 20)
    globalThis.gc()
    await settled()
    const before = ownMb()
    let sounds = []
    const kept = []
    for (let i = 0; i < 400; i++) {
      sounds.push(filled(200_000))
      kept.push(filled(5000))
    }
    const between = ownMb()
    sounds = []
    globalThis.gc()
    await settled()
    console.log(JSON.stringify({ grown: between - before, left: ownMb() - before, kept: kept.length }))`
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', '--input-type=module', '-e', script],
    {
      encoding: 'utf8',
    },
  )
  const told = JSON.parse(stdout || JSON.stringify({ stderr }))
  expect(told).toMatchObject({ kept: 400 })
  expect(told.grown).toBeGreaterThan(40)
  expect(told.left).toBeLessThan(told.grown / 4)
})

it('is collected between jobs, and not while the machine is needed; what is left lies together', () => {
  const script = `
    import { mock } from 'node:test'
    import { getHeapSpaceStatistics } from 'node:v8'
    mock.timers.enable({ apis: ['setInterval', 'setTimeout'] })
    const { collectBetweenJobs } = await import(${JSON.stringify(HEAP)})
    let isBusy = false
    collectBetweenJobs(() => isBusy)
    const old = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')
    const told = () => ({ usedMb: old().space_used_size / 1e6, heldMb: old().space_size / 1e6 })
    const kept = []
    // One in a hundred stays: without being moved, it holds the page of the others.
    const job = () => {
      let all = []
      for (let i = 0; i < 200_000; i++) all.push({ i, words: [i, i + 1, i + 2, i + 3, i + 4, i + 5] })
      globalThis.gc()
      globalThis.gc()
      for (let i = 0; i < all.length; i += 100) kept.push(all[i])
      all = undefined
    }
    mock.timers.tick(60_000)
    const first = told()
    job()
    const full = told()
    isBusy = true
    mock.timers.tick(60_000)
    for (let i = 0; i < 20; i++) mock.timers.tick(250)
    const busy = told()
    isBusy = false
    mock.timers.tick(250)
    const collected = told()
    console.log(JSON.stringify({ first, full, busy, collected, kept: kept.length }))`
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', '--input-type=module', '-e', script],
    {
      encoding: 'utf8',
    },
  )
  const { first, full, busy, collected, kept } = JSON.parse(stdout || JSON.stringify({ stderr }))
  expect(kept).toBe(2000)
  expect(full.usedMb - first.usedMb).toBeGreaterThan(15)
  expect(busy.usedMb).toBeGreaterThan(first.usedMb + 15)
  expect(collected.usedMb).toBeLessThan(first.usedMb + 2)
  expect(collected.heldMb).toBeLessThan(first.heldMb + 3)
})
