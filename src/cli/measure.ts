/** `plumbline measure <peer>`: asks for a challenge, shows it, prints the result. */
import { relative } from 'node:path'
import { UserError } from '../errors.js'
import type { PriceQuote } from '../node/measure.js'
import { MILLION } from '../pob/constants.js'
import { chainOptions, chainSettings } from './chain-options.js'
import { defineCommand, joinOptions, keyOptions } from './command.js'
import { checkAvailable, checkCommittee, checkDirection } from './committee-limits.js'
import { configValues } from './daemon.js'
import { formatBytes, formatFigures, printable } from './format.js'
import { formatMoment } from './history-chart.js'
import type { CommandIo } from './io.js'
import { layerOf, layerOption, resultAtLayer } from './layer.js'
import type { ScheduledRun } from './measure-schedule.js'
import { badArgument, choice, flag, number, quoted, text } from './option.js'
import { Progress } from './progress.js'
import { canAsk, confirm } from './prompt.js'
import { parseBytes, parseDuration } from './quantity.js'
import { openIdentity, openLogger } from './settings.js'

const MAX_MBPS = 100_000
const MAX_COMMITTEE = 64
/** Ten members give five teams of two; two corrupt ones among ten is a fifth of them. */
const DEFAULT_CHALLENGERS = 10
const DEFAULT_FAULTY = 2
const PROFILES = ['quick', 'standard', 'strict', 'published'] as const

