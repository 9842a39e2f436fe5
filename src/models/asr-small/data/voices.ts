/** The synthetic speakers: three free engines, each run as its own program on one sentence at a time. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Random } from '../../../ml/train/random.js'

const execute = promisify(execFile)
/** A sentence takes a tenth of a second; an engine that hangs is ended. */
const TIMEOUT_MS = 30_000

export interface Voice {
  readonly name: string
  readonly engine: 'flite' | 'espeak-ng' | 'festival'
  /** What the engine calls it. */
  readonly id: string
  /** Share of the sentences, in any unit. */
  readonly weight: number
}

/** Voices that the recogniser learns from. */
export const TRAINING_VOICES: readonly Voice[] = [
  { name: 'flite-slt', engine: 'flite', id: 'slt', weight: 34 },
  { name: 'flite-awb', engine: 'flite', id: 'awb', weight: 16 },
  { name: 'flite-kal16', engine: 'flite', id: 'kal16', weight: 14 },
  { name: 'festival-slt-hts', engine: 'festival', id: 'voice_cmu_us_slt_arctic_hts', weight: 8 },
  { name: 'festival-ked', engine: 'festival', id: 'voice_ked_diphone', weight: 6 },
  { name: 'espeak-us', engine: 'espeak-ng', id: 'en-us', weight: 9 },
  { name: 'espeak-us-f2', engine: 'espeak-ng', id: 'en-us+f2', weight: 5 },
  { name: 'espeak-us-f4', engine: 'espeak-ng', id: 'en-us+f4', weight: 4 },
  { name: 'espeak-gb', engine: 'espeak-ng', id: 'en-gb', weight: 2 },
  { name: 'espeak-us-m3', engine: 'espeak-ng', id: 'en-us+m3', weight: 2 },
]

/** A voice that is never trained on. */
export const HELD_OUT_VOICE: Voice = { name: 'flite-rms', engine: 'flite', id: 'rms', weight: 1 }

/** Programs that {@link speak} runs. */
export const ENGINES = ['flite', 'espeak-ng', 'festival'] as const

export function drawVoice(random: Random, voices: readonly Voice[]): Voice {
  const total = voices.reduce((sum, voice) => sum + voice.weight, 0)
  let left = random.uniform() * total
  for (const voice of voices) {
    left -= voice.weight
    if (left < 0) return voice
  }
  const [first] = voices
  if (first === undefined) throw new RangeError('no voices')
  return first
}

/** Speaks a normalised sentence into a WAV file. espeak's rate and pitch follow the generator. */
export async function speak(voice: Voice, sentence: string, path: string, random: Random): Promise<void> {
  const options = { timeout: TIMEOUT_MS }
  if (voice.engine === 'flite') {
    await execute('flite', ['-voice', voice.id, '-t', sentence, '-o', path], options)
    return
  }
  if (voice.engine === 'espeak-ng') {
    const wordsPerMinute = 130 + random.below(50)
    const pitch = 30 + random.below(40)
    const args = [
      '-v',
      voice.id,
      '-s',
      String(wordsPerMinute),
      '-p',
      String(pitch),
      '-w',
      path,
      '--',
      sentence,
    ]
    await execute('espeak-ng', args, options)
    return
  }
  await speakAllWithFestival(voice, [{ sentence, path }])
}

/** Festival takes half a second to start: it speaks many sentences at a time. */
export async function speakAllWithFestival(
  voice: Voice,
  lines: readonly { readonly sentence: string; readonly path: string }[],
): Promise<void> {
  const script = [
    `(${voice.id})`,
    ...lines.map(
      ({ sentence, path }) =>
        `(utt.save.wave (utt.synth (Utterance Text ${JSON.stringify(sentence)})) ${JSON.stringify(path)} 'riff)`,
    ),
  ]
  const child = execute('festival', ['--pipe'], { timeout: TIMEOUT_MS + lines.length * 1000 })
  child.child.stdin?.end(script.join('\n'))
  await child
}
