/** `plumbline history`: the challenges that this node asked for or served, as a chart, a table, CSV or JSON. */
import { DEFAULT_DATA_DIR, dataPaths } from '../config/paths.js'
import type { HistoryRecord } from '../store/history.js'
import { gradeText, rpmText } from './bufferbloat.js'
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
import { formatMoment, MARKS, valueChart } from './history-chart.js'
import {
  HISTORY_VALUE_NAMES,
  HISTORY_VALUES,
  type HistoryValue,
  type HistoryValueName,
} from './history-values.js'
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
    value: choice(HISTORY_VALUE_NAMES, {
      summary: 'What the chart and the table show',
      placeholder: 'what',
      default: 'rate',
    }),
    csv: flag('Print comma-separated values, a line each'),
    'data-dir': configOptions['data-dir'],
  },
  examples: [
    ['history', 'A chart for each prover, and the newest results'],
    ['history --since 7d --profile standard', 'The last week'],
    ['history --value latency', 'Round trips, idle and under load'],
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
      args.csv ? historyCsv(found) : historyText(found, io.stdout.columns, args.value),
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

const scaled = (value: number | undefined, scale: number): number | null =>
  value === undefined ? null : value / scale
const toMs = (micros: number | undefined) => scaled(micros, 1000)
const toPercent = (ppm: number | undefined) => scaled(ppm, 10_000)

/** In the units of `measure --json`; null for what the record does not know. */
export function historyObject(record: HistoryRecord) {
  const { joint } = record
  return {
    finishedAt: new Date(record.finishedAtMs).toISOString(),
    challengeId: `0x${record.challengeId}`,
    role: record.role,
    prover: record.prover,
    payer: record.payer,
    direction: record.direction,
    profile: record.profile,
    claimMbps: record.claimKbps / 1000,
    estimateMbps: record.estimateKbps / 1000,
    guaranteedMbps: record.guaranteedKbps / 1000,
    bytes: record.bytes,
    trafficBytes: record.trafficBytes ?? null,
    tauMs: toMs(record.tauMicros),
    idleMs: toMs(record.idleMicros),
    loadedMs: toMs(record.loadedMicros),
    increaseMs: toMs(record.increaseMicros),
    isStillRising: record.isStillRising ?? null,
    grade: record.grade ?? null,
    rpm: record.rpm ?? null,
    idleLossPct: toPercent(record.idleLossPpm),
    loadedLossPct: toPercent(record.loadedLossPpm),
    lossPct: toPercent(record.lossPpm),
    delayVariationMs: toMs(record.variationMicros),
    delayVariationP95Ms: toMs(record.variationP95Micros),
    reorderedPct: toPercent(record.reorderedPpm),
    reorderExtent: record.reorderExtent ?? null,
    availableMbps: scaled(record.availableKbps, 1000),
    isAvailableLimited: record.isAvailableLimited ?? null,
    jointProvers: joint?.provers ?? null,
    jointVerdict: joint?.verdict ?? null,
    jointEstimateMbps: scaled(joint?.estimateKbps, 1000),
    jointGuaranteedMbps: scaled(joint?.guaranteedKbps, 1000),
    jointCreditMbps: scaled(joint?.creditKbps, 1000),
    flags: record.flags,
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
  // What came later stands behind what programs may count on.
  'trafficBytes',
  'tauMs',
  'increaseMs',
  'isStillRising',
  'grade',
  'rpm',
  'idleLossPct',
  'loadedLossPct',
  'lossPct',
  'delayVariationMs',
  'delayVariationP95Ms',
  'reorderedPct',
  'reorderExtent',
  'availableMbps',
  'isAvailableLimited',
  'jointProvers',
  'jointVerdict',
  'jointEstimateMbps',
  'jointGuaranteedMbps',
  'jointCreditMbps',
] as const satisfies readonly (keyof ReturnType<typeof historyObject>)[]

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

export function historyText(
  records: readonly HistoryRecord[],
  columns: number,
  valueName: HistoryValueName = 'rate',
): string {
  if (records.length === 0) return 'Nothing was measured yet, or nothing fits what you asked for.'
  const value: HistoryValue = HISTORY_VALUES[valueName]
  const lines = new Map<string, HistoryRecord[]>()
  for (const record of records) {
    // What a prover gets beside others is another thing than what it gets alone.
    const name = `${record.prover} ${record.direction} ${record.joint === undefined ? 'alone' : 'together'}`
    lines.set(name, [...(lines.get(name) ?? []), record])
  }
  const charts = [...lines.values()].slice(-MAX_CHARTS).flatMap((each) => chartOf(each, value, columns))
  const newest = records.slice(-MAX_SHOWN).reverse()
  const rows = table(newest, [
    { title: 'finished', value: ({ finishedAtMs }) => formatMoment(finishedAtMs) },
    { title: 'as', value: ({ role }) => role },
    { title: 'prover', value: ({ prover }) => shortId(prover), shrinks: true },
    { title: 'profile', value: profileText },
    ...value.series.map(({ title, of }) => ({
      title,
      align: 'right' as const,
      value: (record: HistoryRecord) => figure(of(record)),
    })),
  ])
  const bytes = records.reduce((sum, record) => sum + (record.trafficBytes ?? record.bytes), 0)
  return [
    ...charts,
    rows,
    '',
    ...wrap(
      `${plural(records.length, 'challenge')}, ${formatBytes(bytes)} of challenge traffic; ` +
        (value.unit === 'Mbit/s' ? 'rates in Mbit/s of layer 3' : `in ${value.unit}, as provers tell it`) +
        (records.length > newest.length ? `; the newest ${newest.length} are listed` : ''),
      DEFAULT_COLUMNS,
    ),
  ].join('\n')
}

const figure = (value: number | undefined): string => (value === undefined ? '-' : formatFigures(value))

function profileText({ profile, direction, joint }: HistoryRecord): string {
  return `${profile}${direction === 'up' ? ' up' : ''}${joint === undefined ? '' : ` ${joint.verdict}`}`
}

function chartOf(records: readonly HistoryRecord[], value: HistoryValue, columns: number): string[] {
  const [first] = records
  if (first === undefined) return []
  const points = records
    .map((record) => ({ at: record.finishedAtMs, values: value.series.map(({ of }) => of(record)) }))
    .filter(({ values }) => values.some((each) => each !== undefined))
  const names = value.series.map(({ name }, i) => `${MARKS[i]} ${name}`).join('  ')
  const beside = first.joint === undefined ? '' : ' beside others'
  return [
    `${shortId(first.prover)}, ${first.direction}link${beside}, ${value.unit}: ${names}`,
    ...(points.length === 0 ? ['  nobody told of it'] : valueChart(points, columns)),
    ...latencyLine(records.findLast(({ loadedMicros }) => loadedMicros !== undefined)),
    '',
  ]
}

/** Of the newest that tells of it. */
function latencyLine(record: HistoryRecord | undefined): string[] {
  if (record === undefined) return []
  const { idleMicros = 0, loadedMicros = 0, grade, rpm, isStillRising = false } = record
  const bloat =
    grade === undefined || rpm === undefined
      ? ''
      : `, bufferbloat ${gradeText(grade, isStillRising)}, ${rpmText(rpm, isStillRising)}`
  const loaded = `${isStillRising ? 'at least ' : ''}${formatMs(loadedMicros / 1000)} under load`
  const text = `round trip ${formatMs(idleMicros / 1000)} idle, ${loaded}${bloat}, the last time`
  return labelled('', text, 2).split('\n')
}
