/** `plumbline doctor`: what is wrong with this node, and how to mend it. */
import { UserError } from '../errors.js'
import type { Finding } from '../node/doctor.js'
import { configOptions, defineCommand, keyOptions, networkOptions } from './command.js'
import { configValues, proverOptions } from './daemon.js'
import { labelled, plural, printable } from './format.js'
import type { CommandIo } from './io.js'
import { flag } from './option.js'
import type { Style } from './output.js'
import { Progress } from './progress.js'
import { canAsk } from './prompt.js'
import { givenPassphrase, loadSettings, openIdentity, openLogger, type Settings } from './settings.js'

const LABEL_WIDTH = 26
const VERDICTS = {
  ok: { word: 'ok', colour: 'good' },
  warning: { word: 'warning', colour: 'warn' },
  problem: { word: 'PROBLEM', colour: 'bad' },
  skipped: { word: 'skipped', colour: 'dim' },
} as const

export const doctorCommand = defineCommand({
  path: 'doctor',
  group: 'look',
  summary: 'Find out what is wrong, and how to mend it',
  description: [
    'Checks the data directory, the key, the configuration, the clock, the registry, the beacon, how much this box ' +
      'can handle, and whether other nodes can reach this one (one of them dials back). Exit status 1 where there is ' +
      'a problem. Run it while the daemon runs to have its TCP port checked, and while it does not for the UDP port of ' +
      'a challenger. For a provider it checks instead of the box whether each model is there, may be sold and fits into ' +
      'memory, and whether the chain answers, has the contracts, and finds gas for redeeming; for an auditor the chain.',
  ],
  options: {
    'no-key': flag('Do not ask for the passphrase; skips what needs the key'),
    claim: proverOptions.claim,
    ...networkOptions,
    ...configOptions,
    ...keyOptions,
  },
  examples: [
    ['doctor', 'Check this node'],
    ['doctor --no-key --json', 'For a monitoring script'],
  ],
  run: async (args, io) => {
    const progress = new Progress(io.stderr, io.env, !io.output.isJson)
    const findings: Finding[] = []
    const report = (finding: Finding) => {
      findings.push(finding)
      progress.stop()
      io.output.event('finding', finding)
      if (!io.output.isJson) io.stdout.write(`${findingText(finding, io.style)}\n`)
    }
    const settings = await loadOrReport(args, io, report)
    if (settings !== undefined) {
      const { config, configPath } = settings
      const source = configPath === undefined ? 'none found; the defaults count' : configPath
      report({ check: 'configuration', verdict: 'ok', message: source })
      const identity = args.noKey
        ? undefined
        : await openOrReport(config.dataDir, args.passphraseFile, io, report)
      const { diagnose } = await import('../node/doctor.js')
      const log = await openLogger({ ...config.logging, level: args.logLevel ?? 'silent' }, (line) =>
        progress.above(line),
      )
      try {
        progress.live(() => 'checking')
        const checks = diagnose({ config, log, ...(identity === undefined ? {} : { identity }) })
        for await (const finding of untilInterrupted(checks, io.signal)) {
          report(finding)
          progress.live(() => 'checking')
        }
      } finally {
        progress.stop()
      }
    }
    const problems = findings.filter((finding) => finding.verdict === 'problem').length
    const warnings = findings.filter((finding) => finding.verdict === 'warning').length
    io.output.result({ healthy: problems === 0, problems, warnings, findings }, () =>
      problems === 0
        ? `\n${io.style('good', 'No problem found')}${warnings === 0 ? '.' : `, ${plural(warnings, 'warning')}.`}`
        : `\n${io.style('bad', `${plural(problems, 'problem')} found`)}; start with the first.`,
    )
    return problems === 0 ? 0 : 1
  },
})

/** A check may wait long for an answer; whoever presses Ctrl-C does not. */
async function* untilInterrupted<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncIterable<T> {
  const iterator = items[Symbol.asyncIterator]()
  const interrupted = new Promise<never>((_, reject) => {
    const stop = () => reject(new UserError('interrupted', { code: 'INTERRUPTED' }))
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  for (;;) {
    const next = await Promise.race([iterator.next(), interrupted])
    if (next.done === true) return
    yield next.value
  }
}

type Report = (finding: Finding) => void

const asProblem = (check: string, error: UserError): Finding => ({
  check,
  verdict: 'problem',
  message: error.message,
  ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
})

async function loadOrReport(
  args: Parameters<typeof loadSettings>[0] & Parameters<typeof configValues>[0],
  io: CommandIo,
  report: Report,
): Promise<Settings | undefined> {
  try {
    return await loadSettings(args, io, configValues(args))
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    report(asProblem('configuration', error))
    return undefined
  }
}

async function openOrReport(
  dataDir: string,
  passphraseFile: string | undefined,
  io: CommandIo,
  report: Report,
) {
  try {
    if (!canAsk(io) && (await givenPassphrase(passphraseFile, io)) === undefined) return undefined
    return await openIdentity(dataDir, passphraseFile, io)
  } catch (error) {
    if (!(error instanceof UserError) || error.code === 'INTERRUPTED') throw error
    // A missing key is reported by the checks themselves.
    if (error.code !== 'NOT_FOUND') report(asProblem('passphrase', error))
    return undefined
  }
}

export function findingText({ check, verdict, message, remedy }: Finding, style: Style): string {
  const { word, colour } = VERDICTS[verdict]
  const label = `  ${word.padEnd(8)}${check}`
  const text = labelled(label, printable(message), LABEL_WIDTH).replace(word, style(colour, word))
  return remedy === undefined ? text : `${text}\n${labelled('', `-> ${printable(remedy)}`, LABEL_WIDTH)}`
}
