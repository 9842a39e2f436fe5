/** New files that only their owner may read, on the disk before the command says so. */
import { open } from 'node:fs/promises'
import { UserError } from '../errors.js'

/** @throws UserError EXISTS where the name is taken, whatever it holds */
export async function writeNewPrivateFile(path: string, content: string): Promise<void> {
  const handle = await open(path, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EEXIST')
      throw new UserError(`${path} exists`, {
        code: 'EXISTS',
        remedy: 'move it away, or choose another file',
        cause,
      })
    throw cause
  })
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
}
