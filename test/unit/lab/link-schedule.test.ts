import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DROPPED, LinkSchedule } from '../../../src/lab/link-schedule.js'

/** 8 Mbit/s: a byte takes a microsecond. */
const BYTES_PER_MS = 1000
const link = (burstBytes: number, bufferBytes: number): LinkSchedule =>
  new LinkSchedule({ rateMbps: 8, burstBytes, bufferBytes })

describe('the token-bucket link', () => {
  it('passes a burst at once and then one packet per packet time', () => {
    const schedule = link(3000, 1e6)
    const departures = Array.from({ length: 5 }, () => schedule.departure(100, 1000))
    expect(departures).toEqual([100, 100, 100, 101, 102])
  })

  it('drops what does not fit into the buffer, and takes more once there is room', () => {
    const schedule = link(1000, 2000)
    const departures = Array.from({ length: 4 }, () => schedule.departure(0, 1000))
    expect(departures).toEqual([0, 1, 2, DROPPED])
    expect(schedule.dropped).toBe(1)
    expect(schedule.departure(1, 1000)).toBe(3)
  })

  it('never lets more than burst + rate x time leave from when it was idle, in order, never early', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1500, max: 9000 }),
        fc.array(
          fc.record({
            gap: fc.double({ min: 0, max: 3, noNaN: true }),
            bytes: fc.integer({ min: 1, max: 1500 }),
          }),
          {
            minLength: 1,
            maxLength: 80,
          },
        ),
        (burst, packets) => {
          const schedule = link(burst, 20_000)
          let now = 0
          let last = 0
          let sent = 0
          for (const { gap, bytes } of packets) {
            now += gap
            const departure = schedule.departure(now, bytes)
            if (departure === DROPPED) continue
            sent += bytes
            expect(departure).toBeGreaterThanOrEqual(Math.max(now, last))
            expect(sent).toBeLessThanOrEqual(burst + BYTES_PER_MS * departure + 1e-6)
            last = departure
          }
        },
      ),
    )
  })

  it('gives the whole rate to a sender that always has packets waiting', () => {
    const schedule = link(1500, 50_000)
    let sent = 0
    let last = 0
    for (let now = 0; now < 1000; now += 1)
      for (let i = 0; i < 2; i++) {
        const departure = schedule.departure(now, 1000)
        if (departure === DROPPED || departure > 1000) continue
        sent += 1000
        last = departure
      }
    expect(sent / last / BYTES_PER_MS).toBeCloseTo(1, 2)
  })

  it('passes everything at once where there is no rate', () => {
    const schedule = new LinkSchedule({ rateMbps: null, burstBytes: 0, bufferBytes: 0 })
    expect(schedule.departure(5, 1e9)).toBe(5)
  })
})
