/** Times and amounts of data as people write them: `6h`, `30min`, `5GiB`, `2026-11-28`. */
import { badArgument, quoted } from './option.js'

const UNITS_MS: Readonly<Record<string, number>> = {
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}
const UNITS_BYTES: Readonly<Record<string, number>> = {
  '': 2 ** 30,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

function parse(value: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(value.trim())
  const unit = units[match?.[2] ?? '?']
  return unit === undefined ? undefined : Number(match?.[1]) * unit
}

/** Milliseconds, above zero. @throws UserError BAD_ARGUMENT */
export function parseDuration(value: string, name: string): number {
  const ms = parse(value, UNITS_MS)
  if (ms === undefined || !(ms > 0))
    throw badArgument(`${name} expects a time like 30min, 6h or 1d, not ${quoted(value)}`)
  return ms
}

/** Bytes, above zero; a bare number counts GiB. @throws UserError BAD_ARGUMENT */
export function parseBytes(value: string, name: string): number {
  const bytes = parse(value, UNITS_BYTES)
  if (bytes === undefined || !(bytes > 0))
    throw badArgument(`${name} expects an amount of data like 500MB or 5GiB, not ${quoted(value)}`)
  return Math.floor(bytes)
}

/** A moment, Unix ms: a date, a date with time, or a time ago (`7d`). @throws UserError BAD_ARGUMENT */
export function parseMoment(value: string, name: string, nowMs: number): number {
  const ago = parse(value, UNITS_MS)
  if (ago !== undefined) return nowMs - ago
  const ms = /^\d{4}-\d{2}-\d{2}/.test(value) ? Date.parse(value) : Number.NaN
  if (Number.isNaN(ms))
    throw badArgument(`${name} expects a date like 2026-11-28 or a time ago like 7d, not ${quoted(value)}`)
  return ms
}
