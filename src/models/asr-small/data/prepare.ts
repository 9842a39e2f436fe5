/**
 * Makes the data directory: `chunks/NNNN.bin` with stored features and `chunks/NNNN.jsonl` with what they are, each
 * pair of a hundred clips, written whole. What is there already is not made again.
 */

import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toMono } from '../../../ml/audio/audio.js'
import { decodeAudio } from '../../../ml/audio/decode.js'
import { decodeG722, G722_SAMPLE_RATE } from '../../../ml/audio/g722.js'
import { Random } from '../../../ml/train/random.js'
import { claimDirectory } from '../../recipes/recipe-directory.js'
import { extractFeatures, MELS, type StoredFeatures } from '../features.js'
import type { DataRecipe, Job, Split } from './jobs.js'
import { planJobs } from './jobs.js'
import { estimateLanguageModel, LANGUAGE_MODEL_FILE, writeLanguageModel } from './texts.js'
import { speak, speakAllWithFestival } from './voices.js'

const CHUNK = 100
/** Longer clips would make a batch of their own; they are left out. */
const MOST_SECONDS = 30

export interface ManifestEntry {
  readonly id: string
  readonly text: string
  readonly split: Split
  readonly source: string
  readonly speaker: string
  /** The recording, where it is one. */
  readonly path?: string
  readonly frames: number
  /** Of its first byte in the chunk. */
  readonly offset: number
}

export interface PrepareProgress {
  readonly done: number
  readonly total: number
}

export interface PrepareOptions {
  readonly directory: string
  readonly recipe: DataRecipe
  /** Programs that speak at a time. */
  readonly parallel?: number
  readonly onProgress?: (progress: PrepareProgress) => void
  readonly signal?: AbortSignal
}

const chunkPath = (directory: string, index: number, ending: string): string =>
  join(directory, 'chunks', `${String(index).padStart(4, '0')}.${ending}`)

const exists = (path: string): Promise<boolean> =>
  readFile(path).then(
    () => true,
    () => false,
  )

/** @throws Error where a source or an engine is missing; UserError for a recording that cannot be read. */
export async function prepareData(options: PrepareOptions): Promise<void> {
  const { directory, recipe, parallel = 2, onProgress, signal } = options
  const { jobs, texts } = await planJobs(recipe)
  await mkdir(join(directory, 'chunks'), { recursive: true })
  await claimDirectory(directory, recipe)
  const total = Math.ceil(jobs.length / CHUNK)
  const scratch = await mkdtemp(join(tmpdir(), 'plumbline-data-'))
  try {
    for (let chunk = 0; chunk < total; chunk++) {
      signal?.throwIfAborted()
      const list = chunkPath(directory, chunk, 'jsonl')
      if (!(await exists(list)))
        await makeChunk(jobs.slice(chunk * CHUNK, (chunk + 1) * CHUNK), {
          scratch,
          seed: recipe.seed,
          parallel,
          features: chunkPath(directory, chunk, 'bin'),
          list,
        })
      onProgress?.({ done: Math.min(jobs.length, (chunk + 1) * CHUNK), total: jobs.length })
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
  if (!(await exists(join(directory, LANGUAGE_MODEL_FILE))))
    await writeLanguageModel(directory, estimateLanguageModel(texts))
}

interface ChunkOptions {
  readonly scratch: string
  readonly seed: number
  readonly parallel: number
  readonly features: string
  readonly list: string
}

async function makeChunk(jobs: readonly Job[], options: ChunkOptions): Promise<void> {
  const spoken = await speakAll(jobs, options)
  const parts: Uint8Array[] = []
  const entries: ManifestEntry[] = []
  let offset = 0
  for (const job of jobs) {
    const path = 'path' in job.from ? job.from.path : spoken.get(job)
    if (path === undefined) continue
    const { bytes, frames } = await featuresOf(path)
    if ('voice' in job.from) await rm(path, { force: true })
    if (frames === 0 || frames > MOST_SECONDS * 100) continue
    const { id, text, split, source, speaker } = job
    entries.push({
      id,
      text,
      split,
      source,
      speaker,
      ...('path' in job.from ? { path: job.from.path } : {}),
      frames,
      offset,
    })
    parts.push(bytes)
    offset += bytes.length
  }
  await writeWhole(options.features, Buffer.concat(parts))
  await writeWhole(options.list, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
}

async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  await writeFile(`${path}.tmp`, content)
  await rename(`${path}.tmp`, path)
}

/** Speaks what has a voice. @returns where each sentence's sound is. */
async function speakAll(
  jobs: readonly Job[],
  { scratch, seed, parallel }: ChunkOptions,
): Promise<ReadonlyMap<Job, string>> {
  const paths = new Map<Job, string>()
  const single: Job[] = []
  const byFestival = new Map<string, Job[]>()
  for (const [i, job] of jobs.entries()) {
    if (!('voice' in job.from)) continue
    paths.set(job, join(scratch, `${i}.wav`))
    if (job.from.voice.engine !== 'festival') single.push(job)
    else byFestival.set(job.from.voice.name, [...(byFestival.get(job.from.voice.name) ?? []), job])
  }
  const tasks: (() => Promise<void>)[] = [...byFestival.values()].map((group) => async () => {
    const [first] = group
    if (first === undefined || !('voice' in first.from)) return
    await speakAllWithFestival(
      first.from.voice,
      group.map((job) => ({ sentence: job.text, path: paths.get(job) ?? '' })),
    )
  })
  for (const job of single)
    tasks.push(async () => {
      if ('voice' in job.from)
        await speak(job.from.voice, job.text, paths.get(job) ?? '', Random.named(seed, job.id))
    })
  const workers = Array.from({ length: parallel }, async () => {
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) await task()
  })
  await Promise.all(workers)
  return paths
}

/** The features of a sound file, by its ending. */
export async function featuresOf(path: string): Promise<StoredFeatures> {
  const { samples, sampleRate } = await readSound(path)
  if (samples.length === 0) return { bytes: new Uint8Array(0), frames: 0 }
  return extractFeatures(samples, sampleRate)
}

export async function readSound(path: string): Promise<{ samples: Float32Array; sampleRate: number }> {
  const bytes = await readFile(path)
  if (path.endsWith('.g722')) return { samples: decodeG722(bytes), sampleRate: G722_SAMPLE_RATE }
  const audio = await decodeAudio(bytes)
  return { samples: toMono(audio), sampleRate: audio.sampleRate }
}

export interface Clip extends ManifestEntry {
  readonly features: StoredFeatures
}

/** Reads a data directory's clips of some splits. @throws Error where it is not there. */
export async function readClips(
  directory: string,
  wanted: (entry: ManifestEntry) => boolean,
): Promise<readonly Clip[]> {
  const clips: Clip[] = []
  for (let chunk = 0; ; chunk++) {
    const list = await readFile(chunkPath(directory, chunk, 'jsonl'), 'utf8').catch(() => undefined)
    if (list === undefined) {
      if (chunk === 0) throw new Error(`${directory} holds no prepared data`)
      return clips
    }
    const bytes = await readFile(chunkPath(directory, chunk, 'bin'))
    for (const line of list.split('\n')) {
      if (line === '') continue
      const entry = JSON.parse(line) as ManifestEntry
      if (!wanted(entry)) continue
      const { frames, offset } = entry
      clips.push({ ...entry, features: { frames, bytes: bytes.subarray(offset, offset + frames * MELS) } })
    }
  }
}
