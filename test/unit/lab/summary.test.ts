import { describe, expect, it } from 'vitest'
import { labStatus, labText } from '../../../src/cli/lab-report.js'
import { summarise } from '../../../src/lab/summary.js'
import type { LabResult, LabRun } from '../../../src/lab/types.js'

/** A run as far as the summary looks at it. */
const labRun = (errorPct: number, guaranteedPct: number, withinBound = true) =>
  ({ errorPct, guaranteedPct, withinBound, bytes: 1000, interfaceBytes: 2000, repeats: 1 }) as LabRun

const resultOf = (runs: readonly LabRun[], failures: readonly string[] = []): LabResult => ({
  truth: {
    rateMbps: 100,
    rttMs: { min: 0, max: 0 },
    bufferMs: 50,
    crossTrafficMbps: 0,
    burstBoundMbps: 0.16,
    burstBytes: 3200,
    notes: [],
  },
  attack: 'none',
  runs,
  failures,
  summary: summarise(runs, failures.length),
})

describe('the summary of a laboratory', () => {
  it('has percentiles and means', () => {
    const runs = [labRun(1, 90), labRun(3, 95), labRun(2, 98, false)]
    expect(summarise(runs, 1)).toMatchObject({
      runs: 3,
      failed: 1,
      medianErrorPct: 2,
      p95ErrorPct: 2.9,
      worstErrorPct: 3,
      minGuaranteedPct: 90,
      medianGuaranteedPct: 95,
      maxGuaranteedPct: 98,
      violations: 1,
      bytesPerRun: 1000,
      interfaceBytesPerRun: 2000,
      repeats: 3,
    })
  })

  it('has no figures where nothing ran: null, printed as a dash, never 0', () => {
    const nothing = resultOf([], ['no way'])
    const { runs, failed, violations, repeats, ...figures } = nothing.summary
    expect({ runs, failed, violations, repeats }).toEqual({ runs: 0, failed: 1, violations: 0, repeats: 0 })
    expect(new Set(Object.values(figures))).toEqual(new Set([null]))
    const text = labText(nothing)
    expect(text).toMatch(/error of the estimate +- +- +-/)
    expect(text).toContain('- of challenge traffic')
    expect(text).not.toContain('0.00 %')
    expect(text).toContain('no way')
  })
})

describe('the exit status of a laboratory', () => {
  const good = labRun(0.1, 99)
  const broken = labRun(0.1, 120, false)
  it.each([
    ['every run within its bound', resultOf([good, good]), 'standard', 0],
    ['a guarantee above the truth', resultOf([good, broken]), 'standard', 1],
    ['the published rule broken', resultOf([broken]), 'published', 0],
    ['a run failed', resultOf([good], ['no way']), 'standard', 1],
    ['a run failed of the published rule', resultOf([broken], ['no way']), 'published', 1],
    ['nothing ran', resultOf([]), 'standard', 1],
  ] as const)('%s', (_, result, profile, status) => {
    expect(labStatus(result, profile)).toBe(status)
  })
})
