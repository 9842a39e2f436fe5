/** `plumbline lab`: a network of real daemons around a bottleneck of known rate, and how well we measure it. */
import {
  CHALLENGER_ATTACKS,
  COORDINATOR_ATTACKS,
  NETWORK_ATTACKS,
  PROVER_ATTACKS,
} from '../lab/adversary/attack.js'
import { PHASE_FAILURES, PHASE_OF } from '../lab/adversary/phases.js'
import type { LabOptions } from '../lab/types.js'
import { defineCommand } from './command.js'
import { checkAvailable, checkCommittee, checkDirection } from './committee-limits.js'
import { checkLabJoint, runLabJoint } from './lab-joint.js'
import { labReporter, labStatus, labText } from './lab-report.js'
import { badArgument, choice, flag, number, text } from './option.js'

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
    `Of one step alone, as failure@step:count at ${Object.keys(PHASE_OF).join(', ')}: ${explained(PHASE_FAILURES)}.`,
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
    provers: number({
      summary:
        'Provers, each measured alone and then all together: with a link of that rate each, or --shared',
      placeholder: 'k',
      integer: true,
      min: 1,
      max: 8,
      default: 1,
    }),
    shared: flag('The provers share one link'),
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
      defaultText: 'half of the offer from 100 Mbit/s up; strict: all of it',
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
    [
      'lab --rate 100 --provers 2 --shared --runs 5',
      'two provers that show one link twice, and are found out',
    ],
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
    checkLabJoint(args)
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
      if (args.provers > 1) return await runLabJoint(args, options, reporter, io)
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

/** Without the undefined fields: options are absent, not undefined. */
function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
