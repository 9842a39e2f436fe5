/** How large V8's young generation has grown in programs that stay: it shrinks in none that always has something to do. */
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
