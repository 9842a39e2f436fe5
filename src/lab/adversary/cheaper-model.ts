/** What a provider saves by: a model with fewer bits in its weights, to be run under the good one's name. */
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const LENGTH_BYTES = 8
const F16_MANTISSA_BITS = 10

/**
 * Copies a model directory whose tensors are all of 16 bits, and cuts the weights' mantissas off behind so many bits:
 * with 2 they are those of the eight-bit type E5M2.
 * @throws Error for tensors of another type
 */
export async function writeCheaperModel(
  directory: string,
  copy: string,
  mantissaBits: number,
): Promise<void> {
  await cp(directory, copy, { recursive: true })
  const path = join(copy, 'model.safetensors')
  const file = await readFile(path)
  const start = LENGTH_BYTES + Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.toString('utf8', LENGTH_BYTES, start)) as Record<string, { dtype?: string }>
  const other = Object.entries(header).find(([name, { dtype }]) => name !== '__metadata__' && dtype !== 'F16')
  if (other !== undefined) throw new Error(`${other[0]} is of ${other[1].dtype ?? 'no type'}, not of F16`)
  const mask = (0xffff << (F16_MANTISSA_BITS - mantissaBits)) & 0xffff
  for (let at = start; at + 1 < file.length; at += 2) file.writeUInt16LE(file.readUInt16LE(at) & mask, at)
  await writeFile(path, file)
}
