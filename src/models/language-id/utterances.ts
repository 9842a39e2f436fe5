/** Short recordings of a speaker joined, so that a language is told from some seconds of speech. */
import { FRAME_RATE, type StoredFeatures } from '../asr-small/features.js'
import type { LanguageClip } from './data/prepare.js'

/** Least of an utterance that is learnt from and judged by. */
export const UTTERANCE_SECONDS = 3

export interface Utterance {
  readonly language: string
  readonly source: string
  readonly speaker: string
  readonly features: StoredFeatures
}

/**
 * Whole clips in their order, as many as it takes to reach the duration. What is left of a speaker, too short, is
 * dropped. @param seconds the least of an utterance.
 */
export function joinClips(clips: readonly LanguageClip[], seconds: number): readonly Utterance[] {
  const utterances: Utterance[] = []
  const least = seconds * FRAME_RATE
  let parts: LanguageClip[] = []
  let frames = 0
  for (const clip of clips) {
    if (parts[0] !== undefined && parts[0].speaker !== clip.speaker) {
      parts = []
      frames = 0
    }
    parts.push(clip)
    frames += clip.features.frames
    if (frames < least) continue
    const { language, source, speaker } = clip
    const bytes = new Uint8Array(Buffer.concat(parts.map(({ features }) => features.bytes)))
    utterances.push({ language, source, speaker, features: { frames, bytes } })
    parts = []
    frames = 0
  }
  return utterances
}
