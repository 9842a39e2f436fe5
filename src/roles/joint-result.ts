/** The result of measuring several provers alone and together: what a program reads, in Mbit/s of layer 3. */
import { type JointRates, SHARED_BELOW_SHARE, type SharedLink } from '../pob/joint/verdict.js'
import type { MeasureResult } from './measure-result.js'

export interface JointPart {
  readonly prover: string
  readonly alone: JointFigures
  /** While the others were measured. */
  readonly together: JointFigures
}

export interface JointFigures {
  readonly estimateMbps: number
  readonly guaranteedMbps: number
  readonly transcript: MeasureResult['transcript']
}

export interface SharedLinkResult {
  readonly verdict: SharedLink['verdict']
  /** Of all provers together. */
  readonly estimateMbps: number
  readonly guaranteedMbps: number
  /** The guarantees of each alone, summed up. */
  readonly sumMbps: number
  /** What may be credited to all of them together. */
  readonly creditMbps: number
  /** Together over the sum, percent; below 80 it is one link. */
  readonly sharePct: number
  readonly thresholdPct: number
  /** Times that they were measured together: once more where the first told nothing. */
  readonly attempts: number
  readonly assumptions: string
}

/** The file that shows verdict and credit to others: `verify --joint`. */
export interface JointTranscript {
  readonly path: string
  readonly sha256: string
}

export interface JointResult {
  readonly joint: readonly JointPart[]
  readonly sharedLink: SharedLinkResult
  readonly jointTranscript: JointTranscript
}

const round = (value: number) => Number(value.toFixed(3))

const figuresOf = ({ estimateMbps, guaranteedMbps, transcript }: MeasureResult): JointFigures => ({
  estimateMbps,
  guaranteedMbps,
  transcript,
})

export interface JointMeasured {
  /** Of each prover, in order. */
  readonly alone: readonly MeasureResult[]
  readonly together: readonly MeasureResult[]
  readonly rates: JointRates
  readonly link: SharedLink
  readonly attempts: number
  readonly jointTranscript: JointTranscript
}

export function jointResult({
  alone,
  together,
  rates,
  link,
  attempts,
  jointTranscript,
}: JointMeasured): JointResult {
  const sumMbps = link.sumKbps / 1000
  return {
    joint: alone.flatMap((each, i) => {
      const beside = together[i]
      return beside === undefined
        ? []
        : [{ prover: each.prover, alone: figuresOf(each), together: figuresOf(beside) }]
    }),
    sharedLink: {
      verdict: link.verdict,
      estimateMbps: round(rates.estimateKbps / 1000),
      guaranteedMbps: round(rates.guaranteedKbps / 1000),
      sumMbps: round(sumMbps),
      creditMbps: round(link.creditKbps / 1000),
      sharePct: sumMbps === 0 ? 0 : Number(((100 * rates.guaranteedKbps) / link.sumKbps).toFixed(2)),
      thresholdPct: 100 * SHARED_BELOW_SHARE,
      attempts,
      // The same committee for all.
      assumptions: together[0]?.faultTolerance.assumptions ?? 'nothing ran together',
    },
    jointTranscript,
  }
}
