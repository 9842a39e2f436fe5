import { describe, expect, it } from 'vitest'
import { COMMANDS } from '../../../src/cli/commands.js'
import { commandHelp, familyHelp, programHelp } from '../../../src/cli/help.js'
import { outputModeOf, parseCommandLine } from '../../../src/cli/parse.js'
import { UserError } from '../../../src/errors.js'
import { complaint, run } from './in-process.js'

const PEER = '16Uiu2HAm6tPmyFMX5HuqfzKPJJmAqJJhytPf9yaqL7E7R4pxRrrp'
const NOWHERE = ['--data-dir', '/no/such/directory']
const parse = (...args: string[]) => parseCommandLine(args, COMMANDS, '1.2.3')

describe('help', () => {
  const texts = [
    ['top level', programHelp(COMMANDS)],
    [
      'keys',
      familyHelp(
        'keys',
        COMMANDS.filter((command) => command.path.startsWith('keys ')),
      ),
    ],
    ...COMMANDS.map((command) => [command.path, commandHelp(command)]),
  ] as [string, string][]

  it.each(texts)('%s fits 80 columns and ends with a newline', (_, text) => {
    expect(text.split('\n').filter((line) => line.length > 80)).toEqual([])
    expect(text.endsWith('\n')).toBe(true)
  })

  it('names every option, its default and an example of every command', () => {
    for (const command of COMMANDS) {
      const text = commandHelp(command)
      for (const [name, spec] of Object.entries(command.options)) {
        expect(text).toContain(`--${name}`)
        if (spec.defaultText !== undefined) expect(text.replace(/\s+/g, ' ')).toContain(spec.defaultText)
      }
      expect(command.examples.length).toBeGreaterThan(0)
      for (const [, explanation] of command.examples) expect(text.replace(/\s+/g, ' ')).toContain(explanation)
      expect(text).toContain(`plumbline ${command.examples[0]?.[0]}`)
    }
  })

  it('shows examples that parse', () => {
    for (const command of COMMANDS)
      for (const [line] of command.examples) {
        // As a shell splits them: redirections are not the command's, quotes hold words together.
        const own = line.replace(/ [|<>].*$/, '')
        const words = [...own.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word)
        const invocation = parse(...words)
        expect(invocation.kind === 'run' && invocation.command.path).toBe(command.path)
      }
  })

  it('answers --help anywhere, help <command>, and nothing at all', () => {
    const printed = (...args: string[]) => {
      const invocation = parse(...args)
      return invocation.kind === 'print' ? invocation.text : undefined
    }
    expect(printed('measure', PEER, '--claim', '3', '--help')).toContain('Usage: plumbline measure <peer>')
    expect(printed('help', 'keys', 'import')).toContain('Usage: plumbline keys import <file>')
    expect(printed('keys', '-h')).toContain('keys export')
    expect(printed()).toBe(programHelp(COMMANDS))
    expect(printed('--version')).toBe('plumbline 1.2.3\n')
  })
})

