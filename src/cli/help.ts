/** Help texts, 80 columns wide, made from the command definitions. */
import {
  COMMAND_GROUPS,
  type Command,
  type CommandGroup,
  configOptions,
  keyOptions,
  outputOptions,
} from './command.js'
import { DEFAULT_COLUMNS, labelled, wrap } from './format.js'
import type { OptionSpec, OptionSpecs } from './option.js'

/** Widest column of option names; longer ones get a line of their own. */
const LABEL_WIDTH = 30
/** Column of an example's explanation, where both fit a line. */
const EXPLANATION_COLUMN = 42
/** Column of command names at the top level. */
const COMMAND_WIDTH = 15
const INDENT = '  '

const EPILOGUE = [
  'Results go to standard output, progress and logs to standard error. Exit status: 0 done, 1 failed, 2 wrong usage. ' +
    'Flags win over PLUMBLINE_* variables, these over the configuration file. Rates are Mbit/s of layer-3 bytes.',
]

const paragraph = (text: string): string => wrap(text, DEFAULT_COLUMNS).join('\n')

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `${title}:`, ...lines]
}

/** `plumbline keys import <file> [options]` */
export function usageOf(command: Command): string {
  const positionals = Object.entries(command.positionals).map(([name, spec]) =>
    spec.required ? `<${name}>` : `[${name}]`,
  )
  return ['plumbline', command.path, ...positionals, '[options]'].join(' ')
}

export function optionLabel(name: string, spec: OptionSpec<unknown>): string {
  return `--${name}${spec.placeholder === undefined ? '' : ` <${spec.placeholder}>`}`
}

/** The summary and the default, as one sentence. */
export function optionText(spec: OptionSpec<unknown>): string {
  const choices =
    spec.choices.length > 0 && spec.placeholder !== spec.choices.join('|')
      ? ` (${spec.choices.join(', ')})`
      : ''
  if (spec.required && spec.placeholder !== undefined) return `${spec.summary}${choices} (required)`
  const fallback = spec.defaultText === undefined ? '' : ` [default: ${spec.defaultText}]`
  return `${spec.summary}${choices}${fallback}`
}

function row(label: string, text: string, width = LABEL_WIDTH): string {
  const left = `${INDENT}${label}`
  if (left.length + 2 <= width) return labelled(left, text, width)
  return `${left}\n${labelled('', text, width)}`
}

const optionRows = (options: OptionSpecs, wanted: (name: string) => boolean): string[] =>
  Object.entries(options)
    .filter(([name, spec]) => !spec.hidden && wanted(name))
    .map(([name, spec]) => row(optionLabel(name, spec), optionText(spec)))

/** Options that mean the same everywhere stand apart from a command's own. */
const isCommon = (name: string): boolean => name in configOptions || name in keyOptions

function exampleLines(examples: Command['examples']): string[] {
  return examples.flatMap(([line, explanation]) => {
    const shown = `${INDENT}plumbline ${line}`
    const fits =
      shown.length + 2 <= EXPLANATION_COLUMN && EXPLANATION_COLUMN + explanation.length <= DEFAULT_COLUMNS
    if (fits) return [`${shown.padEnd(EXPLANATION_COLUMN)}${explanation}`]
    return [shown, ...wrap(explanation, DEFAULT_COLUMNS - 6).map((each) => `      ${each}`)]
  })
}

export function commandHelp(command: Command): string {
  const positionals = Object.entries(command.positionals).map(([name, spec]) =>
    row(spec.required ? `<${name}>` : `[${name}]`, spec.summary),
  )
  return [
    `Usage: ${usageOf(command)}`,
    '',
    paragraph(`${command.summary}.`),
    ...command.description.flatMap((each) => ['', paragraph(each)]),
    ...section('Arguments', positionals),
    ...section(
      'Options',
      optionRows(command.options, (name) => !isCommon(name)),
    ),
    ...section('Common options', [
      ...optionRows(command.options, isCommon),
      ...optionRows(outputOptions, () => true),
      row('--help', 'Show this help'),
    ]),
    ...section('Examples', exampleLines(command.examples)),
    '',
  ].join('\n')
}

/** `keys`, which only has subcommands. */
export function familyHelp(family: string, members: readonly Command[]): string {
  return [
    `Usage: plumbline ${family} <command> [options]`,
    ...section(
      'Commands',
      members.map((command) => row(command.path, command.summary)),
    ),
    ...section(
      'Examples',
      members.flatMap((command) => exampleLines(command.examples.slice(0, 1))),
    ),
    '',
    `"plumbline ${family} <command> --help" explains one of them.`,
    '',
  ].join('\n')
}

export function programHelp(commands: readonly Command[]): string {
  const groups = Object.keys(COMMAND_GROUPS) as CommandGroup[]
  return [
    'Usage: plumbline <command> [options]',
    '',
    paragraph('A node that proves its backhaul bandwidth to people who do not trust it.'),
    ...groups.flatMap((group) =>
      section(
        COMMAND_GROUPS[group],
        familiesOf(commands.filter((command) => command.group === group && !command.advanced)).map(
          ([name, text]) => row(name, text, COMMAND_WIDTH),
        ),
      ),
    ),
    ...section('First steps', [
      `${INDENT}plumbline init                          make a key and a configuration`,
      `${INDENT}plumbline doctor                        find out what is missing`,
      `${INDENT}plumbline prover --claim 250            let others measure this line`,
      `${INDENT}plumbline measure <peer> --claim 250    measure a line`,
    ]),
    '',
    '"plumbline <command> --help" explains a command, with examples.',
    ...EPILOGUE.map(paragraph),
    '',
  ].join('\n')
}

/** One row for each first word: a command, or a family and its subcommands. */
function familiesOf(commands: readonly Command[]): [string, string][] {
  const families = new Map<string, Command[]>()
  for (const command of commands) {
    const [first = ''] = command.path.split(' ')
    families.set(first, [...(families.get(first) ?? []), command])
  }
  return [...families].map(([first, members]) => {
    const [only] = members
    if (members.length === 1 && only?.path === first) return [first, only.summary]
    const words = members.map((command) => command.path.slice(first.length + 1)).join(', ')
    return [first, `${FAMILY_SUMMARIES[first] ?? 'Several commands'} (${words})`]
  })
}

const FAMILY_SUMMARIES: Readonly<Record<string, string>> = {
  keys: "This node's key",
  registry: 'Signed lists of challenge servers',
  beacon: 'A randomness beacon of your own',
}
