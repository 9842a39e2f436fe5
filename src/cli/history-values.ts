/** Values of the history that can be charted: where each stands in a record, and in which unit it is shown. */
import type { HistoryRecord } from '../store/history.js'

export interface HistorySeries {
  readonly name: string
  /** At the head of a table's column. */
  readonly title: string
  /** Undefined where the record does not know it. */
  readonly of: (record: HistoryRecord) => number | undefined
}

export interface HistoryValue {
  readonly unit: string
  /** One or two; the first is drawn above the second. */
  readonly series: readonly HistorySeries[]
}

const scaled = (value: number | undefined, scale: number) => (value === undefined ? undefined : value / scale)
const KBPS_A_MBPS = 1000
const MICROS_A_MS = 1000
const PPM_A_PERCENT = 10_000

const estimate: HistorySeries = {
  name: 'estimate',
  title: 'estimate',
  of: ({ estimateKbps }) => estimateKbps / KBPS_A_MBPS,
}
const guaranteed: HistorySeries = {
  name: 'guaranteed',
  title: 'guar.',
  of: ({ guaranteedKbps }) => guaranteedKbps / KBPS_A_MBPS,
}

export const HISTORY_VALUES = {
  rate: { unit: 'Mbit/s', series: [estimate, guaranteed] },
  guaranteed: { unit: 'Mbit/s', series: [guaranteed] },
  estimate: { unit: 'Mbit/s', series: [estimate] },
  available: {
    unit: 'Mbit/s',
    series: [
      {
        name: 'beside other traffic',
        title: 'available',
        of: ({ availableKbps }) => scaled(availableKbps, KBPS_A_MBPS),
      },
    ],
  },
  latency: {
    unit: 'ms',
    series: [
      { name: 'under load', title: 'loaded', of: ({ loadedMicros }) => scaled(loadedMicros, MICROS_A_MS) },
      { name: 'idle', title: 'idle', of: ({ idleMicros }) => scaled(idleMicros, MICROS_A_MS) },
    ],
  },
  rpm: {
    unit: 'round trips a minute',
    series: [{ name: 'under load', title: 'RPM', of: ({ rpm }) => rpm }],
  },
  loss: {
    unit: '% of the probes',
    series: [
      {
        name: 'under load',
        title: 'loaded',
        of: ({ loadedLossPpm }) => scaled(loadedLossPpm, PPM_A_PERCENT),
      },
      { name: 'idle', title: 'idle', of: ({ idleLossPpm }) => scaled(idleLossPpm, PPM_A_PERCENT) },
    ],
  },
  variation: {
    unit: 'ms',
    series: [
      {
        name: 'variation, p95',
        title: '95 %',
        of: ({ variationP95Micros }) => scaled(variationP95Micros, MICROS_A_MS),
      },
      { name: 'median', title: 'median', of: ({ variationMicros }) => scaled(variationMicros, MICROS_A_MS) },
    ],
  },
  reordering: {
    unit: '% of the packets',
    series: [
      {
        name: 'reordered',
        title: 'reordered',
        of: ({ reorderedPpm }) => scaled(reorderedPpm, PPM_A_PERCENT),
      },
    ],
  },
} as const satisfies Record<string, HistoryValue>

export type HistoryValueName = keyof typeof HISTORY_VALUES
export const HISTORY_VALUE_NAMES = Object.keys(HISTORY_VALUES) as HistoryValueName[]