describe('the command line', () => {
  it('hands texts on by option name, and reads them in the handler', () => {
    const invocation = parse('measure', PEER, '--claim=250', '--profile', 'quick', '--json')
    if (invocation.kind !== 'run') throw new Error('nothing to run')
    expect(invocation.mode).toBe('json')
    expect(invocation.raw).toMatchObject({ peer: PEER, claim: '250', profile: 'quick', faulty: undefined })
  })

  it('takes numbers, hexadecimal ids and options before the command as they are typed', () => {
    const id = `0x${'12'.repeat(32)}`
    const invocation = parse('--data-dir', '/tmp/x', 'verify', id)
    if (invocation.kind !== 'run') throw new Error('nothing to run')
    expect(invocation.raw).toMatchObject({ transcript: id, 'data-dir': '/tmp/x' })
  })

  it('takes what stands behind -- for words, however they begin', () => {
    const raw = (...args: string[]) => {
      const invocation = parse(...args)
      return invocation.kind === 'run' ? [invocation.mode, invocation.raw] : []
    }
    expect(raw('transcribe', '--', '-dash.wav')).toMatchObject(['human', { recording: '-dash.wav' }])
    expect(raw('transcribe', '--local', '--', '--json')).toMatchObject([
      'human',
      { recording: '--json', local: 'true' },
    ])
    expect(raw('verify', '--json', '--', '--help')).toMatchObject(['json', { transcript: '--help' }])
    expect(raw('keys', 'import', '--', '-k')).toMatchObject(['human', { file: '-k' }])
    expect(raw('transcribe', '--', '-')).toMatchObject(['human', { recording: '-' }])
    expect(raw('transcribe', '--', 'talk.wav')).toMatchObject(['human', { recording: 'talk.wav' }])
    expect(() => parse('verify', '--', '-a', '-b')).toThrow('unexpected argument "-b"')
    expect(() => parse('measure', PEER, '--claim', '--', '5')).toThrow('--claim needs a value')
    expect(outputModeOf(['speak', '--', '--json'])).toBe('human')
  })

  it.each([
    [['mesure', PEER], 'unknown command "mesure"; did you mean "measure"?'],
    [['frobnicate'], 'unknown command "frobnicate"; "plumbline --help" lists the commands'],
    [['keys'], '"keys" needs one of: list, import, export'],
    [['keys', 'exprot'], 'unknown command "keys exprot"; did you mean "keys export"?'],
    [['measure', PEER, '--clam', '3'], 'unknown option --clam for "measure"; did you mean --claim?'],
    [
      ['measure', PEER, '--dataDir', '/x'],
      'unknown option --dataDir for "measure"; did you mean --data-dir?',
    ],
    [['status', '-x'], 'unknown option -x for "status"; "plumbline status --help" lists its options'],
    [['status', '--no-json'], 'unknown option --no-json for "status"'],
    [['measure', '--claim', '3'], 'measure needs <peer>; "plumbline measure --help" shows how it is used'],
    [['measure', PEER, 'other', '--claim', '3'], 'unexpected argument "other"'],
    [['measure', PEER, '--claim'], '--claim needs a value (Mbit/s)'],
    [['measure', PEER, '--claim', '--json'], '--claim needs a value (Mbit/s)'],
    [['measure', PEER], '--claim is missing'],
    [['measure', PEER, '--claim', '1', '--claim', '2'], '--claim was given more than once'],
    [['measure', PEER, '--claim', 'fast'], '--claim expects a number above 0, at most 100000, not "fast"'],
    [['measure', PEER, '--claim', '-5'], '--claim expects a number above 0, at most 100000, not "-5"'],
    [['measure', PEER, '--claim', '0x10'], '--claim expects a number above 0'],
    [['measure', PEER, '--claim', '1e999'], '--claim expects a number above 0'],
    [['measure', PEER, '--claim', '5', '--faulty', '1.5'], '--faulty expects a whole number from 0 to 64'],
    [['measure', PEER, '--claim', '5', '--faulty', '10'], '--faulty 10 must be below --challengers 10'],
    [['measure', PEER, '--claim', '5', '--beta', '0.2'], '--beta belongs to the strict profile'],
    [
      ['measure', PEER, '--claim', '5', '--profile', 'fast'],
      '--profile expects quick, standard, strict or published, not "fast"',
    ],
    [['measure', '/ip4/127.0.0.1/tcp/1', '--claim', '5'], '/ip4/127.0.0.1/tcp/1 names no peer'],
    [['measure', 'abc', '--claim', '5'], '<peer>: "abc" is no peer id (mistyped?); copy it from'],
    [
      ['measure', PEER, '--claim', '5', '--rpc', 'http://127.0.0.1:1'],
      'no terminal to ask at; give --yes, or a limit with --max-price',
    ],
    [['measure', PEER.slice(0, -1), '--claim', '5'], 'is no peer id (mistyped?)'],
    [['measure', `/ip4/127.0.0.1/tcp/1/p2p/${PEER}O`, '--claim', '5'], 'is no peer id (mistyped?)'],
    [['prover', '--quiet-hours', '25:99'], '--quiet-hours: "25:99" is no range of hours; write it like'],
    [['prover', '--allow', 'abc', ...NOWHERE], '--allow: "abc" is not the peer id'],
    [['prover', '--listen', 'foo', ...NOWHERE], '--listen: "foo" is no multiaddr'],
    [['prover', '--metrics-port', 'yes', ...NOWHERE], '--metrics-port: '],
    [['prover', '--claim', '9', '--max-claim', '5'], '--claim 9 exceeds --max-claim 5'],
    [['challenger', '--operator', 'x'.repeat(80), ...NOWHERE], '--operator: '],
    [['lab', '--challengers', '2', '--faulty', '5'], '--faulty 5 must be below --challengers 2'],
    [['lab', '--teams', '5'], '--teams belongs to the strict profile'],
    [['lab', '--beta', '0.1', '--profile', 'quick'], '--beta belongs to the strict profile'],
    [['lab', '--delta', '0.1'], '--delta belongs to the strict profile'],
    [
      ['node', '--roles', 'prover,king'],
      '--roles expects prover, challenger, coordinator, payer, provider or auditor, not "king"',
    ],
    [
      ['provider', '--sell', 'asr-small=1 ETH', ...NOWHERE],
      'asr-small could never be sold, since a unit of it costs more than a client may owe: have 0.001 ETH, need 1 ETH; lower',
    ],
    [['status', '--data-dir', ''], '--data-dir is empty'],
    [['status', '--json', '--json-stream'], '--json and --json-stream exclude each other'],
    [['verify', 'x', '--layer', '7'], '--layer expects 2, 3 or 4, not "7"'],
    [['completion', 'tcsh'], '<shell> expects bash, zsh or fish, not "tcsh"'],
  ])('%j: one line, status 2', async (args, expected) => {
    const outcome = await run(args)
    expect(complaint(outcome)).toContain(expected)
    expect(outcome.status).toBe(2)
    if (!args.includes('--json')) expect(outcome.stdout).toBe('')
  })

  it('reports a mistake as an object, too, where a program reads', async () => {
    const outcome = await run(['measure', PEER, '--clam', '3', '--json'])
    expect(JSON.parse(outcome.stdout)).toEqual({
      error: {
        code: 'BAD_ARGUMENT',
        message: 'unknown option --clam for "measure"',
        remedy: 'did you mean --claim?',
      },
    })
    const streamed = await run(['status', '--bogus', '--json-stream'])
    expect(JSON.parse(streamed.stdout)).toMatchObject({ event: 'error', error: { code: 'BAD_ARGUMENT' } })
  })

  it('does not let a typed control character reach the terminal', async () => {
    const outcome = await run(['\u001b[31mred'])
    expect(outcome.stderr).not.toContain('\u001b')
    expect(outcome.status).toBe(2)
  })

  it('never throws anything but a user error, whatever is typed', () => {
    const words = [
      '',
      '-',
      '--',
      '---',
      '--=',
      '-=x',
      'keys',
      'measure',
      '--claim',
      '0',
      '\0',
      '__proto__',
      'constructor',
    ]
    for (const first of ['measure', 'keys', ''])
      for (const second of words)
        for (const third of words)
          try {
            parse(first, second, third)
          } catch (error) {
            expect(error, JSON.stringify([first, second, third])).toBeInstanceOf(UserError)
          }
  })

  it('knows the output mode of a line that is wrong otherwise', () => {
    expect(outputModeOf(['bogus', '--json'])).toBe('json')
    expect(outputModeOf(['--json-stream'])).toBe('json-stream')
    expect(outputModeOf([])).toBe('human')
  })
})
