/** The bench's table, on a terminal that shows both streams: below the bar, not behind it. */
import { expect, it } from 'vitest'
import { COMMANDS } from '../../../src/cli/commands.js'
import type { CommandIo } from '../../../src/cli/io.js'
import { Output, styleFor } from '../../../src/cli/output.js'
import { runCommandLine } from '../../../src/cli/run.js'
import { FakeTerminal } from './in-process.js'

const ERASED = '\r\u001b[2K'

it('takes its bar away before it shows the table', { timeout: 60_000 }, async () => {
  const terminal = new FakeTerminal(true)
  const env = {}
  const args = [
    'models',
    'bench',
    'asr-small',
    '--precision',
    'fp32',
    '--threads',
    '1',
    '--seconds',
    '1',
    '--runs',
    '1',
  ]
  const status = await runCommandLine(args, { commands: COMMANDS, version: '0.0.0-test' }, (mode) => {
    const io: Partial<CommandIo> = {
      output: new Output(mode, terminal, terminal),
      ...{ stdout: terminal, stderr: terminal, env },
      style: styleFor(terminal, env),
      signal: new AbortController().signal,
    }
    return io as CommandIo
  })
  expect(status).toBe(0)
  const [before] = terminal.text.split('asr-small (')
  expect(before).toContain('0 of 1')
  expect(before?.endsWith(ERASED)).toBe(true)
})
