/**
 * Makes the data directory: `chunks/NNNN.bin` with features and `chunks/NNNN.jsonl` with what they are, each pair of
 * some hundred clips, and `sentences.jsonl`, all written whole. What is there already is not made again.
 */

import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toMono } from '../../../ml/audio/audio.js'
import { decodeAudio } from '../../../ml/audio/decode.js'
import { Random } from '../../../ml/train/random.js'
import { featuresOf } from '../../asr-small/data/prepare.js'
import { extractFeatures, MELS, type StoredFeatures } from '../../asr-small/features.js'
import { unpackedFolder } from '../../recipes/needs.js'
import { claimDirectory } from '../../recipes/recipe-directory.js'
import { phoneClasses } from '../phones.js'
import { type Job, type LanguageDataRecipe, planJobs, rulesOf } from './jobs.js'
import { RAW_LINE_RATE, readRawLine } from './raw-line.js'
import { readHandbook } from './sentences.js'
import { decodeGsm, pronounce, speakAllWithFestival, speakWithEspeak, speakWithFlite } from './speech.js'

/** Of a clip; what is longer loses its end, and is not learnt from. */
const LONGEST_FRAMES = 2000
/** Engines that speak at a time. */
const PARALLEL = 2
const CHUNK = 250

export interface LanguageClip extends Omit<Job, 'from' | 'said'> {
  readonly features: StoredFeatures
  /** Of training clips: classes of the phones that are said. */
  readonly phones: readonly number[]
}

/** What is written in a language, as it would be said: classes of its phones. */
export interface LanguageSentence {
  readonly language: string
  readonly phones: readonly number[]
}

type Entry = Omit<LanguageClip, 'features'> & { readonly frames: number; readonly offset: number }

export interface LanguagePrepareOptions {
  readonly directory: string
  readonly recipe: LanguageDataRecipe
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void
  readonly signal?: AbortSignal
}

const sentencesPath = (directory: string): string => join(directory, 'sentences.jsonl')
const chunkPath = (directory: string, index: number, ending: string): string =>
  join(directory, 'chunks', `${String(index).padStart(4, '0')}.${ending}`)

