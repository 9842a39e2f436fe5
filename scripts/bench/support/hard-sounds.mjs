/**
 * Recordings that are hard to hear, as jobs carry them: parts of some recordings, made louder or softer, slower or faster,
 * and mixed with noise from a seed, so that no two are alike.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const { pcm16Of } = await import('../../../src/ml/audio/pcm16.ts')
const { readWav } = await import('../../../src/ml/audio/wav-read.ts')

export const SAMPLE_RATE = 16_000

/** mulberry32: the same sounds for the same seed. */
function randomFrom(start) {
  let state = start >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** @param folder of .wav files; the repository's sample unless given */
function recordings(folder) {
  const paths =
    folder === undefined
      ? [new URL('../../../docs/sample.wav', import.meta.url)]
      : readdirSync(folder)
          .filter((name) => name.endsWith('.wav'))
          .sort()
          .map((name) => join(folder, name))
  return paths.map((path) => {
    const { sampleRate, channels } = readWav(readFileSync(path))
    return { sampleRate, samples: channels[0] }
  })
}

/** Every `step`-th sample, straight lines between them: the noise that this adds is one more difficulty. */
function stretched(samples, step) {
  return Float32Array.from({ length: Math.floor((samples.length - 1) / step) }, (_, i) => {
    const at = i * step
    const before = Math.floor(at)
    return samples[before] + (at - before) * (samples[before + 1] - samples[before])
  })
}

/** @returns a call that gives the next sound, the input of a job */
export function hardSounds({ folder, seed }) {
  const sounds = recordings(folder)
  const random = randomFrom(seed)
  /** Some part of some recording, as somebody else might have recorded it. */
  return () => {
    const { sampleRate, samples } = sounds[Math.floor(random() * sounds.length)]
    const whole = samples.length / sampleRate
    const seconds = Math.min(whole, 0.6 + 1.9 * random())
    const start = Math.floor(random() * (whole - seconds) * sampleRate)
    const cut = samples.subarray(start, start + Math.floor(seconds * sampleRate))
    // From a tenth slower to a tenth faster, and higher with it.
    const heard = stretched(cut, (sampleRate / SAMPLE_RATE) * (0.9 + 0.2 * random()))
    const gain = 10 ** ((-18 + 24 * random()) / 20)
    // Four jobs in five have noise, from 40 dB below full scale to 14.
    const noise = random() < 0.2 ? 0 : 10 ** ((-40 + 26 * random()) / 20)
    const mixed = Float32Array.from(heard, (sample) => {
      const gauss = random() + random() + random() + random() - 2
      return Math.max(-1, Math.min(1, gain * sample + noise * gauss))
    })
    return { kind: 'sound', sampleRate: SAMPLE_RATE, pcm16: pcm16Of(mixed) }
  }
}
