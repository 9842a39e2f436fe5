/** One or two values over time in characters: a chart never wider than the terminal. */
import { upperMedian } from '../pob/aggregate/statistics.js'
import { DEFAULT_COLUMNS, formatFigures } from './format.js'

export interface ChartPoint {
  /** Unix ms. */
  readonly at: number
  /** One value for each mark; undefined where it is not known. */
  readonly values: readonly (number | undefined)[]
}

/** Of the first value, which is drawn last, and of the second. */
export const MARKS = ['*', '.'] as const
const HEIGHT = 10
/** `  248.9 |` before the plot. */
const AXIS_WIDTH = 10
/** Room above the largest value, so that it does not touch the frame. */
const HEADROOM = 1.05

/** `2026-11-28 09:14` in local time. */
export function formatMoment(ms: number): string {
  const date = new Date(ms)
  const two = (value: number) => String(value).padStart(2, '0')
  return (
    `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
    `${two(date.getHours())}:${two(date.getMinutes())}`
  )
}

/** Lines of a chart; points that share a column stand for their median. Empty where there are no points. */
export function valueChart(points: readonly ChartPoint[], columns = DEFAULT_COLUMNS): string[] {
  if (points.length === 0) return []
  const width = Math.max(20, Math.min(columns, DEFAULT_COLUMNS) - AXIS_WIDTH)
  const first = points.reduce((least, { at }) => Math.min(least, at), Number.POSITIVE_INFINITY)
  const last = points.reduce((most, { at }) => Math.max(most, at), 0)
  const known = (values: ChartPoint['values']) => values.filter((value) => value !== undefined)
  const top = points.reduce((most, { values }) => Math.max(most, ...known(values)), 0)
  const scale = top === 0 ? 1 : top * HEADROOM
  const byColumn = new Map<number, ChartPoint[]>()
  for (const point of points) {
    const x = last === first ? 0 : Math.floor(((point.at - first) / (last - first)) * (width - 1))
    byColumn.set(x, [...(byColumn.get(x) ?? []), point])
  }
  const cells = Array.from({ length: HEIGHT }, () => new Array<string>(width).fill(' '))
  const rowOf = (value: number) => HEIGHT - 1 - Math.min(HEIGHT - 1, Math.floor((value / scale) * HEIGHT))
  for (const [x, sharing] of byColumn) {
    for (const [i, mark] of [...MARKS.entries()].reverse()) {
      const here = known(sharing.map(({ values }) => values[i]))
      const row = here.length === 0 ? undefined : cells[rowOf(upperMedian(here))]
      if (row !== undefined) row[x] = mark
    }
  }
  const label = (row: number) => formatFigures((scale * (HEIGHT - row)) / HEIGHT).padStart(AXIS_WIDTH - 2)
  const from = formatMoment(first)
  const to = last === first ? '' : formatMoment(last)
  return [
    ...cells.map(
      (row, i) => `${i % 3 === 0 ? label(i) : ' '.repeat(AXIS_WIDTH - 2)} |${row.join('').trimEnd()}`,
    ),
    `${' '.repeat(AXIS_WIDTH - 2)} +${'-'.repeat(width)}`,
    `${' '.repeat(AXIS_WIDTH)}${from}${to.padStart(width - from.length)}`,
  ]
}
