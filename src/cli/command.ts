/**
 * A command as data: its words, options, examples and handler. The parser, the help, the shell completion and
 * docs/cli.md are all made from it.
 */
import type { CommandIo } from './io.js'
import { type ArgsOf, choice, flag, list, type OptionSpecs, text } from './option.js'

/** Sections of the top-level help, in this order. */
export const COMMAND_GROUPS = {
  start: 'Start here',
  look: 'See what goes on',
  trust: 'Keys and trust',
  models: 'Speech models',
  lab: 'Try it out',
  other: 'Other',
} as const
export type CommandGroup = keyof typeof COMMAND_GROUPS

export interface CommandDefinition<O extends OptionSpecs, P extends OptionSpecs> {
  /** `measure`, or `keys import` for a subcommand. */
  readonly path: string
  readonly group: CommandGroup
  /** What it does, in one line without a full stop. */
  readonly summary: string
  /** Paragraphs for its own help: what happens, what to expect. */
  readonly description?: readonly string[]
  /** In order; only the last may be optional. */
  readonly positionals?: P
  readonly options?: O
  /** Command line (without `plumbline`) and what it does. */
  readonly examples: readonly (readonly [commandLine: string, explanation: string])[]
  /** Kept out of the top-level help; its own help and docs/cli.md still show it. */
  readonly advanced?: boolean
  /** Resolves with the exit status; undefined is 0. Heavy modules are imported inside. */
  readonly run: (args: ArgsOf<O & P>, io: CommandIo) => Promise<number | undefined>
}

export interface Command {
  readonly path: string
  readonly group: CommandGroup
  readonly summary: string
  readonly description: readonly string[]
  readonly positionals: OptionSpecs
  readonly options: OptionSpecs
  readonly examples: CommandDefinition<OptionSpecs, OptionSpecs>['examples']
  readonly advanced: boolean
  /** Reads the raw texts and runs the handler. @throws UserError */
  readonly run: (raw: RawArguments, io: CommandIo) => Promise<number | undefined>
}

/** Option and positional texts by name; undefined where absent. */
export type RawArguments = Readonly<Record<string, string | undefined>>

// biome-ignore lint/complexity/noBannedTypes: no options at all is the empty object type
type None = {}

export function defineCommand<const O extends OptionSpecs = None, const P extends OptionSpecs = None>(
  definition: CommandDefinition<O, P>,
): Command {
  const { path, group, summary, examples, description = [], advanced = false, run } = definition
  const positionals: OptionSpecs = definition.positionals ?? {}
  const options: OptionSpecs = definition.options ?? {}
  return {
    path,
    group,
    summary,
    description,
    positionals,
    options,
    examples,
    advanced,
    run: async (raw, io) => {
      const args: Record<string, unknown> = {}
      for (const [name, spec] of Object.entries(positionals))
        args[camelCase(name)] = spec.read(raw[name], `<${name}>`)
      for (const [name, spec] of Object.entries(options))
        args[camelCase(name)] = spec.read(raw[name], `--${name}`)
      return run(args as ArgsOf<O & P>, io)
    },
  }
}

export function camelCase(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
}

/** Every command has these; the parser reads them itself. */
export const outputOptions = {
  json: flag('Print one JSON object on standard output instead of text'),
  'json-stream': flag('Print one JSON object per event, the result last'),
} satisfies OptionSpecs

/** Commands that read the configuration. */
export const configOptions = {
  'data-dir': text({
    summary: 'Where key, configuration and state live',
    completes: 'directory',
    defaultText: '~/.plumbline',
  }),
  config: text({
    summary: 'Configuration file (YAML)',
    completes: 'file',
    defaultText: 'config.yaml in the data directory',
  }),
  'log-level': choice(['silent', 'error', 'warn', 'info', 'debug', 'trace'], {
    summary: 'How much to log on standard error',
    placeholder: 'level',
  }),
  'log-format': choice(['pretty', 'json'], { summary: 'pretty for people, json for collectors' }),
} satisfies OptionSpecs

/** Commands that use the node's key. */
export const keyOptions = {
  'passphrase-file': text({
    summary: "File whose first line is the key's passphrase",
    completes: 'file',
    defaultText: 'PLUMBLINE_PASSPHRASE or a prompt',
  }),
} satisfies OptionSpecs

/** Commands that write a key file. */
export const keyCostOptions = {
  'key-cost': choice(['standard', 'light'], {
    summary: 'Work that guessing the passphrase takes: standard is about a second, light is for laboratories',
    default: 'standard',
  }),
} satisfies OptionSpecs

/** Commands that ask other nodes. */
export const joinOptions = {
  bootstrap: list({ summary: 'Peers to join the network by', placeholder: 'multiaddr,...' }),
  registry: text({ summary: 'Signed list of challenge servers', completes: 'file' }),
} satisfies OptionSpecs

/** Commands that are part of the network. */
export const networkOptions = {
  listen: list({ summary: 'Where to listen, e.g. /ip4/0.0.0.0/tcp/4021', placeholder: 'multiaddr,...' }),
  announce: list({
    summary: 'Addresses to tell others, where the outside ones differ',
    placeholder: 'multiaddr,...',
  }),
  ...joinOptions,
  backend: choice(['auto', 'native', 'dgram'], { summary: 'How UDP is sent and received' }),
} satisfies OptionSpecs
