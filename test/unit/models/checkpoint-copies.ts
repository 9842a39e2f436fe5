/** Copies of golden cases whose files went through a change. */
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SafetensorsFile } from '../../../src/ml/files/safetensors-reader.js'
import { type TensorToWrite, writeSafetensors } from '../../../src/ml/files/safetensors-writer.js'
import { type GoldenCase, goldenCases } from '../../golden/harness.js'

export interface Change {
  readonly tensors?: (tensors: TensorToWrite[]) => readonly TensorToWrite[]
  readonly config?: Readonly<Record<string, unknown>>
}

/** The first case of a number. */
export function firstCase(number: string): GoldenCase {
  const [golden] = goldenCases(number)
  if (golden === undefined) throw new Error(`no case ${number}`)
  return golden
}

/** Writes a copy of a case into a directory. */
export async function copyCase(golden: GoldenCase, directory: string, change: Change = {}): Promise<void> {
  const { tensors: changed = (same) => same, config = {} } = change
  await rm(directory, { recursive: true, force: true })
  await cp(golden.folder, directory, { recursive: true })
  const source = await SafetensorsFile.open(golden.path('model.safetensors'))
  const tensors: TensorToWrite[] = []
  for (const { name, dtype, shape } of source.tensors.values())
    tensors.push({ name, dtype, shape, data: await source.readBytes(name) })
  await source.close()
  await rm(join(directory, 'model.safetensors'))
  await writeSafetensors(join(directory, 'model.safetensors'), changed(tensors))
  const path = join(directory, 'config.json')
  const before = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
  await writeFile(path, JSON.stringify({ ...before, ...config }))
}

/** Names without what the given prefix is. */
export const without =
  (prefix: string) =>
  (tensors: readonly TensorToWrite[]): readonly TensorToWrite[] =>
    tensors.map((tensor) => ({ ...tensor, name: tensor.name.replace(prefix, '') }))

export const floatTensor = (name: string, shape: readonly number[], value = 0): TensorToWrite => ({
  name,
  dtype: 'F32',
  shape: [...shape],
  data: new Uint8Array(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value).buffer),
})
