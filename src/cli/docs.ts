/** docs/cli.md: the reference of all commands, made from their definitions. */
import { COMMAND_GROUPS, type Command, type CommandGroup, outputOptions } from './command.js'
import { wrap } from './format.js'
import { optionLabel, optionText, usageOf } from './help.js'
import type { OptionSpecs } from './option.js'

const HEAD = `# Commands

Made from the command definitions by \`node scripts/cli-docs.mjs\`; do not edit by hand.

- Results go to standard output, progress and logs to standard error.
- \`--json\` prints one JSON object, \`--json-stream\` one object per event with the result last
  (\`{"event": "result", ...}\`). A failure is \`{"error": {"code", "message", "remedy"}}\`.
- Exit status: 0 done, 1 failed, 2 wrong usage, 130 after Ctrl-C (daemons and the gateway 0). A second Ctrl-C forces the exit.
- Flags win over environment variables (\`PLUMBLINE_NETWORK_LISTEN\` for \`network.listen\`), these over the configuration
  file, and that over the defaults.
- Rates are Mbit/s of layer-3 bytes (1 Mbit = 1,000,000 bits) unless \`--layer\` says otherwise.
`

/** Of a line of prose; tables cannot be broken. */
const WIDTH = 110

/** A cell of a Markdown table. */
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')

/** A Markdown table with its columns aligned, as Biome formats it. */
function optionTable(options: OptionSpecs): string[] {
  const rows = Object.entries(options)
    .filter(([, spec]) => !spec.hidden)
    .map(
      ([name, spec]) =>
        [`\`${optionLabel(name, spec).replaceAll('|', '\\|')}\``, cell(optionText(spec))] as const,
    )
  if (rows.length === 0) return []
  const all = [['option', 'meaning'] as const, ...rows]
  const left = Math.max(...all.map(([label]) => label.length))
  const right = Math.max(...all.map(([, meaning]) => meaning.length))
  const [head = '', ...lines] = all.map(
    ([label, meaning]) => `| ${label.padEnd(left)} | ${meaning.padEnd(right)} |`,
  )
  return ['', head, `| ${'-'.repeat(left)} | ${'-'.repeat(right)} |`, ...lines]
}

function commandSection(command: Command): string[] {
  const positionals = Object.entries(command.positionals).map(
    ([name, spec]) => `- \`${spec.required ? `<${name}>` : `[${name}]`}\`: ${spec.summary}`,
  )
  return [
    '',
    `### plumbline ${command.path}`,
    '',
    `${command.summary}.`,
    ...command.description.flatMap((text) => ['', ...wrap(text, WIDTH)]),
    '',
    `    ${usageOf(command)}`,
    ...(positionals.length === 0 ? [] : ['', ...positionals]),
    ...optionTable(command.options),
    '',
    'Examples:',
    '',
    ...command.examples.map(([line, explanation]) => `- \`plumbline ${line}\`: ${explanation}`),
  ]
}

export function cliDocs(commands: readonly Command[]): string {
  const groups = Object.entries(COMMAND_GROUPS) as [CommandGroup, string][]
  return [
    HEAD.trimEnd(),
    '',
    'Every command also takes:',
    ...optionTable(outputOptions),
    ...groups.flatMap(([group, title]) => {
      const members = commands.filter((command) => command.group === group)
      return members.length === 0 ? [] : ['', `## ${title}`, ...members.flatMap(commandSection)]
    }),
    '',
  ].join('\n')
}
