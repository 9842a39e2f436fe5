/** The result of a measurement for a person: the numbers, and beside each what it rests on. */

import { formatEther } from '../chain/ether.js'
import { QUALITY_FLAGS } from '../pob/flags.js'
import type { MeasureResult, Settlement } from '../roles/measure-result.js'
import type { Telemetry } from '../roles/telemetry.js'
import { gradeText, rpmText } from './bufferbloat.js'
import {
  formatBytes,
  formatDuration,
  formatFigures,
  formatMbps,
  formatMs,
  labelled,
  plural,
  printable,
} from './format.js'
import { type Layer, layerName } from './layer.js'
import type { Style } from './output.js'

const LABEL_WIDTH = 14
const VALUE_WIDTH = LABEL_WIDTH + 15

const row = (label: string, text: string): string => labelled(`  ${label}`, text, LABEL_WIDTH)

/** A number in bold with a sentence beside it, wrapped in a column of its own. */
function headline(label: string, value: string, meaning: string, style: Style): string {
  const plain = labelled(`  ${label.padEnd(LABEL_WIDTH - 2)}${value}`, meaning, VALUE_WIDTH)
  return plain.replace(value, style('bold', value))
}

export function measureSummary(
  result: MeasureResult & { readonly layer: Layer },
  verifyCommand: string,
  style: Style,
): string {
  const { faultTolerance, interval, quality, rttMs, slots, transcript, trust } = result
  const claimPct = result.claimMbps === 0 ? 0 : (100 * result.estimateMbps) / result.claimMbps
  const teams = slots.map((slot) => formatFigures(slot.valueMbps)).join('  ')
  const accepted = result.challengers.filter((challenger) => challenger.accepted).length
  const troubled = result.challengers.filter((challenger) =>
    challenger.flags.some((name) => name !== 'not_needed'),
  )
  const what =
    result.direction === 'up' ? 'what comes back through both directions' : 'what the link delivers'
  return [
    headline(
      'Estimate',
      formatMbps(result.estimateMbps),
      `${what}, the likely value; ${claimPct.toFixed(0)} % of the claim of ${formatMbps(result.claimMbps)}`,
      style,
    ),
    headline('Guaranteed', formatMbps(result.guaranteedMbps), faultTolerance.assumptions, style),
    headline(
      'Interval',
      `${formatFigures(interval.lowMbps)} to ${formatFigures(interval.highMbps)}`,
      'only the lower end is a guarantee',
      style,
    ),
    '',
    row(slots.length === 1 ? 'Team' : 'Teams', `${teams} Mbit/s`),
    row(
      'Data',
      `${formatBytes(result.bytes)} in ${result.packets} packets, ${formatDuration(result.durationMs)} in all` +
        (result.repeats === 0 ? '' : `, ${result.repeats} of ${result.attempts} slots repeated`) +
        `; at most ${formatBytes(result.trafficBytes)} moved, with all that is no part of the proof`,
    ),
    row(
      'Path',
      `round trip ${formatMs(rttMs.min)} at least, ${formatMs(rttMs.median)} at the median; ` +
        `jitter ${formatMs(result.jitterMs)}, loss ${result.lossPct} % (20 % more than the claim is offered)`,
    ),
    ...telemetryRows(result.telemetry),
    ...(result.available === undefined ? [] : [row('Available', availableText(result.available))]),
    row('Challengers', `${accepted} of ${faultTolerance.n} sent and proved their traffic`),
    ...troubled.map((challenger) => row('', `${challenger.peerId}: ${challenger.flags.join(', ')}`)),
    row('Profile', `${result.profile}; rates of ${layerName(result.layer)}`),
    row(
      'Trusted',
      `registry ${trust.registry.slice(0, 16)}..., ${result.beacon.kind} beacon round ${result.beacon.round}`,
    ),
    ...(result.settlement === undefined ? [] : settlementRows(result.settlement)),
    ...(quality.length === 0
      ? []
      : ['', '  Remarks', ...quality.map((name) => labelled(`  - ${name}`, QUALITY_FLAGS[name], 21))]),
    '',
    `  Transcript    ${printable(transcript.path)}`,
    `  Check it      ${verifyCommand}`,
  ].join('\n')
}

function availableText({ rateMbps, isLimited, steps }: NonNullable<MeasureResult['available']>): string {
  const found = isLimited ? `at least ${formatMbps(rateMbps)}` : formatMbps(rateMbps)
  return (
    `${found} beside other traffic (${plural(steps.length, 'train')}; at least 98 % delivered, no queue grown ` +
    'by 5 ms; as the prover tells it, not guaranteed)'
  )
}

/** Beside the proof, and marked so. */
function telemetryRows({ latency, delayVariationMs, reordering }: Telemetry): string[] {
  const { idle, loaded, increaseMs, grade, rpm } = latency
  const isRising = latency.isStillRising === true
  const order = `reordered ${reordering.reorderedPct} %${reordering.maxExtent === 0 ? '' : `, by up to ${plural(reordering.maxExtent, 'place')}`}`
  const variation =
    delayVariationMs === null
      ? ''
      : `delay variation ${formatMs(delayVariationMs.median)}, 95 % below ${formatMs(delayVariationMs.p95)}; `
  const remark = 'as the prover tells it; not guaranteed'
  if (idle === null || loaded === null) return [row('Telemetry', `${variation}${order} (${remark})`)]
  return [
    row(
      'Latency',
      `${formatMs(idle.medianMs)} idle, ${formatMs(loaded.medianMs)} under load (${isRising ? 'at least ' : ''}+${formatMs(increaseMs ?? 0)}): ` +
        `bufferbloat ${gradeText(grade ?? 'F', isRising)}, ${rpmText(rpm ?? 0, isRising)}` +
        `${isRising ? ' (round trips still rose when the slots ended)' : ''}; probes lost ${idle.lossPct} % idle, ${loaded.lossPct} % under load`,
    ),
    row('', `${variation}${order} (${remark})`),
  ]
}

function settlementRows(settlement: Settlement): string[] {
  const { chainId, txHash, paid, gasUsed, feeWei, refundWei } = settlement
  const total = paid.reduce((sum, { amountWei }) => sum + BigInt(amountWei), 0n)
  return [
    row(
      'Settled',
      txHash === null
        ? `NOT YET on chain ${chainId}: any member can still settle it with the signatures`
        : `on chain ${chainId} in ${txHash}`,
    ),
    row(
      'Owed',
      `${formatEther(total)} to ${plural(paid.length, 'member')}, after the dispute window; ` +
        `${formatEther(BigInt(refundWei))} comes back to you`,
    ),
    row('Gas', `${gasUsed.toLocaleString('en')}, ${formatEther(BigInt(feeWei))} in all`),
  ]
}
