/** Quiet hours ("22:00-06:00", local time) in which a prover declines challenges. Pure: the time is handed in. */
import { UserError } from '../errors.js'

export interface QuietRange {
  /** Minutes after local midnight, 0..1439. */
  readonly startMinute: number
  /** Exclusive; at or before `startMinute` the range runs over midnight. */
  readonly endMinute: number
}

const MINUTES_A_DAY = 1440

/** @throws UserError BAD_CONFIG unless the text is `HH:MM-HH:MM` with two different times. */
export function parseQuietRange(text: string): QuietRange {
  const match = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24):([0-5]\d)$/.exec(text)
  const [startMinute, end] = match
    ? [Number(match[1]) * 60 + Number(match[2]), Number(match[3]) * 60 + Number(match[4])]
    : []
  if (startMinute === undefined || end === undefined || end > MINUTES_A_DAY || startMinute === end)
    throw new UserError(`"${text}" is no range of hours`, {
      code: 'BAD_CONFIG',
      remedy: 'write it like "22:00-06:00" (local time, 24-hour clock)',
    })
  return { startMinute, endMinute: end % MINUTES_A_DAY }
}

const within = ({ startMinute, endMinute }: QuietRange, minute: number): boolean =>
  startMinute < endMinute
    ? minute >= startMinute && minute < endMinute
    : minute >= startMinute || minute < endMinute

/**
 * The time at which the present quiet period ends, or undefined where `now` is not quiet. Ranges that touch or overlap
 * count as one. Where they cover the whole day it is always quiet, and the answer lies a day ahead. Wall-clock
 * minutes: on the day of a clock change the answer may be an hour off, and asking again then corrects it.
 */
export function quietUntil(ranges: readonly QuietRange[], now: Date): Date | undefined {
  const startMinute = now.getHours() * 60 + now.getMinutes()
  let ahead = 0
  while (
    ahead < MINUTES_A_DAY &&
    ranges.some((range) => within(range, (startMinute + ahead) % MINUTES_A_DAY))
  )
    ahead++
  if (ahead === 0) return undefined
  const end = new Date(now)
  end.setMinutes(now.getMinutes() + ahead, 0, 0)
  return end
}
