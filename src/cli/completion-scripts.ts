/** Shell completion, written out in full: no process is started while somebody types. */
import { type Command, outputOptions } from './command.js'
import type { OptionSpecs } from './option.js'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

interface Word {
  readonly word: string
  readonly summary: string
}

/** Every prefix of a command's path ('' at the top) with the words that may follow it. */
function wordsByPrefix(commands: readonly Command[]): ReadonlyMap<string, readonly Word[]> {
  const found = new Map<string, Map<string, Word>>()
  for (const command of commands) {
    const words = command.path.split(' ')
    words.forEach((word, i) => {
      const prefix = words.slice(0, i).join(' ')
      const isLast = i === words.length - 1
      const following = found.get(prefix) ?? new Map<string, Word>()
      if (!following.has(word))
        following.set(word, { word, summary: isLast ? command.summary : `${word} commands` })
      found.set(prefix, following)
    })
  }
  return new Map([...found].map(([prefix, words]) => [prefix, [...words.values()]]))
}

const optionsOf = (command: Command): OptionSpecs =>
  Object.fromEntries(
    Object.entries({ ...command.options, ...outputOptions }).filter(([, spec]) => !spec.hidden),
  )

/** Option names whose value is one of a few words, over all commands; the words are the union. */
function choicesByOption(commands: readonly Command[]): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, Set<string>>()
  for (const command of commands)
    for (const [name, spec] of Object.entries(command.options))
      if (spec.choices.length > 0) found.set(name, new Set([...(found.get(name) ?? []), ...spec.choices]))
  return new Map([...found].map(([name, values]) => [name, [...values]]))
}

/** Options whose value only the person knows, or is a file: the shell's own file names are offered. */
function valueOptions(commands: readonly Command[]): string[] {
  const names = new Set<string>()
  for (const command of commands)
    for (const [name, spec] of Object.entries(command.options))
      if (spec.placeholder !== undefined && spec.choices.length === 0) names.add(`--${name}`)
  return [...names]
}

const optionWords = (command: Command): string =>
  [...Object.keys(optionsOf(command)).map((name) => `--${name}`), '--help'].join(' ')

/** The walk over the words typed so far is the same in bash and zsh. */
function shellBody(commands: readonly Command[], shell: 'bash' | 'zsh'): string {
  const prefixes = wordsByPrefix(commands)
  const known = [...prefixes].flatMap(([prefix, words]) => words.map(({ word }) => `"${prefix}/${word}"`))
  const offer = (words: string) =>
    shell === 'bash' ? `COMPREPLY=($(compgen -W '${words}' -- "$cur"))` : `compadd -- ${words}`
  const files = shell === 'bash' ? 'COMPREPLY=()' : '_files'
  const lines = [
    `  for word in "\${typed[@]}"; do`,
    `    case "$at/$word" in`,
    `      ${known.join('|')}) at="\${at:+$at }$word" ;;`,
    '    esac',
    '  done',
    '  case "$prev" in',
    ...[...choicesByOption(commands)].map(
      ([name, values]) => `    --${name}) ${offer(values.join(' '))}; return ;;`,
    ),
    `    ${valueOptions(commands).join('|')}) ${files}; return ;;`,
    '  esac',
    '  case "$at" in',
    ...[...prefixes].map(
      ([prefix, words]) =>
        `    "${prefix}") ${offer([...words.map(({ word }) => word), '--help'].join(' '))} ;;`,
    ),
    ...commands.map((command) => {
      const reply = offer(optionWords(command))
      const takesFile = Object.values(command.positionals).some((spec) => spec.completes !== undefined)
      return takesFile
        ? `    "${command.path}") if [[ "$cur" == -* ]]; then ${reply}; else ${files}; fi ;;`
        : `    "${command.path}") ${reply} ;;`
    }),
    '  esac',
  ]
  return lines.join('\n')
}

function bash(commands: readonly Command[]): string {
  return `# plumbline completion for bash; put this into ~/.bashrc:
#   eval "$(plumbline completion bash)"
_plumbline() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" at="" word
  local typed=("\${COMP_WORDS[@]:1:COMP_CWORD-1}")
${shellBody(commands, 'bash')}
}
complete -o default -F _plumbline plumbline
`
}

function zsh(commands: readonly Command[]): string {
  return `#compdef plumbline
# plumbline completion for zsh; put this into ~/.zshrc, after compinit:
#   eval "$(plumbline completion zsh)"
_plumbline() {
  local cur="\${words[CURRENT]}" prev="\${words[CURRENT-1]}" at="" word
  local -a typed=("\${(@)words[2,CURRENT-1]}")
${shellBody(commands, 'zsh')}
}
compdef _plumbline plumbline
`
}

function fish(commands: readonly Command[]): string {
  const lines = [
    '# plumbline completion for fish; put this into ~/.config/fish/config.fish:',
    '#   plumbline completion fish | source',
    'complete -c plumbline -l help -d "Show help"',
  ]
  for (const [prefix, words] of wordsByPrefix(commands)) {
    const condition =
      prefix === ''
        ? '__fish_use_subcommand'
        : `__fish_seen_subcommand_from ${prefix}; and not __fish_seen_subcommand_from ${words.map(({ word }) => word).join(' ')}`
    for (const { word, summary } of words)
      lines.push(`complete -c plumbline -f -n '${condition}' -a ${word} -d '${fishText(summary)}'`)
  }
  for (const command of commands) {
    const condition = command.path
      .split(' ')
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join('; and ')
    for (const [name, spec] of Object.entries(optionsOf(command))) {
      const value =
        spec.placeholder === undefined
          ? ''
          : spec.choices.length > 0
            ? ` -x -a '${spec.choices.join(' ')}'`
            : spec.completes === undefined
              ? ' -x'
              : ' -r'
      lines.push(`complete -c plumbline -n '${condition}' -l ${name}${value} -d '${fishText(spec.summary)}'`)
    }
  }
  return `${lines.join('\n')}\n`
}

/** Inside single quotes fish knows two escapes. */
const fishText = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")

export function completionScript(shell: Shell, commands: readonly Command[]): string {
  return { bash, zsh, fish }[shell](commands)
}
