/** What k runs say together. Errors are absolute percentages of the truth. */
import type { LabRun } from './run.js'

export interface LabSummary {
  readonly runs: number
  readonly failed: number
  readonly medianErrorPct: number
  readonly p95ErrorPct: number
  readonly worstErrorPct: number
  readonly minGuaranteedPct: number
  readonly medianGuaranteedPct: number
  readonly maxGuaranteedPct: number
  /** Guarantees above truth + b / (0.8 tau). */
  readonly violations: number
  /** Mean layer-3 bytes of challenge traffic. */
  readonly bytesPerRun: number
  /** Mean bytes at the prover's interface, both directions, control included. */
  readonly interfaceBytesPerRun: number
  readonly repeats: number
}

const round = (value: number) => Math.round(value * 1000) / 1000

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  if (sorted.length === 0) return 0
  const position = share * (sorted.length - 1)
  const low = sorted[Math.floor(position)] ?? 0
  const high = sorted[Math.ceil(position)] ?? 0
  return low + (high - low) * (position - Math.floor(position))
}

export function summarise(runs: readonly LabRun[], failed: number): LabSummary {
  const errors = runs.map((run) => run.errorPct)
  const guarantees = runs.map((run) => run.guaranteedPct)
  const mean = (values: readonly number[]) =>
    values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
  return {
    runs: runs.length,
    failed,
    medianErrorPct: round(percentile(errors, 0.5)),
    p95ErrorPct: round(percentile(errors, 0.95)),
    worstErrorPct: round(percentile(errors, 1)),
    minGuaranteedPct: round(percentile(guarantees, 0)),
    medianGuaranteedPct: round(percentile(guarantees, 0.5)),
    maxGuaranteedPct: round(percentile(guarantees, 1)),
    violations: runs.filter((run) => !run.withinBound).length,
    bytesPerRun: Math.round(mean(runs.map((run) => run.bytes))),
    interfaceBytesPerRun: Math.round(mean(runs.map((run) => run.interfaceBytes))),
    repeats: runs.reduce((sum, run) => sum + run.repeats, 0),
  }
}
