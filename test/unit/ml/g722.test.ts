import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { decodeG722 } from '../../../src/ml/audio/g722.js'

/** A noisy sweep of 0.1 s that FFmpeg 5.1 encoded, and the digest of what its decoder makes of it (16-bit PCM). */
const SWEEP =
  'N4wghCCEOqAiJmUlI6UkI6ioqSuttjuf35PW2M0MEUzL0VSSExpU99iesn8rdPArbnJxr6449THe+RZ809L/TdMU0FYXm53Xf175' +
  '+7Np+zKssnjtrfB79ph72Ze8WI9SVdmWWRtRddu3Pmzc8mj6b258NLjvG769/9ZYj90Wj/XPvNj323f8car6+S70dviv19vxUP0W' +
  'mZHTvLzQ9l6W8Piwuip/9Pgrf/rbOpwMe9jVkNPw1k4rGHR8snX3b9erV/AW+1zW9pGSuxraez3f9PJ/96p58Bxf93WdF9Mamtb6' +
  '0h/Ystqo+//pdfYe7pjf2X18UpFW1z/5tHzbsW1pF+rWqNPzUls4GNJ8f3QUP/PdrnVs+Jj31nSdjPdQ2ZUze5Zv/m8frPUWMHZe' +
  'j/9WvpL7EXbxPDd68e36nu/Q1DZUzy/Melf1tfts/l9qP7OS+JbcFpkcUnPddHD/bXC+M1Y/1/sQ0NO0eH24cy/4OO69X3NNkvyX' +
  '+dRZ8ZyzLXT283waP1tMfdCUX+/YszHze+/5nNhaXg6X1V0u2vKyOPHt1vCYUNT0W4623jgpuXTeat5/lB5OX9883R7wsvBw75E4' +
  '99NbVdzLLP8yXXA4cTYdznPTmVy8X1nuMe19vL/9Hh3O1NzbL97sPm/z3tXxzNT7EZx0MfK7tnJyEL/O99jQX7J3M+4WMXlduo3W' +
  '0O0cvnRw9PExUn7bEJZ3Ee+ca91zstdcnlB3S655Vyv59zJdVrjXldLbcHJ1HvBz+F/OWbtVGN0yLfc1eVctT9OfX/oe9645ctxy' +
  '0BTW2vF6EHDrejBTuBQdXlOcMvFwPfSd81LNnV3yPrvzb/Ae1VIe27tTtu7uF+/90V98Dvzt2T4rXnu9HtBZU298vbQvcX0UUFqy' +
  '2VH5qP1tXZPZbdYVl/dudDZWtL3+05vTKvxvUfWyvtUU0fJ9M5+ycvtYFVNv1PfZKvB41rOO/xrW7HD+rh/3ldYSNxv2blxwel9U' +
  'G1A6tfd7bDTbWdr9kPd9sGi4l3UYkdX5d7Xt8XoWd8321xzru9/tHFkYz7R7+7l17/g='
const DECODED = '42392908194bf254eb3a16f4de23408b9abab6f800bf7110f383928b618832c7'

describe('G.722 (ITU-T, 64 kbit/s)', () => {
  it('gives the same samples as an independent decoder, bit by bit', () => {
    const samples = decodeG722(Buffer.from(SWEEP, 'base64'))
    const pcm = Int16Array.from(samples, (sample) => sample * 32_768)
    expect(createHash('sha256').update(new Uint8Array(pcm.buffer)).digest('hex')).toBe(DECODED)
  })

  it('gives two samples a byte and starts anew with each call', () => {
    const bytes = Buffer.from(SWEEP, 'base64')
    const first = decodeG722(bytes)
    expect(first.length).toBe(2 * bytes.length)
    expect(decodeG722(bytes)).toEqual(first)
  })

  it('depends on every byte: one flipped bit changes the sound from there on', () => {
    const bytes = Buffer.from(SWEEP, 'base64')
    const damaged = Buffer.from(bytes)
    damaged[100] = (damaged[100] ?? 0) ^ 0x20
    const [good, bad] = [decodeG722(bytes), decodeG722(damaged)]
    expect(bad.subarray(0, 200 - 24)).toEqual(good.subarray(0, 200 - 24))
    expect(bad.subarray(200)).not.toEqual(good.subarray(200))
  })

  it('has nothing to say about nothing', () => {
    expect(decodeG722(new Uint8Array(0)).length).toBe(0)
  })
})
