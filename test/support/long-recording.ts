/** Speech that goes on: the fixture, again and again. */
import { readFileSync } from 'node:fs'
import { readWav } from '../../src/ml/audio/wav-read.js'
import { writeWav } from '../../src/ml/audio/wav-write.js'

const SPOKEN = 'test/fixtures/speech/accept-this-call.wav'

/** @returns a WAV of 2.9 s for each time */
export function longRecording(times: number): Uint8Array {
  const { sampleRate, channels } = readWav(readFileSync(SPOKEN))
  const [once = new Float32Array(0)] = channels
  const samples = new Float32Array(times * once.length)
  for (let i = 0; i < times; i++) samples.set(once, i * once.length)
  return writeWav({ sampleRate, channels: [samples] })
}
