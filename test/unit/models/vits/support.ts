/** Copies of a golden voice with something changed. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SafetensorsFile } from '../../../../src/ml/files/safetensors-reader.js'
import { type TensorToWrite, writeSafetensors } from '../../../../src/ml/files/safetensors-writer.js'
import { type GoldenCase, goldenCases } from '../../../golden/harness.js'

export function only(number: string): GoldenCase {
  const [golden] = goldenCases(number)
  if (golden === undefined) throw new Error(`no case ${number}`)
  return golden
}

export interface Changes {
  readonly config?: Readonly<Record<string, unknown>>
  readonly tokenizer?: Readonly<Record<string, unknown>>
  readonly tensors?: (tensors: readonly TensorToWrite[]) => readonly TensorToWrite[]
}

/** A directory to be removed by the caller. */
export async function changed(golden: GoldenCase, { config, tokenizer, tensors }: Changes): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'plumbline-test-'))
  await cp(golden.folder, directory, { recursive: true })
  await merge(join(directory, 'config.json'), config)
  await merge(join(directory, 'tokenizer_config.json'), tokenizer)
  if (tensors !== undefined) {
    const path = join(directory, 'model.safetensors')
    const source = await SafetensorsFile.open(path)
    const all: TensorToWrite[] = []
    for (const { name, dtype, shape } of source.tensors.values())
      all.push({ name, dtype, shape, data: await source.readBytes(name) })
    await source.close()
    await rm(path)
    await writeSafetensors(path, tensors(all))
  }
  return directory
}

async function merge(path: string, change: Readonly<Record<string, unknown>> | undefined): Promise<void> {
  if (change === undefined) return
  const before = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
  await writeFile(path, JSON.stringify({ ...before, ...change }))
}
