import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readAudioFile } from '../../../../src/ml/audio/decode.js'
import { type LogProbabilities, logSoftmaxRows } from '../../../../src/models/ctc/log-probabilities.js'
import {
  type FrameGeometry,
  frameGeometry,
  framesOf,
  planChunks,
  samplesOf,
  scoreLongSound,
} from '../../../../src/models/speech/chunks.js'
import { SpeechModel } from '../../../../src/models/wav2vec2/model.js'

const fixture = (path: string) => fileURLToPath(new URL(`../../../fixtures/${path}`, import.meta.url))

const options = fc
  .record({
    windowFrames: fc.integer({ min: 1, max: 40 }),
    leftFrames: fc.integer({ min: 0, max: 10 }),
    rightFrames: fc.integer({ min: 0, max: 10 }),
  })
  .filter(({ windowFrames, leftFrames, rightFrames }) => windowFrames > leftFrames + rightFrames)

describe('windows', () => {
  it('keep every frame once, with the context asked for wherever there is one', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 400 }), options, (frames, plan) => {
        let next = 0
        for (const { first, count, keepFrom, keepTo } of planChunks(frames, plan)) {
          expect(keepFrom).toBe(next)
          expect(keepTo).toBeGreaterThan(keepFrom)
          expect(count).toBeLessThanOrEqual(plan.windowFrames)
          expect(keepFrom - first).toBe(Math.min(plan.leftFrames, keepFrom))
          expect(first + count).toBeLessThanOrEqual(frames)
          if (first + count < frames) expect(first + count - keepTo).toBe(plan.rightFrames)
          next = keepTo
        }
        expect(next).toBe(frames)
      }),
    )
    expect(() => planChunks(9, { windowFrames: 4, leftFrames: 2, rightFrames: 2 })).toThrow(/keep nothing/)
  })

  it('a scorer that hears only a frame’s own samples gives the same as over the whole', async () => {
    const geometry: FrameGeometry = { samplesPerFrame: 3, receptiveSamples: 7 }
    const local = async (samples: Float32Array): Promise<LogProbabilities> => {
      const frames = framesOf(samples.length, geometry)
      const logits = Float32Array.from({ length: frames * 2 }, (_, i) => {
        const from = Math.floor(i / 2) * 3
        return samples.subarray(from, from + 7).reduce((sum, x, k) => sum + x * Math.cos(k + (i % 2)), 0)
      })
      return logSoftmaxRows(logits, frames, 2)
    }
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 7, max: 300 }), options, async (length, plan) => {
        const samples = Float32Array.from({ length }, (_, i) => Math.sin(i * i))
        const whole = await local(samples)
        expect(await scoreLongSound(samples, local, geometry, plan)).toEqual(whole)
      }),
    )
    await expect(scoreLongSound(new Float32Array(6), local, geometry, PLAN)).rejects.toThrow(/too short/)
  })

  it('published strides and kernels', () => {
    const layers = [10, 3, 3, 3, 3, 2, 2].map((kernel, i) => ({ kernel, stride: i === 0 ? 5 : 2 }))
    expect(frameGeometry(layers)).toEqual({ samplesPerFrame: 320, receptiveSamples: 400 })
    expect(samplesOf({ first: 2, count: 3 }, frameGeometry(layers))).toEqual({ start: 640, end: 640 + 1040 })
  })
})

const PLAN = { windowFrames: 40, leftFrames: 10, rightFrames: 10 }

describe('windows over a model', () => {
  let model: SpeechModel
  let speech: Float32Array
  let geometry: FrameGeometry
  const score = async (samples: Float32Array): Promise<LogProbabilities> => {
    const { logits } = await model.run(model.prepare([samples]))
    const [, frames = 0, classes = 0] = logits?.shape ?? []
    return logSoftmaxRows(logits?.data as Float32Array, frames, classes)
  }
  beforeAll(async () => {
    model = await SpeechModel.open(fixture('golden/02-xlsr-ctc'))
    geometry = frameGeometry(model.config.frontEnd.layers)
    // One sentence by the free voice slt of flite, mu-law.
    const { sampleRate, channels } = await readAudioFile(fixture('audio/speech.wav'))
    expect(sampleRate).toBe(16_000)
    speech = channels[0] ?? speech
  })
  afterAll(() => model.close())

  it('give as many frames as the whole, and one window the same numbers', async () => {
    const whole = await score(speech)
    const cut = await scoreLongSound(speech, score, geometry, PLAN)
    expect(cut.frames).toBe(whole.frames)
    expect(cut.data.every((value) => Number.isFinite(value))).toBe(true)
    const wide = { windowFrames: whole.frames, leftFrames: 0, rightFrames: 0 }
    expect((await scoreLongSound(speech, score, geometry, wide)).data).toEqual(whole.data)
  })
})