export const measureCommand = defineCommand({
  path: 'measure',
  group: 'start',
  summary: "Measure a prover's line, with a result that anybody can check",
  description: [
    'A public beacon draws challengers from the registry; teams of them saturate the line for a fraction of a second ' +
      'each; what arrived is recomputed and signed by all of them. The guaranteed value cannot be pushed above the ' +
      'truth by the prover and up to --faulty challengers together.',
    'quick: one train of 90 ms, little data, a low guarantee. standard: teams, assumes at most --faulty corrupt ' +
      'challengers. strict: holds with probability 1 - delta if at most a share beta of the registry is corrupt. ' +
      'published: the rule of the paper, for comparison only.',
  ],
  positionals: {
    peer: text({
      summary: "The prover's peer id, or a multiaddr that ends with /p2p/<peer id>",
      required: true,
    }),
  },
  options: {
    claim: number({
      summary: 'The rate to test for; 1.2 times as much is offered',
      required: true,
      placeholder: 'Mbit/s',
      above: 0,
      max: MAX_MBPS,
    }),
    direction: choice(['down', 'up', 'both'], {
      summary: "What to measure; up is measured by echo: the lesser of both directions, by the members' word",
      default: 'down',
    }),
    'uplink-claim': number({
      summary: 'The rate to test the uplink for',
      placeholder: 'Mbit/s',
      above: 0,
      max: MAX_MBPS,
      defaultText: '--claim',
    }),
    profile: choice(PROFILES, { summary: 'How to measure', default: 'standard' }),
    challengers: number({
      summary: 'Challengers to draw',
      placeholder: 'n',
      integer: true,
      min: 1,
      max: MAX_COMMITTEE,
      default: DEFAULT_CHALLENGERS,
    }),
    faulty: number({
      summary: 'Corrupt challengers to tolerate',
      placeholder: 'f',
      integer: true,
      min: 0,
      max: MAX_COMMITTEE,
      default: DEFAULT_FAULTY,
    }),
    teams: number({
      summary: 'strict: slots to run',
      placeholder: 'n',
      integer: true,
      min: 1,
      max: MAX_COMMITTEE,
      defaultText: '5',
    }),
    beta: number({
      summary: 'strict: corrupt share of the registry',
      placeholder: '0..1',
      min: 0,
      max: 1,
      defaultText: '0.1',
    }),
    delta: number({
      summary: 'strict: accepted probability of a wrong guarantee',
      placeholder: '0..1',
      above: 0,
      max: 1,
      defaultText: '0.01',
    }),
    available: flag(
      'Look for the bandwidth that other traffic leaves, too: about 20 trains of half a second',
    ),
    layer: layerOption,
    out: text({
      summary: 'Where to put the transcript',
      completes: 'directory',
      defaultText: 'transcripts in the data directory',
    }),
    'on-chain': flag('Escrow and settle on the chain of the configuration; --rpc implies it'),
    'slot-fee': text({
      summary: 'On a chain: what each member that serves is paid',
      placeholder: 'amount',
      defaultText: 'the least that the contract takes',
    }),
    'max-price': text({
      summary: 'On a chain: refuse before paying where fee and gas may come to more',
      placeholder: 'amount',
      defaultText: 'no limit but the balance',
    }),
    yes: flag('On a chain: pay what it costs without asking'),
    'refund-to': text({
      summary: 'On a chain: the wallet that gets back what no member earned',
      placeholder: 'address',
      defaultText: 'your own address',
    }),
    every: text({
      summary: 'Measure again and again, so much time from one start to the next',
      placeholder: '30min|6h|1d',
    }),
    runs: number({
      summary: 'With --every: stop after so many',
      placeholder: 'n',
      integer: true,
      min: 1,
      max: 1_000_000,
      defaultText: 'no end',
    }),
    'data-cap': text({
      summary: 'Measure only what is sure to fit this much challenge traffic in a calendar month',
      placeholder: '5GiB',
    }),
    ...joinOptions,
    ...chainOptions,
    ...keyOptions,
  },
  examples: [
    ['measure 16Uiu2HAm...x9Qk --claim 250', 'Find the prover by its id'],
    ['measure /ip4/203.0.113.7/tcp/4021/p2p/16Uiu2HAm...x9Qk --claim 250', 'Dial it at a known address'],
    ['measure 16Uiu2HAm...x9Qk --claim 250 --profile quick --json', 'A cheap check, for a program'],
    ['measure 16Uiu2HAm...x9Qk --claim 250 --every 6h --data-cap 5GiB', 'Four times a day, within a budget'],
    [
      'measure 16Uiu2HAm...x9Qk --claim 250 --rpc https://rpc.example.org',
      'Pay the members and settle the result on a chain, once you have seen the price and said yes',
    ],
  ],
  run: async (args, io) => {
    checkCommittee(args)
    checkDirection(args.direction, args.profile)
    checkAvailable(args.available, args.direction, args.profile)
    const target = await checkTarget(args.peer)
    const onChain = args.onChain || args.rpc !== undefined
    // A limit is an answer, too.
    const asks = onChain && !args.yes && args.maxPrice === undefined
    if (asks && (args.every !== undefined || !canAsk(io)))
      throw badArgument(
        args.every === undefined
          ? 'measuring on a chain costs money, and there is no terminal to ask at'
          : 'measuring on a chain costs money each time, and nobody is asked at night',
        'give --yes, or a limit with --max-price',
      )
    const schedule = scheduleOf(args)
    // --claim is about the other's line, not about this node's own.
    const { bootstrap, registry } = args
    const { config } = await chainSettings(args, io, configValues({ bootstrap, registry }))
    const payment = await paymentOf(args)
    const identity = await openIdentity(config.dataDir, args.passphraseFile, io)
    const layer = layerOf(args.layer)
    const progress = new Progress(io.stderr, io.env, !io.output.isJson)
    // Progress says what happens; the log only adds what is wrong, unless asked for more.
    const level = args.logLevel ?? 'error'
    const log = await openLogger({ ...config.logging, level }, (line) => progress.above(line))
    const { MeasureProgress } = await import('./measure-progress.js')
    const { measureSummary } = await import('./measure-summary.js')
    const { measure, mostBytesOf } = await import('../node/measure.js')
    const order = {
      target,
      profile: args.profile,
      challengers: args.challengers,
      faulty: args.faulty,
      ...(args.teams === undefined ? {} : { teams: args.teams }),
      ...(args.beta === undefined ? {} : { betaMillionths: millionths(args.beta) }),
      ...(args.delta === undefined ? {} : { deltaMillionths: millionths(args.delta) }),
      ...(args.out === undefined ? {} : { outDir: args.out }),
      ...payment,
    }
    const claims = { down: args.claim, up: args.uplinkClaim ?? args.claim }
    const directions = args.direction === 'both' ? (['down', 'up'] as const) : ([args.direction] as const)
    const measureOne = async (direction: 'down' | 'up') => {
      const view = new MeasureProgress(progress, { claimMbps: claims[direction], layer })
      view.start()
      const measured = await measure({
        config,
        identity,
        log,
        ...order,
        direction,
        ...(args.available && direction === 'down' ? { available: true } : {}),
        claimMbps: claims[direction],
        onChain,
        ...(asks ? { confirm: (price) => askPrice(price, progress, io) } : {}),
        onProgress: (event) => {
          const { event: name, ...values } = event
          io.output.event(name, values)
          view.on(event)
        },
        signal: io.signal,
      })
      progress.stop()
      return resultAtLayer(measured, layer)
    }
    const measureAll = async () => {
      const [first, second] = directions
      const results = [await measureOne(first)] as [Measured, ...Measured[]]
      if (second !== undefined) results.push(await measureOne(second))
      return results
    }
    try {
      const { usedThisMonth } = await import('../node/history.js')
      const budget = {
        mostBytes: directions
          .map((direction) => mostBytesOf({ ...order, direction, claimMbps: claims[direction] }))
          .reduce((sum, bytes) => sum + bytes),
        usedBytes: () => usedThisMonth(config.dataDir, new Date()),
      }
      if (schedule.everyMs !== undefined) {
        const { runSchedule, waitFor } = await import('./measure-schedule.js')
        const ended = await runSchedule(
          { ...schedule, everyMs: schedule.everyMs },
          {
            ...budget,
            measure: async () => {
              const results = await measureAll()
              const [first] = results
              const bytes = results.reduce((sum, result) => sum + result.bytes, 0)
              const { challengeId, estimateMbps, guaranteedMbps } = first
              const up = first.direction === 'up' ? first : results[1]
              return {
                challengeId,
                estimateMbps,
                guaranteedMbps,
                bytes,
                ...(up === undefined ? {} : { uplinkMbps: up.estimateMbps }),
              }
            },
            onRun: (run) => {
              progress.stop()
              io.output.event('scheduled', run)
              io.output.line(scheduledLine(run))
            },
            onWait: (untilMs) => progress.live(() => `next measurement at ${formatMoment(untilMs)}`),
            now: () => Date.now(),
            wait: waitFor,
            signal: io.signal,
          },
        )
        progress.stop()
        io.output.result(ended, () => ended.message)
        return 0
      }
      if (schedule.capBytes !== undefined) {
        const { capObstacle } = await import('./measure-schedule.js')
        const obstacle = capObstacle(await budget.usedBytes(), budget.mostBytes, schedule.capBytes)
        if (obstacle !== undefined)
          throw new UserError(obstacle, {
            code: 'DENIED',
            remedy: 'raise --data-cap, or wait for next month',
          })
      }
      const results = await measureAll()
      if (!io.output.isJson) io.stderr.write('\n')
      const summaries = results.map(
        (result) => () => measureSummary(result, verifyCommandFor(result.transcript.path, args), io.style),
      )
      const [result] = results
      io.output.result(
        args.direction === 'both'
          ? Object.fromEntries(results.map((each) => [each.direction, each]))
          : result,
        () => summaries.map((text) => text()).join('\n\n'),
      )
      return 0
    } finally {
      progress.stop()
    }
  },
})

