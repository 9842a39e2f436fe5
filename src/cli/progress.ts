/**
 * Progress on standard error. On a terminal the last line is redrawn in place; elsewhere only finished lines are
 * written. Log lines pass above the live one.
 */
import { type Style, styleFor, type Terminal } from './output.js'

const FRAMES = ['|', '/', '-', '\\'] as const
/** Ten frames a second look alive and cost nothing beside a measurement. */
const FRAME_MS = 100
const ERASE_LINE = '\r\x1b[2K'

/** A bar of `width` cells for a share of 0..1; ASCII, because consoles of access points often have nothing else. */
export function bar(share: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width)
  return `[${'#'.repeat(filled)}${'.'.repeat(width - filled)}]`
}

export class Progress {
  readonly #terminal: Terminal
  readonly #live: boolean
  readonly style: Style
  #render: ((elapsedMs: number) => string) | undefined
  #timer: NodeJS.Timeout | undefined
  #startedMs = 0
  #frame = 0

  /** @param enabled false where a program reads the output and wants no decoration */
  constructor(
    terminal: Terminal,
    env: Readonly<Record<string, string | undefined>>,
    readonly enabled = true,
  ) {
    this.#terminal = terminal
    this.#live = enabled && terminal.isTTY && env.TERM !== 'dumb'
    this.style = styleFor(terminal, env)
  }

  /** Begins a live line; `render` is asked for its text about ten times a second. */
  live(render: (elapsedMs: number) => string): void {
    this.#render = render
    this.#startedMs = performance.now()
    if (!this.#live) return
    this.#draw()
    this.#timer ??= setInterval(() => this.#draw(), FRAME_MS)
    this.#timer.unref()
  }

  /** Ends the live line and writes a finished one. */
  line(text: string): void {
    this.#endLive()
    if (this.enabled) this.#terminal.write(`${text}\n`)
  }

  /** Writes whole lines (of a log) above the live one; never suppressed. */
  above(lines: string): void {
    this.aside(() => this.#terminal.write(lines))
  }

  /** The same for what somebody else writes to the terminal, in whole lines. */
  aside(write: () => void): void {
    if (this.#live && this.#render !== undefined) this.#terminal.write(ERASE_LINE)
    write()
    this.#draw()
  }

  /** Leaves the terminal clean; to be called in `finally`. */
  stop(): void {
    this.#endLive()
  }

  #endLive(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    if (this.#live && this.#render !== undefined) this.#terminal.write(ERASE_LINE)
    this.#render = undefined
  }

  #draw(): void {
    if (!this.#live || this.#render === undefined) return
    const spinner = FRAMES[this.#frame++ % FRAMES.length] ?? ' '
    const line = this.#render(performance.now() - this.#startedMs)
    // In the indentation of lines that have one, so that nothing jumps when the line is finished.
    const text = line.startsWith('  ') ? `${spinner}${line.slice(1)}` : `${spinner} ${line}`
    // A line that wraps could not be erased again.
    this.#terminal.write(`${ERASE_LINE}${text.slice(0, Math.max(1, this.#terminal.columns - 1))}`)
  }
}
