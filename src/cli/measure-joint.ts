/** `measure --with`: several provers alone and together, and whether they share one link. */
import type { JointCall, PayerOptions } from '../node/measure.js'
import type { JointMeasurement } from '../node/measure-joint.js'
import { formatMbps, labelled, printable, table } from './format.js'
import type { CommandIo } from './io.js'
import { atLayer, type Layer, resultAtLayer } from './layer.js'
import { verifyCommandFor } from './measure-arguments.js'
import { MeasureProgress } from './measure-progress.js'
import { badArgument } from './option.js'
import type { Progress } from './progress.js'

const LABEL_WIDTH = 14

interface JointArguments {
  readonly with: readonly string[] | undefined
  readonly direction: string
  readonly profile: string
  readonly available: boolean
  readonly onChain: boolean
  readonly rpc: readonly string[] | undefined
  readonly every: string | undefined
  readonly dataCap: string | undefined
}

/** @throws UserError BAD_ARGUMENT where several provers cannot be measured so */
export function checkJoint(args: JointArguments): void {
  if (args.with === undefined) return
  const alien = [
    ['--direction', args.direction !== 'down'],
    ['--profile', args.profile !== 'standard'],
    ['--available', args.available],
    ['--on-chain', args.onChain],
    ['--rpc', args.rpc !== undefined],
    ['--every', args.every !== undefined],
    ['--data-cap', args.dataCap !== undefined],
  ].flatMap(([name, isThere]) => (isThere === true ? [String(name)] : []))
  if (alien.length > 0)
    throw badArgument(
      `--with measures downlinks together by the standard profile, without a chain: ${alien.join(', ')} cannot be had with it`,
      'leave one of them out',
    )
}

export interface JointParts {
  readonly io: CommandIo
  readonly args: Parameters<typeof verifyCommandFor>[1]
  readonly layer: Layer
  readonly progress: Progress
  readonly payer: PayerOptions
  readonly call: JointCall
}

/** Measures and prints. @returns the exit status */
export async function measureTogether({
  io,
  args,
  layer,
  progress,
  payer: options,
  call,
}: JointParts): Promise<0> {
  const { openPayer } = await import('../node/measure.js')
  const payer = await openPayer(options)
  try {
    const views = call.targets.map(() => new MeasureProgress(progress, { claimMbps: call.claimMbps, layer }))
    const measured = await payer.measureJoint({
      ...call,
      signal: io.signal,
      onProgress: ({ prover, phase }, event) => {
        const { event: name, ...values } = event
        io.output.event(name, { ...values, prover, phase })
        // Together they say the same at the same time: one is shown.
        if (phase === 'alone' || prover === 0) views[prover]?.on(event)
      },
    })
    progress.stop()
    const { results, joint, sharedLink, jointTranscript } = jointAtLayer(measured, layer)
    const [first] = results
    if (first === undefined) throw new Error('nothing was measured')
    if (!io.output.isJson) io.stderr.write('\n')
    const shown = { joint, sharedLink, jointTranscript }
    io.output.result({ ...resultAtLayer(first, layer), ...shown }, () =>
      jointSummary(shown, (path) => verifyCommandFor(path, args, 'verify --joint')),
    )
    return 0
  } finally {
    await payer.close()
  }
}

/** The first prover's result stays as it is: {@link resultAtLayer} converts it. */
function jointAtLayer(
  { results, joint, sharedLink, jointTranscript }: JointMeasurement,
  layer: Layer,
): JointMeasurement {
  const convert = (mbps: number) => atLayer(mbps, layer)
  const figures = <T extends { readonly estimateMbps: number; readonly guaranteedMbps: number }>(
    each: T,
  ): T => ({
    ...each,
    estimateMbps: convert(each.estimateMbps),
    guaranteedMbps: convert(each.guaranteedMbps),
  })
  return {
    results,
    joint: joint.map(({ prover, alone, together }) => ({
      prover,
      alone: figures(alone),
      together: figures(together),
    })),
    sharedLink: {
      ...figures(sharedLink),
      sumMbps: convert(sharedLink.sumMbps),
      creditMbps: convert(sharedLink.creditMbps),
    },
    jointTranscript,
  }
}

export const SHARED_LINK_VERDICTS: Readonly<Record<JointMeasurement['sharedLink']['verdict'], string>> = {
  shared: 'they share one link: together they get clearly less than each alone',
  separate: 'their links are separate: together they get what each gets alone',
  unclear: 'no verdict: what they show together tells neither; measure again',
}

interface Rates {
  readonly estimateMbps: number
  readonly guaranteedMbps: number
}

export const bothRates = ({ estimateMbps, guaranteedMbps }: Rates): string =>
  `${estimateMbps.toFixed(1)} | ${guaranteedMbps.toFixed(1)}`

/** Each prover alone and while the others were measured. */
export function jointTable(
  provers: readonly { readonly prover: string; readonly alone: Rates; readonly together: Rates }[],
): string {
  return table(provers, [
    { title: 'prover', value: ({ prover }) => `..${prover.slice(-8)}` },
    { title: 'alone: estimate | guaranteed', align: 'right', value: ({ alone }) => bothRates(alone) },
    { title: 'together', align: 'right', value: ({ together }) => bothRates(together) },
  ])
}

export function jointSummary(
  { joint, sharedLink, jointTranscript }: Pick<JointMeasurement, 'joint' | 'sharedLink' | 'jointTranscript'>,
  verifyCommand: (path: string) => string,
): string {
  const row = (label: string, text: string) => labelled(`  ${label}`, text, LABEL_WIDTH)
  return [
    jointTable(joint),
    '',
    row(
      'Together',
      `${bothRates(sharedLink)} Mbit/s; the guarantees of each alone come to ${formatMbps(sharedLink.sumMbps)}`,
    ),
    row(
      'Verdict',
      `${SHARED_LINK_VERDICTS[sharedLink.verdict]} (${sharedLink.sharePct.toFixed(0)} % of the sum; below ${sharedLink.thresholdPct} % is shared)`,
    ),
    row('Credit', `${formatMbps(sharedLink.creditMbps)} to all of them; ${sharedLink.assumptions}`),
    '',
    row('Check it with', printable(verifyCommand(jointTranscript.path))),
  ].join('\n')
}
