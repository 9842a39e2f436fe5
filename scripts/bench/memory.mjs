#!/usr/bin/env node
/**
 * `npm run bench -- memory [--only base,mms-1b/int8] [--threads N] [--json]`: what models of published sizes take in
 * memory, beside what the catalogue says that they need, by which one that does not fit is refused.
 *
 * Checkpoints with random weights are written to the temporary folder, one at a time (4 GB for a billion parameters), and
 * removed; each is opened in the process that serves it at a provider, and given its largest piece of work: a recogniser a window of half a minute, a translator a minute with a beam of five that goes on
 * to the end, a voice its longest piece, a model of texts more tokens than it has positions. What the process took is the
 * most that was resident, as the kernel keeps it (VmHWM); of that its own, not mapped from files, is shown beside (looked
 * at every 20 ms). Linux alone tells these.
 *
 * Exit status 1 where a need is less than what was taken, or more than a quarter above it, or where more was set aside than
 * the limit that a provider's process would have had.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'
import { writeRandomCheckpoint } from '../random-checkpoint.mjs'
import { chosen } from './memory/cases.mjs'
import { inScratchFolder, roomBytes } from './memory/scratch.mjs'

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'memory'),
  options: {
    only: { type: 'string', default: '' },
    threads: { type: 'string', default: String(availableParallelism()) },
    json: { type: 'boolean', default: false },
  },
})
const threads = Number(values.threads)
const kinds = chosen(values.only.split(',').filter((name) => name !== ''))
/** Above what was taken: more would refuse models that fit. */
const MOST_RATIO = 1.25

register()
const { serve } = await import('./memory/serving.mjs')
const dist = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href)
const { readCard } = await dist('inference/catalogue/card.js')
const { readBuiltIns } = await dist('inference/catalogue/built-in.js')
const { memoryOf } = await dist('inference/catalogue/memory.js')

const mega = (bytes) => `${Math.round(bytes / 1e6)} MB`
const availableBytes = () =>
  1024 * Number(/^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1])

async function measure({ name, dtype, size }, card, precision) {
  const what = `${name} ${precision}`
  const needBytes = memoryOf(card, precision)
  const haveBytes = availableBytes()
  if (haveBytes < needBytes)
    return { what, skipped: `needs ${mega(needBytes)} of memory, there are ${mega(haveBytes)}` }
  const { limitBytes, opened, worked } = await serve(card, precision, { size, threads, most: haveBytes })
  const ratio = needBytes / worked.residentBytes
  const isHeld = worked.reservedBytes <= limitBytes
  const verdict = ratio >= 1 && ratio <= MOST_RATIO && isHeld ? 'pass' : 'MISS'
  const { fileBytes } = card
  return { what, dtype, precision, fileBytes, needBytes, limitBytes, opened, worked, ratio, verdict }
}

function print({ what, skipped, ...row }) {
  const cells =
    skipped === undefined
      ? [
          ...[row.fileBytes, row.opened.residentBytes, row.worked.residentBytes, row.worked.ownBytes].map(
            mega,
          ),
          mega(row.needBytes),
          row.ratio.toFixed(2),
          row.verdict,
        ]
      : [`skipped: ${skipped}`]
  console.log([what.padEnd(18), ...cells.map((cell) => cell.padStart(10))].join(''))
}

const rows = []
async function measureAll(kind, card) {
  for (const precision of kind.precisions) {
    const row = await measure(kind, card, precision)
    rows.push(row)
    if (!values.json) print(row)
  }
}

if (!values.json)
  console.log(
    [
      'model'.padEnd(18),
      ...['weights', 'opened', 'most', 'own', 'need', 'ratio', ''].map((title) => title.padStart(10)),
    ].join(''),
  )
for (const kind of kinds) {
  const { name, layout, builtIn, dtype, diskGB } = kind
  if (builtIn !== undefined) {
    await measureAll(
      kind,
      (await readBuiltIns()).find((card) => card.name === builtIn),
    )
    continue
  }
  const haveBytes = roomBytes()
  if (haveBytes < diskGB * 1e9) {
    rows.push({ what: name, skipped: `needs ${mega(diskGB * 1e9)} of disk, there are ${mega(haveBytes)}` })
    if (!values.json) print(rows.at(-1))
    continue
  }
  await inScratchFolder(async (folder) => {
    await writeRandomCheckpoint(layout, folder, { dtype })
    await measureAll(kind, await readCard(folder))
  })
}
if (values.json) console.log(JSON.stringify({ threads, rows }, null, 2))
process.exitCode = rows.some(({ verdict }) => verdict === 'MISS') ? 1 : 0
