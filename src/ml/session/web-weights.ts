/** Weights in files for the web runtime, which can map none: they are read whole and handed to it. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { UserError } from '../../errors.js'

/** A WebAssembly memory ends at 4 GiB, and the runtime holds the file and its own copy of the weights. */
const MOST_BYTES = 2 ** 31 - 1

/** A file under the name that the model's weights give as their location. */
export interface ExternalData {
  readonly path: string
  readonly data: Uint8Array
}

/**
 * The files of a folder that an encoded model names.
 * @throws UserError UNAVAILABLE where they do not fit into the runtime.
 */
export async function readExternalData(model: Uint8Array, folder: string): Promise<readonly ExternalData[]> {
  const bytes = Buffer.from(model.buffer, model.byteOffset, model.byteLength)
  const names = (await readdir(folder)).filter((name) => bytes.includes(name))
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (total > MOST_BYTES)
    throw new UserError(
      `the weights in ${folder} have ${total} bytes; without a native runtime at most ${MOST_BYTES} fit`,
      {
        code: 'UNAVAILABLE',
        remedy: 'use a smaller model, or a machine for which onnxruntime-node has a build',
      },
    )
  const files: ExternalData[] = []
  for (const path of names) files.push({ path, data: await readFile(join(folder, path)) })
  return files
}
