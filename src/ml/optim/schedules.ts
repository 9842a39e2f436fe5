/**
 * Learning rates by update number. Each maker returns a pure function of the update, so a run resumes anywhere. The
 * formulas and their edges are fairseq's (fairseq/optim/lr_scheduler), where the recipes of wav2vec 2.0, data2vec and
 * XLS-R come from.
 */

/** The rate at an update, counted from 0. */
export type Schedule = (update: number) => number

export interface WarmUp {
  /** Updates over which the rate rises linearly to the peak. */
  readonly warmUp: number
  /** The rate at update 0; 0 unless told. */
  readonly from?: number
}

const rise = (update: number, peak: number, { warmUp, from = 0 }: WarmUp): number =>
  from + (update * (peak - from)) / warmUp

/** Linear warm-up, then constant. */
export function constantRate(peak: number, warmUp: WarmUp = { warmUp: 0 }): Schedule {
  return (update) => (update < warmUp.warmUp ? rise(update, peak, warmUp) : peak)
}

export interface CosineOptions extends WarmUp {
  readonly peak: number
  /** The rate at the end of a period; 0 unless told. */
  readonly least?: number
  /** Updates of the (first) period, after the warm-up; where it ends, the rate stays at the least. */
  readonly period: number
  /** Begin again after each period instead. */
  readonly restarts?: boolean
  /** Each period is so many times as long as the one before; 1 unless told. */
  readonly stretch?: number
  /** Each period's rates are so many times the one before's; 1 unless told. */
  readonly shrink?: number
}

/** Half a cosine from the peak to the least rate, once or again and again (Loshchilov and Hutter 2017, SGDR). */
export function cosineRate(options: CosineOptions): Schedule {
  const { peak, least = 0, period, stretch = 1, shrink = 1 } = options
  return (update) => {
    if (update < options.warmUp) return rise(update, peak, options)
    const since = update - options.warmUp
    if (options.restarts !== true && since >= period) return least
    const index =
      stretch === 1
        ? Math.floor(since / period)
        : Math.floor(Math.log(1 - (since / period) * (1 - stretch)) / Math.log(stretch))
    const length = period * stretch ** index
    const begun = stretch === 1 ? period * index : ((1 - stretch ** index) / (1 - stretch)) * period
    const scale = shrink ** index
    const half = 0.5 * (peak - least) * scale * (1 + Math.cos((Math.PI * (since - begun)) / length))
    return least * scale + half
  }
}

export interface TriStageOptions {
  readonly peak: number
  /** Shares of the updates: rise, hold, decay. */
  readonly phases: readonly [rise: number, hold: number, decay: number]
  readonly updates: number
  /** The first rate as a share of the peak; 0.01 unless told. */
  readonly first?: number
  /** The last rate as a share of the peak; 0.05 unless told. */
  readonly last?: number
}

/** Linear rise, hold, exponential decay (Park et al. 2019, SpecAugment, section 4.1). */
export function triStageRate(options: TriStageOptions): Schedule {
  const { peak, phases, updates, first = 0.01, last = 0.05 } = options
  const [up = 0, hold = 0, down = 0] = phases.map((share) => Math.trunc(updates * share))
  const decay = down > 0 ? -Math.log(last) / down : 0
  return (update) => {
    if (update < up) return peak * first + ((peak - peak * first) / up) * update
    if (update < up + hold) return peak
    if (update <= up + hold + down) return peak * Math.exp(-decay * (update - up - hold))
    return peak * last
  }
}

export interface PolynomialOptions {
  readonly peak: number
  readonly warmUp: number
  /** The rate from `updates` on; 0 unless told. */
  readonly end?: number
  /** 1 is a straight line. */
  readonly power?: number
  readonly updates: number
}

/** Linear warm-up, then (1 - progress)^power down to the end. */
export function polynomialRate({ peak, warmUp, end = 0, power = 1, updates }: PolynomialOptions): Schedule {
  return (update) => {
    if (warmUp > 0 && update <= warmUp) return (peak * update) / warmUp
    if (update >= updates) return end
    return (peak - end) * (1 - (update - warmUp) / (updates - warmUp)) ** power + end
  }
}

/** Linear warm-up, then as 1/sqrt(update) (Vaswani et al. 2017, section 5.3). */
export function inverseRootRate(peak: number, warmUp: WarmUp): Schedule {
  const factor = peak * Math.sqrt(warmUp.warmUp)
  return (update) => (update < warmUp.warmUp ? rise(update, peak, warmUp) : factor / Math.sqrt(update))
}
