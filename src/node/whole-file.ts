/** Files that others may read, written whole or not at all, on the disk before it resolves. */
import { open, rename, rm } from 'node:fs/promises'

export async function writeWhole(path: string, content: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`
  try {
    const file = await open(temporary, 'w', 0o644)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    // Where the disk is full, half a file would take what room there is.
    await rm(temporary, { force: true })
    throw error
  }
}
