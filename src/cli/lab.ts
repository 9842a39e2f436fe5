/** `plumbline lab`: a network of real daemons around a bottleneck of known rate, and how well we measure it. */
import {
  CHALLENGER_ATTACKS,
  COORDINATOR_ATTACKS,
  NETWORK_ATTACKS,
  PROVER_ATTACKS,
} from '../lab/adversary/attack.js'
import type { LabEvent, LabOptions, LabResult, LabRun } from '../lab/run.js'
import { defineCommand } from './command.js'
import { checkAvailable, checkCommittee, checkDirection } from './committee-limits.js'
import { formatBytes, formatFigures, formatMbps, labelled, plural, table, wrap } from './format.js'
import type { CommandIo } from './io.js'
import { badArgument, choice, flag, number, text } from './option.js'
import { bar, Progress } from './progress.js'

const LABEL_WIDTH = 14

const explained = (attacks: Readonly<Record<string, string>>) =>
  Object.entries(attacks)
    .map(([name, what]) => `${name} (${what})`)
    .join('; ')

export const lab = defineCommand({
  path: 'lab',
  group: 'lab',
  summary: 'Measure a link of known rate with real daemons, attackers included',
  description: [
    'Builds a network of its own on this machine: a payer, a beacon, challenge servers and a prover behind a ' +
      'bottleneck, each a process in a network namespace. The daemons are not told the rate. Then it measures, and ' +
      'compares with the truth.',
    'Needs root or user namespaces, and tc; without them the bottleneck is a process in user space, and the output ' +
      'says so. Nothing leaves this machine.',
    'Exit status 1 where a run failed or a guarantee was above the truth and the burst bound (the published rule, which ' +
      'breaks, excepted).',
    `Attacks of challengers, as name:count: ${explained(CHALLENGER_ATTACKS)}.`,
    `Attacks of the prover, as name:prover: ${explained(PROVER_ATTACKS)}. Overclaiming is --claim.`,
    `Attacks of the coordinator, as name:coordinator: ${explained(COORDINATOR_ATTACKS)}.`,
    `Attacks of the network, as name:network: ${explained(NETWORK_ATTACKS)}.`,
  ],
  options: {
    rate: text({
      summary: 'True rate of the bottleneck in Mbit/s of layer 3, or "random"',
      placeholder: 'Mbit/s',
      default: '250',
    }),
    claim: number({
      summary: 'What the prover claims, as a ratio of the truth',
      placeholder: 'ratio',
      above: 0,
      max: 10,
      default: 1,
    }),
    direction: choice(['down', 'up', 'both'], {
      summary: 'What to measure; up is measured by echo, so that its truth is the lesser of both directions',
      default: 'down',
    }),
    'prover-uplink': number({
      summary: 'True rate of the other direction',
      placeholder: 'Mbit/s',
      above: 0,
      max: 10_000,
      defaultText: 'not shaped',
    }),
    profile: choice(['quick', 'standard', 'strict', 'published'], {
      summary: 'Rule to measure by',
      default: 'standard',
    }),
    runs: number({
      summary: 'Measurements to make',
      placeholder: 'n',
      integer: true,
      min: 1,
      max: 10_000,
      default: 1,
    }),
    challengers: number({
      summary: 'Challenge servers to start',
      placeholder: 'n',
      integer: true,
      min: 1,
      max: 64,
      default: 10,
    }),
    faulty: number({
      summary: 'Corrupt challengers tolerated (f)',
      placeholder: 'n',
      integer: true,
      min: 0,
      max: 31,
      default: 2,
    }),
    rtt: text({ summary: 'Round-trip time, or a range spread over the challengers', placeholder: 'ms[-ms]' }),
    buffer: number({
      summary: 'Queue of the bottleneck',
      placeholder: 'ms',
      above: 0,
      max: 10_000,
      default: 50,
    }),
    loss: number({ summary: 'Random loss', placeholder: 'percent', min: 0, max: 50 }),
    'cross-traffic': number({
      summary: 'Other traffic through the bottleneck',
      placeholder: 'Mbit/s',
      min: 0,
      max: 10_000,
    }),
    available: flag('Look for what the cross traffic leaves, too'),
    attack: text({
      summary:
        'Who misbehaves how, e.g. withhold:2 or rush:2,hold-acks:prover; several in turn with ";" between',
      placeholder: 'name:who,...',
    }),
    uplink: number({
      summary: 'Uplink that each challenger declares; decides the team size',
      placeholder: 'Mbit/s',
      above: 0,
      max: 100_000,
      defaultText: 'half of the offer from 100 Mbit/s up',
    }),
    teams: number({ summary: 'Slots to run (strict)', placeholder: 'n', integer: true, min: 1, max: 64 }),
    beta: number({
      summary: 'Corrupt fraction of the registry (strict)',
      placeholder: 'fraction',
      above: 0,
      max: 0.5,
    }),
    delta: number({
      summary: 'Accepted probability of a wrong guarantee (strict)',
      placeholder: 'probability',
      above: 0,
      max: 0.5,
    }),
    seed: number({
      summary: 'Seed of what the laboratory itself draws',
      placeholder: 'n',
      integer: true,
      min: 0,
      max: 2 ** 31,
    }),
    backend: choice(['auto', 'native', 'dgram'], {
      summary: 'How UDP is sent and received',
      default: 'auto',
    }),
    keep: flag("Keep the daemons' files and logs"),
  },
  examples: [
    ['lab --rate 250 --runs 5', 'five measurements of a 250 Mbit/s link'],
    ['lab --rate random --json', 'a link whose rate nobody knows beforehand'],
    ['lab --rate 100 --prover-uplink 40 --direction up', 'the slower way back, by echo'],
    ['lab --rate 250 --attack withhold:2 --runs 5', 'two challengers send only a part'],
    ['lab --rate 250 --profile published --attack rtt-inflate:prover', "the paper's own rule, broken"],
  ],
  run: async (args, io) => {
    checkCommittee(args)
    const [{ runLab }, { drawRate, parseRtt }] = await Promise.all([
      import('../lab/run.js'),
      import('../lab/link-math.js'),
    ])
    checkDirection(args.direction, args.profile)
    checkAvailable(args.available, args.direction, args.profile)
    const rateMbps = args.rate === 'random' ? drawRate(args.seed) : Number(args.rate)
    if (!(rateMbps > 0 && rateMbps <= 10_000))
      throw badArgument(`--rate: expected a rate of up to 10000 Mbit/s or "random", got "${args.rate}"`)
    const millionths = (share: number | undefined) =>
      share === undefined ? undefined : Math.round(share * 1e6)
    const options: LabOptions = {
      rateMbps,
      claimRatio: args.claim,
      profile: args.profile,
      runs: args.runs,
      challengers: args.challengers,
      faulty: args.faulty,
      bufferMs: args.buffer,
      backend: args.backend,
      keep: args.keep,
      available: args.available,
      ...defined({
        rtt: args.rtt === undefined ? undefined : parseRtt(args.rtt),
        lossPct: args.loss,
        crossTrafficMbps: args.crossTraffic,
        proverUplinkMbps: args.proverUplink,
        attack: args.attack,
        uplinkMbps: args.uplink,
        teams: args.teams,
        betaMillionths: millionths(args.beta),
        deltaMillionths: millionths(args.delta),
        seed: args.seed,
      }),
    }
    const reporter = labReporter(io)
    try {
      const measure = (direction: 'down' | 'up') =>
        runLab({ ...options, direction }, (event) => reporter.event(event), io.signal)
      if (args.direction === 'both') {
        const [down, up] = [await measure('down'), await measure('up')]
        io.output.result({ down, up }, () => `Downlink\n${labText(down)}\n\nUplink\n${labText(up)}`)
        return Math.max(labStatus(down, args.profile), labStatus(up, args.profile))
      }
      const result = await measure(args.direction)
      io.output.result(result, () => labText(result))
      return labStatus(result, args.profile)
    } finally {
      reporter.stop()
    }
  },
})

