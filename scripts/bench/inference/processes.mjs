/** What is measured in processes of their own: loading, a model of a billion parameters, the event loop of a host. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeRandomCheckpoint } from '../../random-checkpoint.mjs'
import { judge } from '../support/side-by-side.mjs'

const TARGETS = { loadOverFile: 1.3, largeGB: 6, switchMs: 50, lagMs: 20 }
const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** What a script of this folder prints. */
function measured(script, ...args) {
  const { stdout, status } = spawnSync(process.execPath, [here(script), ...args.map(String)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new Error(`${script} ${args.join(' ')} failed`)
  return JSON.parse(stdout)
}

/** @param directory of a checkpoint with one weight file. */
export function loading(directory, seconds) {
  const fileMB = statSync(join(directory, 'model.safetensors')).size / 1e6
  const loads = ['fp32', 'int8'].map((precision) => {
    const load = measured('load.mjs', directory, precision, seconds)
    return { ...load, grownOverFile: (load.loaded.peakMB - load.before.residentMB) / fileMB }
  })
  const rows = loads.map(({ precision, grownOverFile }) =>
    judge(`loading ${precision}: peak growth over the file`, grownOverFile, TARGETS.loadOverFile),
  )
  return { fileMB, loads, rows }
}

const LARGE_SECONDS = 10
/** Weights and adapters, and some to spare. */
const LARGE_DISK_BYTES = 5e9
const LARGE_MEMORY_BYTES = 8e9

/** Writes the layout with random weights, loads it, transcribes, switches languages, and removes it. */
export async function large() {
  const disk = statfsSync(tmpdir())
  const diskBytes = disk.bavail * disk.bsize
  const available = /^MemAvailable:\s+(\d+)/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]
  const memoryBytes = Number(available) * 1024
  if (diskBytes < LARGE_DISK_BYTES || memoryBytes < LARGE_MEMORY_BYTES) {
    const skipped = `needs ${LARGE_DISK_BYTES / 1e9} GB of disk and ${LARGE_MEMORY_BYTES / 1e9} GB of memory; there are ${(diskBytes / 1e9).toFixed(1)} and ${(memoryBytes / 1e9).toFixed(1)}`
    return { skipped, rows: rowsOf() }
  }
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-bench-large-'))
  try {
    await writeRandomCheckpoint('mms-1b', directory)
    const files = readdirSync(directory).filter((name) => name.endsWith('.safetensors'))
    const bytes = files.map((name) => [name, statSync(join(directory, name)).size])
    const load = measured('load.mjs', directory, 'fp32', LARGE_SECONDS)
    if (!(load.frames > 0)) throw new Error('nothing was transcribed')
    return { seconds: LARGE_SECONDS, files: Object.fromEntries(bytes), ...load, rows: rowsOf(load) }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const rowsOf = (load) => [
  judge(
    `1B layout, ${LARGE_SECONDS} s of sound: peak memory`,
    load && load.after.peakMB / 1000,
    TARGETS.largeGB,
    ' GB',
  ),
  judge('1B layout: slowest switch to a language that is kept', load?.warmSwitchMs, TARGETS.switchMs, ' ms'),
  judge(
    '1B layout: switch that reads an adapter (processor)',
    load?.firstSwitch.processorMs,
    TARGETS.switchMs,
    ' ms',
  ),
]

const LAG_CALLS = 4
const LAG_MEMORY_BYTES = 4 * 2 ** 30

/** The event loop of a host while its child infers. Where others hold the cores, even an idle loop is late. */
export function lag(directory, seconds) {
  const found = measured('lag.mjs', directory, seconds, LAG_CALLS, LAG_MEMORY_BYTES)
  const late = found.busy.p99 > TARGETS.lagMs && found.idle.p99 > TARGETS.lagMs / 2
  const row = judge(
    'event loop of the host during inference: p99 lag',
    late ? undefined : found.busy.p99,
    TARGETS.lagMs,
    ' ms',
  )
  return { ...found, machineIsBusy: late, rows: [row] }
}