function scheduleOf(args: {
  readonly every: string | undefined
  readonly runs: number | undefined
  readonly dataCap: string | undefined
}) {
  if (args.runs !== undefined && args.every === undefined)
    throw badArgument('--runs belongs to --every', 'give --every, or leave it out')
  return {
    everyMs: args.every === undefined ? undefined : parseDuration(args.every, '--every'),
    capBytes: args.dataCap === undefined ? undefined : parseBytes(args.dataCap, '--data-cap'),
    runs: args.runs,
  }
}

/** One measurement of many, in a line. */
function scheduledLine({ startedAt, estimateMbps, guaranteedMbps, bytes, error }: ScheduledRun): string {
  const when = formatMoment(Date.parse(startedAt))
  if (error !== undefined) return `${when}  failed: ${printable(error)}`
  return (
    `${when}  estimate ${formatFigures(estimateMbps ?? 0).padStart(7)}  ` +
    `guaranteed ${formatFigures(guaranteedMbps ?? 0).padStart(7)} Mbit/s  ${formatBytes(bytes ?? 0)}`
  )
}

/** The price, and whether it is to be paid. */
async function askPrice(price: PriceQuote, progress: Progress, io: CommandIo): Promise<boolean> {
  const { formatEther } = await import('../chain/ether.js')
  progress.stop()
  const fee = formatEther(price.feeWei)
  const gas = formatEther(price.gasFeeWei)
  const have = formatEther(price.haveWei)
  io.stderr.write(`The members get ${fee}, gas may come to ${gas}; you have ${have}.\n`)
  return confirm(io, 'Pay it?')
}

