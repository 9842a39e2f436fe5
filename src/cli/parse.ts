/**
 * The command line: yargs splits it, strictly; mistakes become one line with the nearest name that exists. What comes
 * out says what to do and does nothing yet.
 */
import yargs, { type Argv, type CommandModule } from 'yargs'
import { nearest } from '../config/suggest.js'
import { UserError } from '../errors.js'
import { type Command, outputOptions, type RawArguments } from './command.js'
import { commandHelp, familyHelp, programHelp } from './help.js'
import { badArgument, type OptionSpec, quoted } from './option.js'
import type { OutputMode } from './output.js'

export type Invocation =
  | { readonly kind: 'print'; readonly text: string }
  | { readonly kind: 'run'; readonly command: Command; readonly raw: RawArguments; readonly mode: OutputMode }

const HELP_FLAGS = ['--help', '-h']
const VERSION_FLAGS = ['--version', '-V']

/** The mode that a command line asks for, even where it is wrong otherwise: its failure is reported that way. */
export function outputModeOf(args: readonly string[]): OutputMode {
  const [options] = splitAtDashes(args)
  if (options.includes('--json-stream')) return 'json-stream'
  return options.includes('--json') ? 'json' : 'human'
}

/** What may hold options, and the words after `--`, which are none however they begin. */
function splitAtDashes(args: readonly string[]): readonly [readonly string[], readonly string[]] {
  const at = args.indexOf('--')
  return at === -1 ? [args, []] : [args.slice(0, at), args.slice(at + 1)]
}

/** @throws UserError BAD_ARGUMENT, exit status 2 */
export function parseCommandLine(
  args: readonly string[],
  commands: readonly Command[],
  version: string,
): Invocation {
  const [beforeDashes, afterDashes] = splitAtDashes(args)
  const [first, ...rest] = args
  if (first === 'help') return help(rest, commands)
  if (args.length === 0 || beforeDashes.some((arg) => HELP_FLAGS.includes(arg)))
    return help(beforeDashes, commands)
  if (first !== undefined && VERSION_FLAGS.includes(first))
    return { kind: 'print', text: `plumbline ${version}\n` }
  if (beforeDashes.includes('--json') && beforeDashes.includes('--json-stream'))
    throw badArgument('--json and --json-stream exclude each other', 'give one of them')

  let chosen: { command: Command; raw: RawArguments } | undefined
  const parser = strictYargs()
  addCommands(parser, commands, (command, argv) => {
    checkFlags(beforeDashes, command)
    chosen = { command, raw: rawArguments(command, argv) }
  })
  parser.fail((message, error) => {
    throw error instanceof UserError ? error : asUserError(message, beforeDashes, commands)
  })
  parser.parse([
    ...beforeDashes.map((arg) => (arg === '-' ? asWord(arg) : arg)),
    ...(afterDashes.length === 0 ? [] : [`--${END_OF_OPTIONS}=true`, ...afterDashes.map(asWord)]),
  ])
  if (chosen === undefined) throw unknownCommand(beforeDashes, commands)
  return { kind: 'run', ...chosen, mode: outputModeOf(beforeDashes) }
}

/**
 * Before a word that yargs would take for an option: "-", standard input to those that read it, and what comes after `--`.
 * No argument holds a NUL.
 */
const WORD_MARK = '\0'
/** In place of `--`, whose words yargs does not give to commands; an option before it still lacks its value. */
const END_OF_OPTIONS = '\0end'
const asWord = (arg: string): string => (arg.startsWith('-') ? WORD_MARK + arg : arg)
const unmarked = (word: string): string => (word.startsWith(WORD_MARK) ? word.slice(1) : word)

function strictYargs(): Argv {
  return yargs([])
    .locale('en')
    .exitProcess(false)
    .help(false)
    .version(false)
    .strict()
    .demandCommand(1)
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'short-option-groups': false,
    })
    .options(
      Object.fromEntries(
        [...Object.keys(outputOptions), END_OF_OPTIONS].map((name) => [
          name,
          { boolean: true, global: true },
        ]),
      ),
    )
}

type OnChosen = (command: Command, argv: Readonly<Record<string, unknown>>) => void

/** Subcommands (`keys import`) hang under a command of their own. */
function addCommands(parser: Argv, commands: readonly Command[], onChosen: OnChosen, depth = 0): void {
  const byWord = new Map<string, Command[]>()
  for (const command of commands) {
    const word = command.path.split(' ')[depth] ?? ''
    byWord.set(word, [...(byWord.get(word) ?? []), command])
  }
  for (const [word, members] of byWord) {
    const [only] = members
    const isLeaf = only !== undefined && only.path.split(' ').length === depth + 1
    if (isLeaf) parser.command(commandModule(word, only, onChosen))
    else
      parser.command({
        command: word,
        builder: (inner) => {
          addCommands(inner, members, onChosen, depth + 1)
          return inner.demandCommand(1)
        },
        handler: () => {},
      })
  }
}

function commandModule(word: string, command: Command, onChosen: OnChosen): CommandModule {
  const positionals = Object.entries(command.positionals)
  const words = positionals.map(([name, spec]) => (spec.required ? `<${name}>` : `[${name}]`))
  return {
    command: [word, ...words].join(' '),
    describe: command.summary,
    builder: (inner) => {
      for (const [name] of positionals) inner.positional(name, { type: 'string' })
      for (const [name, spec] of Object.entries(command.options)) inner.option(name, yargsOption(spec))
      return inner
    },
    handler: (argv) => onChosen(command, argv),
  }
}

