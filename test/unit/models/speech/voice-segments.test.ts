import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { VoiceActivity } from '../../../../src/models/speech/voice-activity.js'
import {
  type Segment,
  type SegmentOptions,
  VoiceSegmenter,
} from '../../../../src/models/speech/voice-segments.js'
import { refusalOf } from '../../ml/files-support.js'

/** Ten windows a second. */
function segmentsOf(probabilities: readonly number[], options: SegmentOptions = {}): readonly Segment[] {
  const segmenter = new VoiceSegmenter(100, 1000, { minSpeechSeconds: 0.2, marginSeconds: 0.1, ...options })
  return [...probabilities.map((p) => segmenter.push(p)), segmenter.finish()].filter(
    (segment): segment is Segment => segment !== undefined,
  )
}

const run = (value: number, count: number): number[] => Array.from({ length: count }, () => value)

describe('stretches of speech', () => {
  it('begin at the threshold, end below the release after enough silence, with margins', () => {
    const heard = [...run(0, 10), ...run(0.9, 10), ...run(0, 10), ...run(0.9, 5), ...run(0.1, 2)]
    expect(segmentsOf(heard)).toEqual([
      { start: 900, end: 2100 },
      { start: 2900, end: 3600 },
    ])
  })

  it('a breath does not end one, a click does not make one, the band between holds what is', () => {
    expect(segmentsOf([...run(0.9, 5), ...run(0, 4), ...run(0.9, 5)])).toEqual([{ start: 0, end: 1400 }])
    expect(segmentsOf([...run(0, 5), 0.9, ...run(0, 10)])).toEqual([])
    expect(segmentsOf([...run(0.9, 3), ...run(0.4, 20)])).toEqual([{ start: 0, end: 2300 }])
    expect(segmentsOf(run(0.4, 20))).toEqual([])
  })

  it('the longest are cut where it is quietest', () => {
    const heard = [...run(0.9, 14), 0.4, ...run(0.9, 20)]
    const [first, second] = segmentsOf(heard, { maxSpeechSeconds: 2 })
    expect(first).toEqual({ start: 0, end: 1400 })
    expect(second?.start).toBe(1400)
  })

  it('never overlap, stay within the sound and the limit', () => {
    const options = { maxSpeechSeconds: 3, minSilenceSeconds: 0.3 }
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 200 }), (heard) => {
        let last = 0
        for (const { start, end } of segmentsOf(heard, options)) {
          expect(start).toBeGreaterThanOrEqual(last)
          expect(end).toBeGreaterThan(start)
          expect(end - start).toBeLessThanOrEqual(3000 + 200)
          last = end
        }
        expect(last).toBeLessThanOrEqual(heard.length * 100)
      }),
    )
  })

  it('options that mean nothing are refused', async () => {
    expect(() => new VoiceSegmenter(100, 1000, { threshold: 1.5 })).toThrow(/release <= threshold/)
    expect((await refusalOf(() => VoiceActivity.open({ sampleRate: 44_100 }))).line).toMatch(
      /not 44100; resample/,
    )
    expect((await refusalOf(() => VoiceActivity.open({ path: '/nowhere.onnx' }))).line).toMatch(/no network/)
  })
})