/** 1 where something failed or a guarantee was too high; the published rule is there to be broken. */
export function labStatus({ runs, summary }: LabResult, profile: string): 0 | 1 {
  const broken = summary.violations > 0 && profile !== 'published'
  return runs.length === 0 || summary.failed > 0 || broken ? 1 : 0
}

/** Without the undefined fields: options are absent, not undefined. */
function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

/** Live progress of a laboratory; also used by `demo`. */
export function labReporter(io: CommandIo): {
  event(event: LabEvent): void
  /** Something that takes a while. */
  waiting(what: string): void
  stop(): void
} {
  const progress = new Progress(io.stderr, io.env, !io.output.isJson)
  let slots = 0
  let of = 1
  return {
    event: (event) => {
      const { event: name, ...rest } = event
      io.output.event(name, rest)
      if (event.event === 'chain') {
        progress.line(`${plural(event.nodes, 'node')} registered on a local chain`)
        progress.live(() => 'starting the daemons')
      } else if (event.event === 'network') {
        for (const note of event.notes) for (const line of wrap(note, io.stderr.columns)) progress.line(line)
        progress.live(() => 'starting the daemons')
      } else if (event.event === 'daemons') progress.line(`${plural(event.count, 'daemon')} running`)
      else if (event.event === 'run_started') {
        slots = 0
        progress.live(
          (elapsedMs) =>
            `run ${event.run} of ${event.of}: waiting for the beacon, ${(elapsedMs / 1000).toFixed(0)} s`,
        )
      } else if (event.event === 'progress') {
        if (event.progress.event === 'slot_started') of = event.progress.of
        if (event.progress.event === 'slot_ended') slots++
        progress.live(() => `run ${event.run} ${bar(slots / of, 20)} slot ${slots} of ${of}`)
      } else if (event.event === 'run_ended') progress.line(runLine(event.run, event.result))
      else if (event.event === 'run_failed') progress.line(`run ${event.run} failed: ${event.reason}`)
    },
    waiting: (what) => progress.live((elapsedMs) => `${what}, ${(elapsedMs / 1000).toFixed(0)} s`),
    stop: () => progress.stop(),
  }
}

