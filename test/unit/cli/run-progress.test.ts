/** How far a model has come, as a terminal and as a program see it. */
import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { CommandIo } from '../../../src/cli/io.js'
import { Output, type OutputMode, styleFor } from '../../../src/cli/output.js'
import { Progress } from '../../../src/cli/progress.js'
import { showRun } from '../../../src/cli/run-progress.js'
import { FakeTerminal } from './in-process.js'

function world(mode: OutputMode, isTTY: boolean, columns = 80) {
  const [stdout, stderr] = [new FakeTerminal(false), new FakeTerminal(isTTY, columns)]
  const env = { NO_COLOR: '1' }
  const output = new Output(mode, stdout, stderr)
  const io: CommandIo = {
    ...{ output, stdin: new Readable(), stdout, stderr, env },
    style: styleFor(stdout, env),
    signal: new AbortController().signal,
  }
  return { io, stdout, stderr, progress: new Progress(stderr, env, !output.isJson) }
}

/** The live line as it would be drawn now. */
function drawn({ progress, stderr }: ReturnType<typeof world>): string {
  stderr.text = ''
  progress.above('')
  return stderr.text.split('\x1b[2K').at(-1) ?? ''
}

describe('the live line of a model that runs', () => {
  it('has a bar once something is through, and the last words that were heard', () => {
    const here = world('human', true)
    const { onReached, onText } = showRun(here.progress, here.io, 'asr-small', 's')
    expect(drawn(here)).toMatch(/^. running asr-small, \d+ ms$/)
    onReached?.({ done: 75, total: 300 })
    expect(drawn(here)).toMatch(/^. \[#{6}\.{18}\] 75 of 300 s, \d+ ms$/)
    onText?.('please press one to accept this call')
    onText?.('and two \x1b[31mto refuse it')
    const line = drawn(here)
    expect(line).toMatch(/ s, \d+ ms: \.\.\..*two \\x1b\[31mto refuse it$/)
    expect(line.length).toBeLessThan(80)
    // The last window may reach beyond the sound.
    onReached?.({ done: 301, total: 300 })
    expect(drawn(here)).toMatch(/^. \[#{24}\] 300 of 300 s/)
    here.progress.stop()
  })

  it('leaves the words out where there is no room', () => {
    const here = world('human', true, 56)
    const { onReached, onText } = showRun(here.progress, here.io, 'asr-small', 'pieces')
    onText?.('please press one')
    onReached?.({ done: 1, total: 2 })
    expect(drawn(here)).toMatch(/^. \[#{12}\.{12}\] 1 of 2 pieces, /)
    expect(drawn(here)).not.toMatch(/press/)
    here.progress.stop()
  })

  it.each([
    ['human', false],
    ['json', true],
  ] as const)('is not written by %s output where the terminal is %s', (mode, isTTY) => {
    const here = world(mode, isTTY)
    const { onReached, onText } = showRun(here.progress, here.io, 'asr-small', 's')
    onReached?.({ done: 1, total: 2 })
    onText?.('please')
    here.progress.stop()
    expect(here.stderr.text + here.stdout.text).toBe('')
  })

  it('comes as events to programs that read a stream of them', () => {
    const here = world('json-stream', true)
    const { onReached, onText } = showRun(here.progress, here.io, 'asr-small', 's')
    onReached?.({ done: 1, total: 2 })
    onText?.('please')
    expect(
      here.stdout.text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { event: 'progress', done: 1, total: 2, unit: 'seconds' },
      { event: 'text', text: 'please' },
    ])
  })
})