type Measured = ReturnType<typeof resultAtLayer>

/** Money and addresses as typed, read before anything is asked of anybody. */
async function paymentOf(args: {
  readonly slotFee: string | undefined
  readonly maxPrice: string | undefined
  readonly refundTo: string | undefined
}) {
  const { parseAmount } = await import('../chain/ether.js')
  const { parseAddress } = await import('../crypto/address.js')
  return {
    ...(args.slotFee === undefined ? {} : { slotFeeWei: parseAmount(args.slotFee) }),
    ...(args.maxPrice === undefined ? {} : { maxPriceWei: parseAmount(args.maxPrice) }),
    ...(args.refundTo === undefined ? {} : { refundTo: parseAddress(args.refundTo) }),
  }
}

const millionths = (share: number): number => Math.round(share * MILLION)

/** A peer id, or a multiaddr that ends with one; said before anything is asked of the network. */
async function checkTarget(target: string): Promise<string> {
  const { publicKeyOfPeerId } = await import('../crypto/peer-id.js')
  const named = target.startsWith('/') ? /\/p2p\/([^/]+)$/.exec(target)?.[1] : target
  if (named === undefined)
    throw badArgument(`${target} names no peer`, 'end it with /p2p/ and the peer id of the prover')
  try {
    publicKeyOfPeerId(named)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    throw badArgument(
      `<peer>: ${quoted(named)} is no peer id (mistyped?)`,
      'copy it from what "plumbline status" prints on the prover: it starts with 16Uiu2',
    )
  }
  if (target.startsWith('/')) {
    const { multiaddr } = await import('@multiformats/multiaddr')
    try {
      multiaddr(target)
    } catch {
      throw badArgument(`${target} is no multiaddr`, 'write it like /ip4/203.0.113.7/tcp/4021/p2p/16Uiu2...')
    }
  }
  return target
}

/** The command that finds the same registry and beacon again, ready to be copied. */
function verifyCommandFor(
  path: string,
  args: {
    readonly registry: string | undefined
    readonly dataDir: string | undefined
    readonly config: string | undefined
  },
): string {
  const near = relative('', path)
  const flags = [
    ['--registry', args.registry],
    ['--data-dir', args.dataDir],
    ['--config', args.config],
  ].flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${shellQuoted(value)}`]))
  return ['plumbline verify', shellQuoted(near.startsWith('..') ? path : near), ...flags].join(' ')
}

function shellQuoted(text: string): string {
  return /^[\w./:@~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