function runLine(run: number, result: LabRun): string {
  const repeats = result.repeats > 0 ? `, ${plural(result.repeats, 'repeat')}` : ''
  const flags = result.quality.length > 0 ? ` [${result.quality.join(' ')}]` : ''
  return (
    `${String(run).padStart(3)}  estimate ${formatFigures(result.estimateMbps).padStart(7)}` +
    `  guaranteed ${formatFigures(result.guaranteedMbps).padStart(7)}` +
    `  error ${result.errorPct.toFixed(2)} %${repeats}${flags}`
  )
}

/** A figure of no run at all is none. */
const orDash = (value: number | null, format: (value: number) => string): string =>
  value === null ? '-' : format(value)
const percent = (value: number | null): string => orDash(value, (share) => `${share.toFixed(2)} %`)

export function labText({ truth, attack, runs, failures, summary }: LabResult): string {
  const line = (label: string, value: string) => labelled(label, value, LABEL_WIDTH)
  const teams = runs[0]?.faultTolerance
  const lines = [
    line('Truth', `${formatMbps(truth.rateMbps)} of layer 3, queue ${truth.bufferMs} ms`),
    line('Burst bound', `b / (0.8 tau) = ${formatMbps(truth.burstBoundMbps)} for b = ${truth.burstBytes} B`),
    line('Attack', attack),
    line('Rule', teams === undefined ? 'none ran' : teams.assumptions),
    '',
    table(
      [
        ['error of the estimate', summary.medianErrorPct, summary.p95ErrorPct, summary.worstErrorPct],
        [
          'guaranteed / truth',
          summary.medianGuaranteedPct,
          summary.minGuaranteedPct,
          summary.maxGuaranteedPct,
        ],
      ] as const,
      [
        { title: '', value: ([name]) => name },
        { title: 'median', align: 'right', value: ([, value]) => percent(value) },
        { title: 'p95 | least', align: 'right', value: ([, , value]) => percent(value) },
        { title: 'worst | most', align: 'right', value: ([, , , value]) => percent(value) },
      ],
    ),
    '',
    line(
      'Runs',
      `${summary.runs} done, ${summary.failed} failed, ${plural(summary.repeats, 'slot')} repeated`,
    ),
    ...(summary.medianAvailableErrorPct === null
      ? []
      : [
          line(
            'Available',
            `error of what the cross traffic leaves: median ${percent(summary.medianAvailableErrorPct)}`,
          ),
        ]),
    line('Above bound', `${summary.violations} of ${summary.runs}`),
    line(
      'Bytes a run',
      `${orDash(summary.bytesPerRun, formatBytes)} of challenge traffic, ` +
        `${orDash(summary.interfaceBytesPerRun, formatBytes)} at the prover's interface both ways, all told`,
    ),
  ]
  for (const failure of [...new Set(failures)].slice(0, 3)) lines.push(line('Failed', failure))
  return lines.join('\n')
}