const yargsOption = (spec: OptionSpec<unknown>) =>
  spec.placeholder === undefined ? { boolean: true } : { string: true, requiresArg: true }

function rawArguments(command: Command, argv: Readonly<Record<string, unknown>>): RawArguments {
  const raw: Record<string, string | undefined> = {}
  for (const name of [...Object.keys(command.positionals), ...Object.keys(command.options)]) {
    const value = argv[name]
    const isFlag = name in command.options && command.options[name]?.placeholder === undefined
    // yargs collects repeated options; a repeated flag says the same twice.
    if (Array.isArray(value) && !isFlag)
      throw badArgument(`--${name} was given more than once`, 'give it once')
    const text =
      value === undefined ? undefined : String(isFlag && Array.isArray(value) ? value.at(-1) : value)
    raw[name] = text === undefined ? undefined : unmarked(text)
  }
  return raw
}

/** Looks at the flags as they were typed: yargs' own message cannot tell a flag from a word. */
function checkFlags(args: readonly string[], command: Command): void {
  const known = [...Object.keys(command.options), ...Object.keys(outputOptions), 'help']
  for (const arg of args) {
    const name = /^--?([^=]+)/.exec(arg)?.[1]
    if (name === undefined || /^-[\d.]/.test(arg) || (arg.startsWith('--') && known.includes(name))) continue
    const best = nearest(name, known)
    throw badArgument(
      `unknown option ${quoted(arg.replace(/=.*$/s, '')).slice(1, -1)} for "${command.path}"`,
      best === undefined ? `"plumbline ${command.path} --help" lists its options` : `did you mean --${best}?`,
    )
  }
}

function asUserError(message: string, args: readonly string[], commands: readonly Command[]): UserError {
  const { command, words } = locate(args, commands)
  if (command === undefined) return unknownCommand(args, commands)
  try {
    checkFlags(args, command)
  } catch (error) {
    if (error instanceof UserError) return error
    throw error
  }
  const helpHint = `"plumbline ${command.path} --help" shows how it is used`
  const missingValue = /^Not enough arguments following: (.+)$/.exec(message)?.[1]
  if (missingValue !== undefined) {
    const placeholder = command.options[missingValue]?.placeholder
    return badArgument(`--${missingValue} needs a value${placeholder ? ` (${placeholder})` : ''}`, helpHint)
  }
  if (message.startsWith('Not enough non-option arguments')) {
    const missing = Object.entries(command.positionals).filter(([, spec]) => spec.required)
    return badArgument(
      `${command.path} needs ${missing.map(([name]) => `<${name}>`).join(' and ')}`,
      helpHint,
    )
  }
  const extra = /^Unknown (?:argument|command)s?: (.+)$/.exec(message)?.[1]
  if (extra !== undefined)
    return badArgument(
      `unexpected argument ${quoted(unmarked(extra.split(', ')[0] ?? words.at(-1) ?? ''))}`,
      helpHint,
    )
  return badArgument(message.split('\n')[0] ?? message, helpHint)
}

/** The command that a line names, and the words of the line. Values of options may be among the words. */
function locate(args: readonly string[], commands: readonly Command[]) {
  const words = args.filter((arg) => !arg.startsWith('-'))
  const firstWords = new Set(commands.map((command) => command.path.split(' ')[0] ?? ''))
  const start = words.findIndex((word) => firstWords.has(word))
  const named = start === -1 ? words : words.slice(start)
  const command = commands.find((each) => {
    const path = each.path.split(' ')
    return path.every((word, i) => named[i] === word)
  })
  return { command, words: named }
}

function unknownCommand(args: readonly string[], commands: readonly Command[]): UserError {
  const { words } = locate(args, commands)
  const [first, second] = words
  if (first === undefined) return badArgument('no command', '"plumbline --help" lists them')
  const family = commands.filter((command) => command.path.startsWith(`${first} `))
  if (family.length === 0) {
    const names = [...new Set(commands.map((command) => command.path.split(' ')[0] ?? ''))]
    const best = nearest(first, names)
    return badArgument(
      `unknown command ${quoted(first)}`,
      best === undefined ? '"plumbline --help" lists the commands' : `did you mean "${best}"?`,
    )
  }
  const names = family.map((command) => command.path.slice(first.length + 1))
  if (second === undefined) return badArgument(`"${first}" needs one of: ${names.join(', ')}`)
  const best = nearest(second, names)
  return badArgument(
    `unknown command ${quoted(`${first} ${second}`)}`,
    best === undefined ? `use one of: ${names.join(', ')}` : `did you mean "${first} ${best}"?`,
  )
}

function help(args: readonly string[], commands: readonly Command[]): Invocation {
  const { command, words } = locate(args, commands)
  if (command !== undefined) return { kind: 'print', text: commandHelp(command) }
  const [first] = words
  if (first === undefined) return { kind: 'print', text: programHelp(commands) }
  const family = commands.filter((each) => each.path.startsWith(`${first} `))
  if (family.length > 0 && words.length === 1) return { kind: 'print', text: familyHelp(first, family) }
  throw unknownCommand(args, commands)
}
