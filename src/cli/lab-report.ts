/** What a laboratory shows while it runs and at its end; also used by `demo`. */
import type { JointLabEvent } from '../lab/joint.js'
import type { LabEvent, LabResult, LabRun } from '../lab/types.js'
import { formatBytes, formatFigures, formatMbps, labelled, plural, table, wrap } from './format.js'
import type { CommandIo } from './io.js'
import { bar, Progress } from './progress.js'

const LABEL_WIDTH = 14

/** 1 where something failed or a guarantee was too high; the published rule is there to be broken. */
export function labStatus({ runs, summary }: LabResult, profile: string): 0 | 1 {
  const broken = summary.violations > 0 && profile !== 'published'
  return runs.length === 0 || summary.failed > 0 || broken ? 1 : 0
}

export interface LabReporter {
  event(event: LabEvent | JointLabEvent): void
  /** Something that takes a while. */
  waiting(what: string): void
  stop(): void
}

/** Live progress of a laboratory. */
export function labReporter(io: CommandIo): LabReporter {
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
      else if (event.event === 'joint_ended') progress.line(jointLine(event))
      else if (event.event === 'run_failed') progress.line(`run ${event.run} failed: ${event.reason}`)
    },
    waiting: (what) => progress.live((elapsedMs) => `${what}, ${(elapsedMs / 1000).toFixed(0)} s`),
    stop: () => progress.stop(),
  }
}

function jointLine({ run, result }: Extract<JointLabEvent, { event: 'joint_ended' }>): string {
  const { verdict, estimateMbps, guaranteedMbps, sumMbps } = result.sharedLink
  return (
    `${String(run).padStart(3)}  together ${formatFigures(estimateMbps).padStart(7)}` +
    `  guaranteed ${formatFigures(guaranteedMbps).padStart(7)} of ${formatFigures(sumMbps)} alone` +
    `  error ${result.errorPct.toFixed(2)} %  ${verdict}`
  )
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
