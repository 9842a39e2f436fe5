/** A checkpoint on the disk for as long as it is measured: however this process is ended, short of SIGKILL, it goes. */
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'

const folders = new Set()
const remove = (folder) => {
  rmSync(folder, { recursive: true, force: true })
  folders.delete(folder)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.once(signal, () => {
    process.exitCode = 128 + constants.signals[signal]
    process.exit()
  })
// Of what is written meanwhile nothing more comes: the write that runs ends in a file without a name.
process.on('exit', () => {
  for (const folder of folders) remove(folder)
})

/** Bytes that the temporary folder has room for. */
export function roomBytes() {
  const { bavail, bsize } = statfsSync(tmpdir())
  return bavail * bsize
}

/** Calls `work` with an empty folder, which is removed when it is done. */
export async function inScratchFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), 'plumbline-bench-memory-'))
  folders.add(folder)
  try {
    return await work(folder)
  } finally {
    remove(folder)
  }
}