/** @throws Error where a source is missing, or the directory holds data of another recipe. */
export async function prepareLanguageData(options: LanguagePrepareOptions): Promise<void> {
  const { directory, recipe, onProgress, signal } = options
  const jobs = await planJobs(recipe, unpackedFolder(directory))
  await mkdir(join(directory, 'chunks'), { recursive: true })
  await claimDirectory(directory, recipe)
  const scratch = await mkdtemp(join(tmpdir(), 'plumbline-data-'))
  try {
    if (!existsSync(sentencesPath(directory))) {
      const sentences = await pronounceHandbook(join(scratch, 'texts'), signal)
      await writeWhole(
        sentencesPath(directory),
        sentences.map((each) => `${JSON.stringify(each)}\n`).join(''),
      )
    }
    for (let index = 0; index * CHUNK < jobs.length; index++) {
      signal?.throwIfAborted()
      const some = jobs.slice(index * CHUNK, (index + 1) * CHUNK)
      const list = chunkPath(directory, index, 'jsonl')
      if (!existsSync(list)) {
        const { bytes, entries } = await makeChunk(some, recipe.seed, scratch, signal)
        await writeWhole(chunkPath(directory, index, 'bin'), bytes)
        await writeWhole(list, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
      }
      onProgress?.({ done: index * CHUNK + some.length, total: jobs.length })
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function pronounceHandbook(
  scratch: string,
  signal: AbortSignal | undefined,
): Promise<readonly LanguageSentence[]> {
  const sentences: LanguageSentence[] = []
  for (const [language, texts] of await readHandbook()) {
    signal?.throwIfAborted()
    const rules = rulesOf(language)
    const spoken = await pronounce(rules, texts, scratch)
    sentences.push(...spoken.map((ipa) => ({ language, phones: phoneClasses(ipa, rules) })))
  }
  return sentences
}

async function makeChunk(
  jobs: readonly Job[],
  seed: number,
  scratch: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly bytes: Uint8Array; readonly entries: readonly Entry[] }> {
  const phones = await phonesOf(jobs, join(scratch, 'texts'))
  const speech = await speakWithFestivalVoices(jobs, scratch)
  const made: (StoredFeatures | undefined)[] = []
  let next = 0
  const work = async (worker: number): Promise<void> => {
    for (let i = next++; i < jobs.length; i = next++) {
      signal?.throwIfAborted()
      const job = jobs[i]
      if (job === undefined) return
      const spoken = speech.get(job)
      made[i] = await featuresOfJob(job, seed, join(scratch, `${worker}.wav`), spoken)
      if (spoken !== undefined) await rm(spoken, { force: true })
    }
  }
  // An engine speaks while features of another sentence are made. Where one fails the others end first: they write still.
  const workers = Array.from({ length: PARALLEL }, (_, worker) =>
    work(worker).catch((error: unknown) => {
      next = jobs.length
      throw error
    }),
  )
  await Promise.allSettled(workers)
  await Promise.all(workers)
  return packChunk(jobs, made, phones)
}

async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  await writeFile(`${path}.tmp`, content)
  await rename(`${path}.tmp`, path)
}

async function phonesOf(jobs: readonly Job[], scratch: string): Promise<ReadonlyMap<Job, readonly number[]>> {
  const phones = new Map<Job, readonly number[]>()
  const byRules = groupBy(jobs, ({ said }) => said?.rules)
  for (const [rules, some] of byRules) {
    if (rules === undefined) continue
    const spoken = await pronounce(
      rules,
      some.map(({ said }) => said?.text ?? ''),
      scratch,
    )
    some.forEach((job, i) => {
      phones.set(job, phoneClasses(spoken[i] ?? '', rules))
    })
  }
  return phones
}

async function speakWithFestivalVoices(
  jobs: readonly Job[],
  scratch: string,
): Promise<ReadonlyMap<Job, string>> {
  const paths = new Map<Job, string>()
  const byVoice = new Map<string, Job[]>()
  for (const [i, job] of jobs.entries()) {
    if ('path' in job.from || job.from.engine !== 'festival') continue
    paths.set(job, join(scratch, `festival-${i}.wav`))
    byVoice.set(job.from.voice, [...(byVoice.get(job.from.voice) ?? []), job])
  }
  for (const [voice, some] of byVoice)
    await speakAllWithFestival(
      voice,
      some.map((job) => ({ text: job.said?.text ?? '', path: paths.get(job) ?? '' })),
    )
  return paths
}

async function featuresOfJob(
  { id, from, said }: Job,
  seed: number,
  scratch: string,
  spoken: string | undefined,
): Promise<StoredFeatures | undefined> {
  // Festival leaves out a sentence that its rules cannot say.
  if (spoken !== undefined) return existsSync(spoken) ? featuresOf(spoken) : undefined
  if ('path' in from) {
    if (from.slice !== undefined) {
      const { offset, size } = from.slice
      const audio = await decodeAudio((await readFile(from.path)).subarray(offset, offset + size))
      return extractFeatures(toMono(audio), audio.sampleRate)
    }
    if (from.path.endsWith('.ALS'))
      return extractFeatures(readRawLine(await readFile(from.path)), RAW_LINE_RATE)
    if (!from.path.endsWith('.gsm')) return featuresOf(from.path)
    await decodeGsm(from.path, scratch)
    return featuresOf(scratch)
  }
  const text = said?.text ?? ''
  if (from.engine === 'flite') await speakWithFlite(text, from.voice, scratch)
  else await speakWithEspeak(text, from.voice, scratch, Random.named(seed, id))
  return featuresOf(scratch)
}

function packChunk(
  jobs: readonly Job[],
  made: readonly (StoredFeatures | undefined)[],
  phones: ReadonlyMap<Job, readonly number[]>,
): { readonly bytes: Uint8Array; readonly entries: readonly Entry[] } {
  const parts: Uint8Array[] = []
  const entries: Entry[] = []
  let offset = 0
  for (const [i, job] of jobs.entries()) {
    const features = made[i]
    if (features === undefined || features.frames === 0) continue
    if (job.split === 'train' && features.frames > LONGEST_FRAMES) continue
    const frames = Math.min(features.frames, LONGEST_FRAMES)
    const { id, language, split, source, speaker } = job
    parts.push(features.bytes.subarray(0, frames * MELS))
    entries.push({ id, language, split, source, speaker, phones: phones.get(job) ?? [], frames, offset })
    offset += frames * MELS
  }
  return { bytes: Buffer.concat(parts), entries }
}

function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): ReadonlyMap<K, readonly T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}

const readLines = async <T>(path: string): Promise<readonly T[]> =>
  (await readFile(path, 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T)

/** @throws Error where the directory is not prepared. */
export async function readLanguageClips(directory: string): Promise<readonly LanguageClip[]> {
  const clips: LanguageClip[] = []
  for (let index = 0; existsSync(chunkPath(directory, index, 'jsonl')); index++) {
    const bytes = await readFile(chunkPath(directory, index, 'bin'))
    for (const { frames, offset, ...entry } of await readLines<Entry>(chunkPath(directory, index, 'jsonl')))
      clips.push({ ...entry, features: { frames, bytes: bytes.subarray(offset, offset + frames * MELS) } })
  }
  if (clips.length === 0) throw new Error(`${directory} holds no prepared data`)
  return clips
}

/** @throws Error where the directory is not prepared. */
export async function readLanguageSentences(directory: string): Promise<readonly LanguageSentence[]> {
  const path = sentencesPath(directory)
  if (!existsSync(path)) throw new Error(`${directory} holds no sentences: prepare the data again`)
  return readLines(path)
}
