/** `plumbline history`: the challenges that this node asked for or served, as a chart, a table, CSV or JSON. */
import { DEFAULT_DATA_DIR, dataPaths } from '../config/paths.js'
import type { HistoryRecord } from '../store/history.js'
import { configOptions, defineCommand } from './command.js'
import {
  DEFAULT_COLUMNS,
  formatBytes,
  formatFigures,
  formatMs,
  labelled,
  plural,
  shortId,
  table,
  wrap,
} from './format.js'
import { ESTIMATE_MARK, formatMoment, GUARANTEED_MARK, rateChart } from './history-chart.js'
import { badArgument, choice, flag, number, text } from './option.js'
import { parseMoment } from './quantity.js'

const MAX_SHOWN = 20
/** Charts of so many provers; the table has them all. */
const MAX_CHARTS = 4
const MAX_RECORDS = 20_000

export const historyCommand = defineCommand({
  path: 'history',
  group: 'look',
  summary: 'What was measured so far, as a chart, a table or CSV',
  description: [
    'Every finished challenge is kept in the data directory, whatever this node was in it; the oldest are forgotten ' +
      'first, beyond a year of one every half hour. It works while a daemon runs.',
  ],
  options: {
    prover: text({ summary: 'Of this prover only (peer id or its first letters)', placeholder: 'peer id' }),
    profile: choice(['quick', 'standard', 'strict', 'published'], { summary: 'Of this profile only' }),
    direction: choice(['down', 'up'], { summary: 'Of this direction only' }),
    role: choice(['payer', 'prover', 'challenger'], { summary: 'What this node was in it' }),
    since: text({ summary: 'From then on: a date, or a time ago', placeholder: '2026-11-28|7d' }),
    until: text({ summary: 'Up to then', placeholder: '2026-11-28|7d' }),
    limit: number({
      summary: 'The newest of them only',
      placeholder: 'n',
      integer: true,
      min: 1,
      max: MAX_RECORDS,
    }),
    csv: flag('Print comma-separated values, a line each'),
    'data-dir': configOptions['data-dir'],
  },
  examples: [
    ['history', 'A chart for each prover, and the newest results'],
    ['history --since 7d --profile standard', 'The last week'],
    ['history --csv > measurements.csv', 'For a spreadsheet'],
  ],
  run: async (args, io) => {
    if (args.csv && io.output.isJson) throw badArgument('--csv and --json exclude each other', 'give one')
    const { readHistory } = await import('../store/history.js')
    const paths = dataPaths(args.dataDir ?? io.env.PLUMBLINE_DATA_DIR ?? DEFAULT_DATA_DIR)
    const now = Date.now()
    const { since, until } = args
    const all = await readHistory(paths.history)
    const found = selectHistory(all, {
      ...args,
      sinceMs: since === undefined ? undefined : parseMoment(since, '--since', now),
      untilMs: until === undefined ? undefined : parseMoment(until, '--until', now),
    })
    io.output.result({ challenges: found.map(historyObject) }, () =>
      args.csv ? historyCsv(found) : historyText(found, io.stdout.columns),
    )
    return 0
  },
})

export interface HistoryFilter {
  readonly prover?: string | undefined
  readonly profile?: HistoryRecord['profile'] | undefined
  readonly direction?: HistoryRecord['direction'] | undefined
  readonly role?: HistoryRecord['role'] | undefined
  readonly sinceMs?: number | undefined
  readonly untilMs?: number | undefined
  readonly limit?: number | undefined
}

/** Oldest first, as handed in. */
export function selectHistory(records: readonly HistoryRecord[], filter: HistoryFilter): HistoryRecord[] {
  const { prover, profile, direction, role, sinceMs, untilMs, limit = MAX_RECORDS } = filter
  return records
    .filter(
      (record) =>
        (prover === undefined || record.prover.startsWith(prover)) &&
        (profile === undefined || record.profile === profile) &&
        (direction === undefined || record.direction === direction) &&
        (role === undefined || record.role === role) &&
        (sinceMs === undefined || record.finishedAtMs >= sinceMs) &&
        (untilMs === undefined || record.finishedAtMs <= untilMs),
    )
    .slice(-limit)
}

