import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fitsDataCap, monthKey, remainingBytes } from '../../../src/config/data-cap.js'
import { parseQuietRange, quietUntil } from '../../../src/config/quiet-hours.js'
import { UserError } from '../../../src/errors.js'

const at = (hours: number, minutes = 0): Date => new Date(2026, 4, 10, hours, minutes, 30)
const clock = (date: Date | undefined): string | undefined =>
  date &&
  `${date.getDate()} ${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`
const until = (ranges: readonly string[], now: Date): string | undefined =>
  clock(quietUntil(ranges.map(parseQuietRange), now))

describe('quiet hours', () => {
  it('run over midnight', () => {
    const night = ['22:00-06:00']
    expect(until(night, at(21, 59))).toBeUndefined()
    expect(until(night, at(22))).toBe('11 06:00')
    expect(until(night, at(0))).toBe('10 06:00')
    expect(until(night, at(5, 59))).toBe('10 06:00')
    expect(until(night, at(6))).toBeUndefined()
  })

  it('join where they touch', () => {
    expect(until(['10:00-11:00', '11:00-12:30'], at(10, 15))).toBe('10 12:30')
    expect(until(['10:00-11:00', '10:30-12:30'], at(10, 15))).toBe('10 12:30')
    expect(until(['10:00-11:00', '11:01-12:00'], at(10, 15))).toBe('10 11:00')
  })

  it('may cover the whole day', () => {
    expect(until(['00:00-24:00'], at(13))).toBe('11 13:00')
    expect(until(['00:00-12:00', '12:00-24:00'], at(13))).toBe('11 13:00')
  })

  it('are never quiet without ranges', () => {
    expect(until([], at(3))).toBeUndefined()
  })

  it('end at a minute that is not quiet, and are quiet up to it', () => {
    const time = fc.integer({ min: 0, max: 1439 })
    const range = fc.tuple(time, time).filter(([a, b]) => a !== b)
    fc.assert(
      fc.property(fc.array(range, { maxLength: 4 }), time, (pairs, minute) => {
        const ranges = pairs.map(([startMinute, endMinute]) => ({ startMinute, endMinute }))
        const quiet = (m: number): boolean =>
          ranges.some(({ startMinute: s, endMinute: e }) => (s < e ? m >= s && m < e : m >= s || m < e))
        const now = new Date(2026, 4, 10, 0, minute)
        const end = quietUntil(ranges, now)
        expect(end !== undefined).toBe(quiet(minute))
        if (end === undefined) return
        const length = Math.round((end.getTime() - now.getTime()) / 60_000)
        for (let i = 0; i < length; i++) expect(quiet((minute + i) % 1440)).toBe(true)
        if (length < 1440) expect(quiet((minute + length) % 1440)).toBe(false)
      }),
    )
  })

  it('refuse anything but HH:MM-HH:MM', () => {
    for (const text of [
      '',
      '22-06',
      '22:00',
      '24:00-06:00',
      '22:60-06:00',
      '22:00-24:01',
      '6:00-7:00',
      '10:00-10:00',
      ' 22:00-06:00',
    ])
      expect(() => parseQuietRange(text), text).toThrow(UserError)
  })
})

describe('the data cap', () => {
  it('counts calendar months of local time', () => {
    expect(monthKey(new Date(2026, 0, 31, 23, 59))).toBe('2026-01')
    expect(monthKey(new Date(2026, 11, 1))).toBe('2026-12')
  })

  it('leaves what is not used, and never less than nothing', () => {
    expect(remainingBytes({ capGiBPerMonth: undefined, usedBytes: 1e15 })).toBe(Number.POSITIVE_INFINITY)
    expect(remainingBytes({ capGiBPerMonth: 1, usedBytes: 24 })).toBe(2 ** 30 - 24)
    expect(remainingBytes({ capGiBPerMonth: 1, usedBytes: 2 ** 31 })).toBe(0)
    expect(fitsDataCap({ capGiBPerMonth: 1, usedBytes: 0 }, 2 ** 30)).toBe(true)
    expect(fitsDataCap({ capGiBPerMonth: 1, usedBytes: 1 }, 2 ** 30)).toBe(false)
  })
})
