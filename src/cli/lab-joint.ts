/** `lab --provers`: several provers behind one link or one each, and whether measuring them together tells which. */
import type { JointLabResult } from '../lab/joint.js'
import type { LabOptions } from '../lab/types.js'
import { formatMbps, labelled } from './format.js'
import type { CommandIo } from './io.js'
import type { LabReporter } from './lab-report.js'
import { badArgument } from './option.js'

const LABEL_WIDTH = 14

interface JointArguments {
  readonly provers: number
  readonly shared: boolean
  readonly direction: string
  readonly profile: string
  readonly available: boolean
  readonly loss: number | undefined
  readonly crossTraffic: number | undefined
  readonly proverUplink: number | undefined
  readonly uplink: number | undefined
}

/** @throws UserError BAD_ARGUMENT */
export function checkLabJoint(args: JointArguments): void {
  if (args.provers === 1) {
    if (args.shared)
      throw badArgument('--shared belongs to several provers', 'add --provers 2, or leave it out')
    return
  }
  const alien = [
    ['--direction', args.direction !== 'down'],
    ['--profile', args.profile !== 'standard'],
    ['--available', args.available],
    ['--loss', args.loss !== undefined],
    ['--cross-traffic', args.crossTraffic !== undefined],
    ['--prover-uplink', args.proverUplink !== undefined],
    ['--uplink', args.uplink !== undefined],
  ].flatMap(([name, isThere]) => (isThere === true ? [String(name)] : []))
  if (alien.length > 0)
    throw badArgument(
      `--provers measures downlinks by the standard profile: ${alien.join(', ')} cannot be had with it`,
      'leave one of them out',
    )
}

/** Runs, prints; the exit status is 1 where a run failed, a verdict was wrong or a guarantee too high. */
export async function runLabJoint(
  { provers, shared }: JointArguments,
  options: LabOptions,
  reporter: LabReporter,
  io: CommandIo,
): Promise<0 | 1> {
  const { runJointLab } = await import('../lab/joint.js')
  const result = await runJointLab(
    { ...options, provers, shared },
    (event) => reporter.event(event),
    io.signal,
  )
  io.output.result(result, () => jointLabText(result))
  const { runs, failed, wrong, violations } = result.summary
  return runs === 0 || failed > 0 || wrong > 0 || violations > 0 ? 1 : 0
}

export function jointLabText({ truth, failures, summary }: JointLabResult): string {
  const line = (label: string, value: string) => labelled(label, value, LABEL_WIDTH)
  const percent = (value: number | null) => (value === null ? '-' : `${value.toFixed(2)} %`)
  const verdicts = Object.entries(summary.verdicts).map(([name, count]) => `${count} ${name}`)
  return [
    line(
      'Truth',
      truth.shared
        ? `${truth.provers} provers behind one link of ${formatMbps(truth.rateMbps)}`
        : `${truth.provers} provers behind a link of ${formatMbps(truth.rateMbps)} each`,
    ),
    line('Verdicts', `${verdicts.join(', ') || 'none'}; ${summary.wrong} wrong`),
    line(
      'Together',
      `error of the estimate: median ${percent(summary.medianErrorPct)}, worst ${percent(summary.worstErrorPct)}`,
    ),
    line('Runs', `${summary.runs} done, ${summary.failed} failed`),
    line('Above bound', `${summary.violations} of ${summary.runs}`),
    ...[...new Set(failures)].slice(0, 3).map((failure) => line('Failed', failure)),
  ].join('\n')
}