/** In the units of `measure --json`. */
export function historyObject(record: HistoryRecord) {
  const { claimKbps, estimateKbps, guaranteedKbps, idleMicros, loadedMicros, finishedAtMs, ...rest } = record
  return {
    ...rest,
    challengeId: `0x${record.challengeId}`,
    finishedAt: new Date(finishedAtMs).toISOString(),
    claimMbps: claimKbps / 1000,
    estimateMbps: estimateKbps / 1000,
    guaranteedMbps: guaranteedKbps / 1000,
    idleMs: idleMicros === undefined ? null : idleMicros / 1000,
    loadedMs: loadedMicros === undefined ? null : loadedMicros / 1000,
  }
}

const CSV_COLUMNS = [
  'finishedAt',
  'challengeId',
  'role',
  'prover',
  'payer',
  'direction',
  'profile',
  'claimMbps',
  'estimateMbps',
  'guaranteedMbps',
  'bytes',
  'idleMs',
  'loadedMs',
  'flags',
] as const

/** RFC 4180: a head, then a line each; no value of ours needs quotes but the flags. */
export function historyCsv(records: readonly HistoryRecord[]): string {
  const lines = records.map((record) => {
    const values = historyObject(record)
    return CSV_COLUMNS.map((name) => {
      const value = values[name]
      return value === null ? '' : Array.isArray(value) ? `"${value.join(' ')}"` : String(value)
    }).join(',')
  })
  return [CSV_COLUMNS.join(','), ...lines].join('\n')
}

export function historyText(records: readonly HistoryRecord[], columns: number): string {
  if (records.length === 0) return 'Nothing was measured yet, or nothing fits what you asked for.'
  const series = new Map<string, HistoryRecord[]>()
  for (const record of records) {
    const name = `${record.prover} ${record.direction}`
    series.set(name, [...(series.get(name) ?? []), record])
  }
  const charts = [...series.values()].slice(-MAX_CHARTS).flatMap((each) => chartOf(each, columns))
  const newest = records.slice(-MAX_SHOWN).reverse()
  const rows = table(newest, [
    { title: 'finished', value: ({ finishedAtMs }) => formatMoment(finishedAtMs) },
    { title: 'as', value: ({ role }) => role },
    { title: 'prover', value: ({ prover }) => shortId(prover), shrinks: true },
    { title: 'profile', value: ({ profile, direction }) => (direction === 'up' ? `${profile} up` : profile) },
    { title: 'estimate', align: 'right', value: ({ estimateKbps }) => formatFigures(estimateKbps / 1000) },
    { title: 'guar.', align: 'right', value: ({ guaranteedKbps }) => formatFigures(guaranteedKbps / 1000) },
  ])
  const bytes = records.reduce((sum, record) => sum + record.bytes, 0)
  return [
    ...charts,
    rows,
    '',
    ...wrap(
      `${plural(records.length, 'challenge')}, ${formatBytes(bytes)} of challenge traffic; rates in Mbit/s of layer 3` +
        (records.length > newest.length ? `; the newest ${newest.length} are listed` : ''),
      DEFAULT_COLUMNS,
    ),
  ].join('\n')
}

function chartOf(records: readonly HistoryRecord[], columns: number): string[] {
  const [first] = records
  if (first === undefined) return []
  const points = records.map(({ finishedAtMs, estimateKbps, guaranteedKbps }) => ({
    at: finishedAtMs,
    estimate: estimateKbps / 1000,
    guaranteed: guaranteedKbps / 1000,
  }))
  const last = records.findLast(({ loadedMicros }) => loadedMicros !== undefined)
  const latency =
    last === undefined
      ? []
      : [
          labelled(
            '',
            `round trip ${formatMs((last.idleMicros ?? 0) / 1000)} idle, ${formatMs((last.loadedMicros ?? 0) / 1000)} under load, the last time`,
            2,
          ),
        ]
  return [
    `${shortId(first.prover)}, ${first.direction}link, Mbit/s: ${ESTIMATE_MARK} estimate  ${GUARANTEED_MARK} guaranteed`,
    ...rateChart(points, columns),
    ...latency,
    '',
  ]
}
