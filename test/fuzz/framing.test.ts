import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UserError } from '../../src/errors.js'
import { AnnouncementTable } from '../../src/p2p/announcements.js'
import { decodeAnswer } from '../../src/p2p/answer.js'
import { LineReader } from '../../src/p2p/control-client.js'
import { FrameError, FrameReader, frame } from '../../src/p2p/framing.js'
import {
  readRequestPayload,
  requestPayload,
  SharedFrameReader,
  sharedFrame,
} from '../../src/p2p/shared-stream/frames.js'
import { varint } from '../../src/p2p/varint.js'

const numRuns = Number(process.env.FUZZ_RUNS ?? 2000)
const MAX_BYTES = 300_000

/** Feeds bytes in pieces of the given sizes. */
function feed(bytes: Uint8Array, sizes: readonly number[], maxBytes = MAX_BYTES): Uint8Array | 'refused' {
  const reader = new FrameReader(maxBytes)
  try {
    let at = 0
    for (let i = 0; at < bytes.length; i++) {
      const size = Math.max(1, sizes[i % Math.max(1, sizes.length)] ?? bytes.length)
      reader.push(bytes.subarray(at, at + size))
      at += size
    }
    return reader.end()
  } catch (error) {
    if (error instanceof FrameError) return 'refused'
    throw error
  }
}

describe('frames', () => {
  it('come back whole, however they are cut', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 5 }),
        (bytes, sizes) => {
          expect(feed(frame(bytes), sizes)).toEqual(bytes)
        },
      ),
      { numRuns },
    )
    for (const length of [0, 127, 128, 16_383, 16_384, 65_536, 200_000])
      for (const size of [1000, 65_537, length + 9]) {
        const bytes = new Uint8Array(length).map((_, i) => i % 251)
        const back = feed(frame(bytes), [size])
        expect(back !== 'refused' && Buffer.compare(back, bytes) === 0, `${length} by ${size}`).toBe(true)
      }
  })

  it('are refused when cut short, followed by more, or over the limit', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.nat(), (bytes, cut) => {
        const whole = frame(bytes)
        expect(feed(whole.subarray(0, cut % whole.length), [])).toBe('refused')
        expect(feed(Uint8Array.from([...whole, 0]), [])).toBe('refused')
        expect(feed(whole, [], bytes.length - 1)).toBe('refused')
      }),
      { numRuns },
    )
  })

  it('have one form: whatever random bytes are accepted, they are that frame', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const message = feed(bytes, [3])
        if (message !== 'refused') expect(frame(message)).toEqual(bytes)
      }),
      { numRuns },
    )
  })
})

describe('frames of a shared stream', () => {
  /** What comes out of bytes that are cut into pieces; null where they are refused. */
  const cut = (bytes: Uint8Array, size: number): readonly Uint8Array[] | null => {
    const frames: Uint8Array[] = []
    const reader = new SharedFrameReader({
      onHead: ({ length }) => {
        if (length > MAX_BYTES) throw new FrameError('oversize', 'too long')
        return true
      },
      onFrame: ({ kind, number }, payload) => void frames.push(sharedFrame(kind, number, payload)),
    })
    try {
      for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size))
      return frames
    } catch (error) {
      if (error instanceof FrameError) return null
      throw error
    }
  }

  it('have one form, and what is accepted of random bytes is what was there, however it is cut', () => {
    const head = fc.tuple(fc.integer({ max: 4, min: 0 }), fc.nat(300), fc.nat(40))
    const likely = head.map(([kind, number, length]) =>
      Uint8Array.from([kind, ...varint(number), ...varint(length), ...new Uint8Array(length)]),
    )
    const bytes = fc
      .array(fc.oneof(fc.uint8Array({ maxLength: 40 }), likely), { maxLength: 4 })
      .map((parts) => new Uint8Array(Buffer.concat(parts)))
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 50 }), (sent, size) => {
        const frames = cut(sent, size)
        expect(cut(sent, 1000)).toEqual(frames)
        if (frames === null) return
        const whole = Buffer.concat(frames)
        expect(Buffer.compare(whole, sent.subarray(0, whole.length))).toBe(0)
      }),
      { numRuns },
    )
  })

  it('name an exchange, or are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (payload) => {
        try {
          const { name, message } = readRequestPayload(payload)
          expect(requestPayload(name, message)).toEqual(payload)
        } catch (error) {
          if (!(error instanceof FrameError)) throw error
        }
      }),
      { numRuns },
    )
  })
})

describe('answers, announcements and control lines', () => {
  it('survive random bytes', () => {
    let now = 1_800_000_000_000
    const table = new AnnouncementTable(() => now)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        now += 1000
        expect(table.receive(bytes)).toBe('reject')
        try {
          decodeAnswer(bytes)
        } catch (error) {
          if (!(error instanceof UserError)) throw error
          expect(error.line).not.toContain('\n')
        }
      }),
      { numRuns },
    )
    expect(table.size).toBe(0)
  })

  it('split lines the same however they come, and bound them', () => {
    const line = fc.string({ maxLength: 20 }).map((text) => text.replaceAll('\n', ''))
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), fc.integer({ min: 1, max: 30 }), (lines, size) => {
        const bytes = new TextEncoder().encode(lines.map((each) => `${each}\n`).join(''))
        const reader = new LineReader(100)
        const got: string[] = []
        for (let at = 0; at < bytes.length; at += size)
          got.push(...reader.push(bytes.subarray(at, at + size)))
        expect(got).toEqual(lines)
      }),
      { numRuns: Math.min(numRuns, 500) },
    )
    expect(() => new LineReader(10).push(new Uint8Array(11).fill(65))).toThrow(RangeError)
  })
})
