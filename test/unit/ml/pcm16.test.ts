import { describe, expect, it } from 'vitest'
import { pcm16Of, samplesOfPcm16 } from '../../../src/ml/audio/pcm16.js'

describe('16-bit samples', () => {
  it('every value comes back as it was', () => {
    const all = new Uint8Array(Int16Array.from({ length: 65_536 }, (_, i) => i - 32_768).buffer)
    expect(Buffer.compare(pcm16Of(samplesOfPcm16(all)), all)).toBe(0)
  })

  it('clips what is beyond full scale, and rounds to nearest', () => {
    const bytes = pcm16Of(Float32Array.of(1, 1.5, -1, -1.5, 0.6 / 32_768, 0))
    expect([...new Int16Array(bytes.buffer)]).toEqual([32_767, 32_767, -32_768, -32_768, 1, 0])
  })

  it('reads from anywhere in a buffer, and refuses half a sample', () => {
    const bytes = Uint8Array.of(9, 0, 0x40, 9).subarray(1, 3)
    expect([...samplesOfPcm16(bytes)]).toEqual([0.5])
    expect(() => samplesOfPcm16(bytes.subarray(1))).toThrow(RangeError)
  })
})
