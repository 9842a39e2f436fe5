/** Opened by store.test.ts in a process of its own: takes locks, says so, and waits to be killed. */
import { openStore } from '../../../src/store/index.js'

const [directory = '', key = '', fill = '0'] = process.argv.slice(2)
const store = await openStore(directory)
const outcome = await store.signOnce(key, new Uint8Array(32).fill(Number(fill)))
const used = await store.useOnce(`id-${key}`, Date.now() + 3_600_000)
await store.usage.add('2026-01', 100)
await store.transcripts.put(`transcript-${key}`, new Uint8Array(1000).fill(Number(fill)))
process.stdout.write(`${outcome} ${used}\n`)
// Keeps writing, so that the kill lands in the middle of one.
for (let i = 0; ; i++) await store.useOnce(`filler-${key}-${i}`, Date.now() + 3_600_000)
