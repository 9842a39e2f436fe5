/**
 * What an update learns from. A row is several clips in a row, of any languages and speakers: nothing of one tells
 * what the next will say. Which clips follows from the seed and the update's number alone.
 */
import type { TensorValues } from '../../ml/session/index.js'
import { Random } from '../../ml/train/random.js'
import { AUGMENT, type AugmentOptions, augment, drawSpeed, framesAtSpeed } from '../asr-small/augment.js'
import { outputFrames } from '../asr-small/definition.js'
import { MELS } from '../asr-small/features.js'
import type { LanguageClip } from './data/prepare.js'
import { LANGUAGES } from './languages.js'

/** Frames of a row: 8 s. */
export const ROW_FRAMES = 800
/** Label places of a row: 20 phones a second. */
const PLACES = 160
/** A shorter rest of a row stays empty. */
const LEAST_FRAMES = 50
/** Draws for what still fits into a row. */
const TRIES = 12
/** Share of draws that are of speakers of other languages. */
const OTHERS = 0.22
/** How much of a language is of a source, in any unit; people count most. */
const WEIGHTS: Readonly<Record<string, number>> = {
  asterisk: 1,
  tuxpaint: 1,
  flite: 0.8,
  festival: 0.6,
  'espeak-ng': 0.6,
}

/** Wider than the English recogniser's: voices and channels must not be told apart. */
export const VARIETY: AugmentOptions = {
  ...AUGMENT,
  speed: [0.8, 1.25],
  bandWarp: 0.16,
  noise: { probability: 0.6, below: [0.5, 7] },
  // From 2.9 kHz, below a telephone's, to the 5.5 kHz of a game's sounds.
  telephone: { probability: 0.35, bands: [42, 56] },
}

interface Stream {
  readonly weight: number
  readonly clips: readonly LanguageClip[]
}

/** The clips by language and source. */
export interface Streams {
  readonly languages: readonly (readonly Stream[])[]
  readonly others: readonly (readonly Stream[])[]
}

/** Not more phones than frames can spell, and not silence with a word in it. */
const isLearnable = ({ phones, features: { frames } }: LanguageClip): boolean =>
  frames <= ROW_FRAMES && phones.length >= 3 && phones.length < frames / 4.5 && frames < phones.length * 30

/** @throws RangeError where a language has nothing to learn from. */
export function streamsOf(clips: readonly LanguageClip[]): Streams {
  const learnable = clips.filter(isLearnable)
  const streamsIn = (language: string): readonly Stream[] => {
    const own = learnable.filter((clip) => clip.language === language)
    return [...new Set(own.map(({ source }) => source))].map((source) => ({
      weight: WEIGHTS[source] ?? 1,
      clips: own.filter((clip) => clip.source === source),
    }))
  }
  const languages = LANGUAGES.map(streamsIn)
  const empty = languages.findIndex((streams) => streams.length === 0)
  if (empty >= 0) throw new RangeError(`there are no clips in ${LANGUAGES[empty]}`)
  const known: readonly string[] = LANGUAGES
  const names = new Set(learnable.map(({ language }) => language).filter((name) => !known.includes(name)))
  return { languages, others: [...names].sort().map(streamsIn) }
}

function drawClip({ languages, others }: Streams, random: Random): LanguageClip | undefined {
  const groups = others.length > 0 && random.uniform() < OTHERS ? others : languages
  const streams = groups[random.below(groups.length)] ?? []
  let left = random.uniform() * streams.reduce((sum, { weight }) => sum + weight, 0)
  for (const { weight, clips } of streams) {
    left -= weight
    if (left < 0) return clips[random.below(clips.length)]
  }
  return undefined
}

/** Inputs: `features`, `lengths`, `targets`, `labels` as the English recogniser's. */
export function trainingRows(streams: Streams, rows: number, seed: number, update: number): TensorValues {
  const random = Random.named(seed, `language batch/${update}`)
  const features = new Float32Array(rows * ROW_FRAMES * MELS)
  const targets = new BigInt64Array(rows * PLACES).fill(1n)
  const lengths = new BigInt64Array(rows).fill(1n)
  const labels = new BigInt64Array(rows)
  for (let row = 0; row < rows; row++) {
    let frames = 0
    let places = 0
    for (let i = 0; i < TRIES && ROW_FRAMES - frames >= LEAST_FRAMES; i++) {
      const clip = drawClip(streams, random)
      if (clip === undefined) continue
      const speed = drawSpeed(random, VARIETY)
      const count = framesAtSpeed(clip.features.frames, speed)
      if (
        frames + count > ROW_FRAMES ||
        places + clip.phones.length > PLACES ||
        clip.phones.length > outputFrames(count) - 1
      )
        continue
      features.set(augment(clip.features, speed, random, VARIETY), (row * ROW_FRAMES + frames) * MELS)
      clip.phones.forEach((phone, place) => {
        targets[row * PLACES + places + place] = BigInt(phone)
      })
      frames += count
      places += clip.phones.length
    }
    lengths[row] = BigInt(outputFrames(Math.max(frames, 1)))
    labels[row] = BigInt(places)
  }
  return {
    features: { dtype: 'float32', shape: [rows, ROW_FRAMES, MELS], data: features },
    lengths: { dtype: 'int64', shape: [rows], data: lengths },
    targets: { dtype: 'int64', shape: [rows, PLACES], data: targets },
    labels: { dtype: 'int64', shape: [rows], data: labels },
  }
}
