/** `plumbline measure <peer>`: asks for a challenge, shows it, prints the result. */
import { UserError } from '../errors.js'
import { chainSettings } from './chain-options.js'
import { defineCommand } from './command.js'
import { checkAvailable, checkCommittee, checkDirection } from './committee-limits.js'
import { configValues } from './daemon.js'
import { formatBytes, formatFigures, printable } from './format.js'
import { formatMoment } from './history-chart.js'
import { layerOf, resultAtLayer } from './layer.js'
import { checkTarget, millionths, paymentOf, scheduleOf, verifyCommandFor } from './measure-arguments.js'
import { checkJoint, measureTogether } from './measure-joint.js'
import { measureOptions, measurePositionals } from './measure-options.js'
import { askPrice } from './measure-price.js'
import type { ScheduledRun } from './measure-schedule.js'
import { badArgument } from './option.js'
import { Progress } from './progress.js'
import { canAsk } from './prompt.js'
import { openIdentity, openLogger } from './settings.js'

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
    'With --with several provers are measured one by one and then at the same moments by the same teams. Where together ' +
      'they get less than 80 % of what each gets alone they share a link, and only what they get together is credited.',
  ],
  positionals: measurePositionals,
  options: measureOptions,
  examples: [
    ['measure 16Uiu2HAm...x9Qk --claim 250', 'Find the prover by its id'],
    ['measure /ip4/203.0.113.7/tcp/4021/p2p/16Uiu2HAm...x9Qk --claim 250', 'Dial it at a known address'],
    ['measure 16Uiu2HAm...x9Qk --claim 250 --profile quick --json', 'A cheap check, for a program'],
    ['measure 16Uiu2HAm...x9Qk --claim 250 --every 6h --data-cap 5GiB', 'Four times a day, within a budget'],
    [
      'measure 16Uiu2HAm...x9Qk --claim 100 --with 16Uiu2HAm...7dKe',
      'Whether two provers are two lines, or one line shown twice',
    ],
    [
      'measure 16Uiu2HAm...x9Qk --claim 250 --rpc https://rpc.example.org',
      'Pay the members and settle the result on a chain, once you have seen the price and said yes',
    ],
  ],
  run: async (args, io) => {
    checkCommittee(args)
    checkDirection(args.direction, args.profile)
    checkAvailable(args.available, args.direction, args.profile)
    checkJoint(args)
    const target = await checkTarget(args.peer)
    const others = await Promise.all((args.with ?? []).map(checkTarget))
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
      ...(args.challengers === undefined ? {} : { challengers: args.challengers }),
      faulty: args.faulty,
      ...(args.teams === undefined ? {} : { teams: args.teams }),
      ...(args.beta === undefined ? {} : { betaMillionths: millionths(args.beta) }),
      ...(args.delta === undefined ? {} : { deltaMillionths: millionths(args.delta) }),
      ...(args.attempts === undefined ? {} : { attempts: args.attempts }),
      ...(args.out === undefined ? {} : { outDir: args.out }),
      ...(schedule.capBytes === undefined ? {} : { capBytes: schedule.capBytes }),
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
    if (others.length > 0)
      try {
        return await measureTogether({
          io,
          args,
          layer,
          progress,
          payer: { config, identity, log },
          call: { ...order, targets: [target, ...others], claimMbps: claims.down },
        })
      } finally {
        progress.stop()
      }
    const measureAll = async () => {
      const [first, second] = directions
      const results = [await measureOne(first)] as [Measured, ...Measured[]]
      if (second !== undefined) results.push(await measureOne(second))
      return results
    }
    try {
      const { usedThisMonth } = await import('../node/data-budget.js')
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
              const bytes = results.reduce((sum, result) => sum + result.trafficBytes, 0)
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

type Measured = ReturnType<typeof resultAtLayer>

/** One measurement of many, in a line. */
function scheduledLine({ startedAt, estimateMbps, guaranteedMbps, bytes, error }: ScheduledRun): string {
  const when = formatMoment(Date.parse(startedAt))
  if (error !== undefined) return `${when}  failed: ${printable(error)}`
  return (
    `${when}  estimate ${formatFigures(estimateMbps ?? 0).padStart(7)}  ` +
    `guaranteed ${formatFigures(guaranteedMbps ?? 0).padStart(7)} Mbit/s  ${formatBytes(bytes ?? 0)}`
  )
}
