/** Makes the data directory: features of all clips in `features.bin`, what they are in `manifest.jsonl`. */
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Random } from '../../ml/train/random.js'
import { featuresOf } from '../asr-small/data/prepare.js'
import { MELS, type StoredFeatures } from '../asr-small/features.js'
import { type LanguageJob, type LanguageRecipe, planLanguageJobs, speakLanguage } from './data.js'

const LONGEST_FRAMES = 2000
/** Engines that speak at a time. */
const PARALLEL = 3

export interface LanguageClip extends Omit<LanguageJob, 'from'> {
  readonly features: StoredFeatures
}

type Entry = Omit<LanguageJob, 'from'> & { readonly frames: number; readonly offset: number }

export interface LanguagePrepareOptions {
  readonly directory: string
  readonly recipe: LanguageRecipe
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void
  readonly signal?: AbortSignal
}

/** Nothing is left half done: the manifest appears when all clips are there. @throws Error for missing sources. */
export async function prepareLanguageData(options: LanguagePrepareOptions): Promise<void> {
  const { directory, recipe, onProgress, signal } = options
  const jobs = await planLanguageJobs(recipe)
  await mkdir(directory, { recursive: true })
  const scratch = await mkdtemp(join(tmpdir(), 'plumbline-data-'))
  const made: (StoredFeatures | undefined)[] = []
  let next = 0
  let done = 0
  const work = async (worker: number): Promise<void> => {
    for (let i = next++; i < jobs.length; i = next++) {
      signal?.throwIfAborted()
      const job = jobs[i]
      if (job === undefined) return
      made[i] = await featuresOfJob(job, recipe, join(scratch, `${worker}.wav`))
      onProgress?.({ done: ++done, total: jobs.length })
    }
  }
  try {
    // An engine speaks while features of another sentence are made.
    await Promise.all(Array.from({ length: PARALLEL }, (_, worker) => work(worker)))
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
  const parts: Uint8Array[] = []
  const entries: Entry[] = []
  let offset = 0
  for (const [i, { from: _, ...job }] of jobs.entries()) {
    const features = made[i]
    if (features === undefined || features.frames === 0) continue
    const frames = Math.min(features.frames, LONGEST_FRAMES)
    parts.push(features.bytes.subarray(0, frames * MELS))
    entries.push({ ...job, frames, offset })
    offset += frames * MELS
  }
  await writeFile(join(directory, 'features.bin'), Buffer.concat(parts))
  const manifest = join(directory, 'manifest.jsonl')
  await writeFile(`${manifest}.tmp`, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
  await rename(`${manifest}.tmp`, manifest)
}

function featuresOfJob(
  { id, from }: LanguageJob,
  { seed }: LanguageRecipe,
  scratch: string,
): Promise<StoredFeatures> {
  if ('path' in from) return featuresOf(from.path)
  return speakLanguage(from.text, from.voice, scratch, Random.named(seed, id)).then(() => featuresOf(scratch))
}

/** @throws Error where the directory is not prepared. */
export async function readLanguageClips(directory: string): Promise<readonly LanguageClip[]> {
  const list = await readFile(join(directory, 'manifest.jsonl'), 'utf8')
  const bytes = await readFile(join(directory, 'features.bin'))
  return list
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { frames, offset, ...entry } = JSON.parse(line) as Entry
      return { ...entry, features: { frames, bytes: bytes.subarray(offset, offset + frames * MELS) } }
    })
}
