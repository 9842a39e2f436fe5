/** What k runs say together. Errors are absolute percentages of the truth. Figures of no run at all are null, not 0. */
import type { LabRun } from './types.js'

export interface LabSummary {
  readonly runs: number
  readonly failed: number
  readonly medianErrorPct: number | null
  readonly p95ErrorPct: number | null
  readonly worstErrorPct: number | null
  readonly minGuaranteedPct: number | null
  readonly medianGuaranteedPct: number | null
  readonly maxGuaranteedPct: number | null
  /** Of runs that looked for the available bandwidth. */
  readonly medianAvailableErrorPct: number | null
  /** Guarantees above truth + b / (0.8 tau). */
  readonly violations: number
  /** Mean layer-3 bytes of challenge traffic. */
  readonly bytesPerRun: number | null
  /** Mean bytes at the prover's interface, both directions, control included. */
  readonly interfaceBytesPerRun: number | null
  readonly repeats: number
}

const round = (value: number) => Math.round(value * 1000) / 1000

function percentile(values: readonly number[], share: number): number | null {
  const sorted = [...values].sort((a, b) => a - b)
  if (sorted.length === 0) return null
  const position = share * (sorted.length - 1)
  const low = sorted[Math.floor(position)] ?? 0
  const high = sorted[Math.ceil(position)] ?? 0
  return round(low + (high - low) * (position - Math.floor(position)))
}

export function summarise(runs: readonly LabRun[], failed: number): LabSummary {
  const errors = runs.map((run) => run.errorPct)
  const guarantees = runs.map((run) => run.guaranteedPct)
  const mean = (values: readonly number[]) =>
    values.length === 0 ? null : Math.round(values.reduce((sum, value) => sum + value, 0) / values.length)
  return {
    runs: runs.length,
    failed,
    medianErrorPct: percentile(errors, 0.5),
    p95ErrorPct: percentile(errors, 0.95),
    worstErrorPct: percentile(errors, 1),
    minGuaranteedPct: percentile(guarantees, 0),
    medianGuaranteedPct: percentile(guarantees, 0.5),
    maxGuaranteedPct: percentile(guarantees, 1),
    medianAvailableErrorPct: percentile(
      runs.flatMap(({ availableErrorPct }) => (availableErrorPct === undefined ? [] : [availableErrorPct])),
      0.5,
    ),
    violations: runs.filter((run) => !run.withinBound).length,
    bytesPerRun: mean(runs.map((run) => run.bytes)),
    interfaceBytesPerRun: mean(runs.map((run) => run.interfaceBytes)),
    repeats: runs.reduce((sum, run) => sum + run.repeats, 0),
  }
}
