/** Numbers and tables for people: always with units, and never wider than the terminal. */

/** What a terminal is assumed to be wide where nobody says: the width all our output must fit. */
export const DEFAULT_COLUMNS = 80

/** `248.9 Mbit/s`: four figures, so that a 0.1 % difference shows and noise does not. */
export function formatMbps(mbps: number): string {
  return `${formatFigures(mbps)} Mbit/s`
}

/** The number alone, with as many decimals as four figures need, at most two. */
export function formatFigures(value: number): string {
  const size = Math.abs(value)
  return value.toFixed(size >= 1000 ? 0 : size >= 100 ? 1 : 2)
}

/** Decimal units, as data plans and network people count: `37.5 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'] as const
  let value = bytes
  let index = 0
  // 999.95 would print as 1000.0 of the smaller unit.
  while (value >= 999.95 && index < units.length - 1) {
    value /= 1000
    index++
  }
  return `${index === 0 ? value : value.toFixed(1)} ${units[index]}`
}

/** `850 ms`, `2.4 s`, `3 min 05 s`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`
}

/** `5.2 ms`; tenths are as fine as a round trip repeats itself. */
export function formatMs(ms: number): string {
  return `${ms.toFixed(ms >= 100 ? 0 : ms >= 1 ? 1 : 2)} ms`
}

/** A long id by its ends: `16Uiu2HA...x9Qk`. */
export function shortId(id: string): string {
  return id.length <= 16 ? id : `${id.slice(0, 8)}...${id.slice(-4)}`
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** Breaks text at spaces; a word longer than the line gets a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/)) {
    if (word === '') continue
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  if (line !== '') lines.push(line)
  return lines
}

/** `label   text`, with the text wrapped in a column of its own; below a label that leaves no room beside it. */
export function labelled(label: string, text: string, labelWidth: number, columns = DEFAULT_COLUMNS): string {
  const lines = wrap(text, Math.max(20, columns - labelWidth))
  const indented = (line: string) => `${' '.repeat(labelWidth)}${line}`
  if (label.trimEnd().length >= labelWidth) return [label.trimEnd(), ...lines.map(indented)].join('\n')
  const [first = '', ...rest] = lines
  return [`${label.padEnd(labelWidth)}${first}`.trimEnd(), ...rest.map(indented)].join('\n')
}

export interface Column<Row> {
  readonly title: string
  readonly align?: 'left' | 'right'
  readonly value: (row: Row) => string
  /** This column gives way first when the table is too wide. */
  readonly shrinks?: boolean
}

/** Below this a shrunk column says nothing any more. */
const MIN_SHRUNK_WIDTH = 8

/** A table with two spaces between columns; columns marked so are cut where the whole does not fit. */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  width = DEFAULT_COLUMNS,
): string {
  const cells = rows.map((row) => columns.map((column) => column.value(row)))
  const widths = columns.map((column, i) =>
    Math.max(column.title.length, ...cells.map((row) => row[i]?.length ?? 0)),
  )
  let excess = widths.reduce((sum, each) => sum + each, 2 * (columns.length - 1)) - width
  const widestFirst = [...columns.entries()].sort(([a], [b]) => (widths[b] ?? 0) - (widths[a] ?? 0))
  for (const [i, column] of widestFirst) {
    if (excess <= 0 || column.shrinks !== true) continue
    const have = widths[i] ?? 0
    const now = Math.max(MIN_SHRUNK_WIDTH, column.title.length, have - excess)
    widths[i] = now
    excess -= have - now
  }
  const line = (texts: readonly string[]) =>
    texts
      .map((text, i) => {
        const room = widths[i] ?? 0
        const cut = text.length > room ? `${text.slice(0, room - 3)}...` : text
        return columns[i]?.align === 'right' ? cut.padStart(room) : cut.padEnd(room)
      })
      .join('  ')
      .trimEnd()
  return [line(columns.map((column) => column.title)), ...cells.map(line)].join('\n')
}

const isControl = (code: number): boolean => code < 0x20 || (code >= 0x7f && code <= 0x9f)

/** Control characters in text that came from elsewhere must not move the cursor. */
export function printable(text: string): string {
  return [...text]
    .map((character) => {
      const code = character.codePointAt(0) ?? 0
      return isControl(code) ? `\\x${code.toString(16).padStart(2, '0')}` : character
    })
    .join('')
}

/** The same of a text that may have several lines, which it keeps. */
export function printableLines(text: string): string {
  return text
    .split(/\r\n|\r|\n/)
    .map(printable)
    .join('\n')
}
