import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readAudioFile } from '../../../../src/ml/audio/decode.js'
import { beamSearch } from '../../../../src/models/ctc/beam.js'
import { type LogProbabilities, logSoftmaxRows } from '../../../../src/models/ctc/log-probabilities.js'
import {
  type FrameGeometry,
  frameGeometry,
  framesOf,
  planChunks,
  samplesOf,
  scoreLongSound,
} from '../../../../src/models/speech/chunks.js'
import {
  type StreamText,
  streamLatencySeconds,
  streamTranscript,
} from '../../../../src/models/speech/stream.js'
import { VoiceActivity } from '../../../../src/models/speech/voice-activity.js'
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

describe('a stream', () => {
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

  const alphabet = { blank: 0, textOf: (token: number) => String.fromCharCode(96 + token) }
  const beam = { beamWidth: 8 }
  const streamOptions = () => ({ sampleRate: 16_000, geometry, score, alphabet, beam, chunks: PLAN })

  async function* pieces(samples: Float32Array, length: number): AsyncGenerator<Float32Array> {
    for (let from = 0; from < samples.length; from += length) yield samples.subarray(from, from + length)
  }

  async function collect(source: AsyncIterable<StreamText>): Promise<StreamText[]> {
    const texts: StreamText[] = []
    for await (const text of source) texts.push(text)
    return texts
  }

  it('windows over a model give as many frames as the whole, and one window the same numbers', async () => {
    const whole = await score(speech)
    const cut = await scoreLongSound(speech, score, geometry, PLAN)
    expect(cut.frames).toBe(whole.frames)
    expect(cut.data.every((value) => Number.isFinite(value))).toBe(true)
    const wide = { windowFrames: whole.frames, leftFrames: 0, rightFrames: 0 }
    expect((await scoreLongSound(speech, score, geometry, wide)).data).toEqual(whole.data)
  })

  it('does not depend on how the sound arrives; partial texts grow towards one final', async () => {
    const runs = await Promise.all(
      [160, 4999, speech.length].map((length) =>
        collect(streamTranscript(pieces(speech, length), streamOptions())),
      ),
    )
    for (const texts of runs) expect(texts).toEqual(runs[0])
    const texts = runs[0] ?? []
    expect(texts.map(({ kind }) => kind)).toEqual([...texts.slice(1).map(() => 'partial'), 'final'])
    expect(texts.length).toBeGreaterThan(3)
    const ends = texts.map(({ endSeconds }) => endSeconds)
    expect(ends).toEqual(ends.toSorted((a, b) => a - b))
    expect(ends.at(-1)).toBeCloseTo(speech.length / 16_000)
  })

  it('a partial text comes within the stated latency', async () => {
    const latency = streamLatencySeconds(streamOptions())
    let given = 0
    const counted = async function* () {
      for await (const piece of pieces(speech, 320)) {
        given += piece.length
        yield piece
      }
    }
    let last = 0
    for await (const { kind, endSeconds } of streamTranscript(counted(), streamOptions())) {
      // Everything spoken before `last` was given by now, and this text brings what came after it.
      if (kind === 'partial') expect(given / 16_000 - last).toBeLessThanOrEqual(latency + 0.02)
      last = endSeconds
    }
    expect(last).toBeGreaterThan(1)
  })

  it('without voice activity, utterances end at the limit and lose nothing', async () => {
    const texts = await collect(
      streamTranscript(pieces(speech, 1000), { ...streamOptions(), maxUtteranceSeconds: 1 }),
    )
    const finals = texts.filter(({ kind }) => kind === 'final')
    expect(finals.map(({ startSeconds }) => startSeconds)).toEqual([0, 1, 2])
    expect(finals.map(({ endSeconds }) => Math.round(endSeconds * 1000))).toEqual([1000, 2000, 2395])
    // Within the first second one window is enough, so its text is that of the second by itself.
    const wide = { ...streamOptions(), maxUtteranceSeconds: 1, chunks: { ...PLAN, windowFrames: 200 } }
    const [first] = await collect(streamTranscript(pieces(speech, 1000), wide))
    const [alone] = beamSearch(await score(speech.subarray(0, 16_000)), alphabet, beam)
    expect(first?.text).toBe(alone?.text)
    expect(alone?.text.length).toBeGreaterThan(0)
  })

  it('voice activity hears speech between silences, and the stream gives one utterance for each', async () => {
    const activity = await VoiceActivity.open()
    try {
      const silence = new Float32Array(24_000)
      const recording = new Float32Array(2 * (speech.length + silence.length) + silence.length)
      const second = 2 * silence.length + speech.length
      recording.set(speech, silence.length)
      recording.set(speech, second)
      const segments = await activity.segments(recording)
      expect(segments).toHaveLength(2)
      for (const [i, from] of [silence.length, second].entries()) {
        const { start = 0, end = 0 } = segments[i] ?? {}
        expect(Math.abs(start - from)).toBeLessThan(8000)
        expect(Math.abs(end - from - speech.length)).toBeLessThan(8000)
      }
      const voice = { activity }
      const texts = await collect(streamTranscript(pieces(recording, 777), { ...streamOptions(), voice }))
      const finals = texts.filter(({ kind }) => kind === 'final')
      expect(finals).toHaveLength(2)
      for (const [i, { startSeconds }] of finals.entries())
        expect(startSeconds).toBeCloseTo((segments[i]?.start ?? 0) / 16_000, 3)
      const quiet = await collect(streamTranscript(pieces(silence, 777), { ...streamOptions(), voice }))
      expect(quiet).toEqual([])
    } finally {
      await activity.close()
    }
  })
})
