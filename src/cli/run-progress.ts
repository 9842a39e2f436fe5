/** How far a model of this machine has come: a bar once it says so, the last words that it heard beside it. */
import type { Told } from '../inference/local/told.js'
import { formatDuration, printable } from './format.js'
import type { CommandIo } from './io.js'
import { bar, type Progress } from './progress.js'

const BAR_WIDTH = 24
/** Fewer characters of text say nothing. */
const LEAST_TEXT = 12
/** The spinner before a live line, and the column that stays free behind it. */
const MARGIN = 3

/** What is counted: sounds by the second, texts by the piece. */
export type Counted = 's' | 'pieces'

/**
 * Shows it on the live line, as one that ends in time and words.
 * @returns whom a model's process tells; programs that read a stream of events get them, too
 */
export function showRun(progress: Progress, io: CommandIo, name: string, counted: Counted): Told {
  let share: string | undefined
  let heard = ''
  progress.live((elapsedMs) => {
    const time = formatDuration(elapsedMs)
    if (share === undefined) return `running ${name}, ${time}`
    const line = `${share}, ${time}`
    const room = io.stderr.columns - MARGIN - line.length - 2
    return heard === '' || room < LEAST_TEXT ? line : `${line}: ${lastOf(heard, room)}`
  })
  return {
    onReached: ({ done, total }) => {
      const [reached, whole] = [Math.min(total, done), total]
      io.output.event('progress', {
        done: reached,
        total: whole,
        unit: counted === 's' ? 'seconds' : counted,
      })
      share = `${bar(reached / whole, BAR_WIDTH)} ${Math.round(reached)} of ${Math.round(whole)} ${counted}`
    },
    onText: (text) => {
      io.output.event('text', { text })
      heard = `${heard} ${text.trim()}`.slice(-io.stderr.columns)
    },
  }
}

const CUT = '...'

/** Its end, within so many characters. */
function lastOf(text: string, room: number): string {
  const shown = printable(text.trim())
  return shown.length <= room ? shown : `${CUT}${shown.slice(CUT.length - room)}`
}
