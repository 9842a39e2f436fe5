#!/usr/bin/env node
/**
 * `npm run bench -- lab [--runs 30] [--only rates,claims,quick,rtt,attacks] [--rows 3,5-7] [--json] [--markdown FILE]`:
 * every laboratory line of docs/results.md, one after another, each against its limits. Exit status 1 where one is
 * missed. With few runs the 95th percentile is about the worst. In parts: --rows takes some of the rows that --only
 * leaves, counted from 1 (--list shows them); --markdown appends each row to a table as soon as it is measured.
 */
import { spawn } from 'node:child_process'
import { appendFileSync, existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const GROUPS = ['rates', 'claims', 'quick', 'rtt', 'attacks']
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const { runs, only, json, rowNumbers, list, markdown } = options()

function options() {
  try {
    const { values } = parseArgs({
      options: {
        runs: { type: 'string', default: '30' },
        only: { type: 'string', default: GROUPS.join(',') },
        json: { type: 'boolean', default: false },
        rows: { type: 'string' },
        list: { type: 'boolean', default: false },
        markdown: { type: 'string' },
      },
    })
    const groups = values.only.split(',')
    const unknown = groups.find((group) => !GROUPS.includes(group))
    if (unknown !== undefined) throw new Error(`--only expects some of ${GROUPS.join(',')}, not "${unknown}"`)
    const count = Number(values.runs)
    if (!Number.isInteger(count) || count < 1)
      throw new Error(`--runs expects a whole number from 1, not "${values.runs}"`)
    return {
      runs: count,
      only: groups,
      json: values.json,
      rowNumbers: values.rows === undefined ? undefined : numbersIn(values.rows),
      list: values.list,
      markdown: values.markdown,
    }
  } catch (error) {
    console.error(`bench lab: ${error.message}`)
    process.exit(2)
  }
}

/** `3,5-7` as numbers. */
function numbersIn(text) {
  return text.split(',').flatMap((part) => {
    const [, first, last = first] = /^(\d{1,3})(?:-(\d{1,3}))?$/.exec(part) ?? []
    if (first === undefined || Number(last) < Number(first))
      throw new Error(`--rows expects numbers as 3,5-7, not "${part}"`)
    return Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => Number(first) + i)
  })
}

/** A limit and what was found. */
const most = (what, value, limit, unit = ' %') => check(what, value, '<=', limit, unit, value <= limit)
const least = (what, value, limit, unit = ' %') => check(what, value, '>=', limit, unit, value >= limit)
function check(what, value, relation, limit, unit, holds) {
  return { what, value, relation, limit, unit, pass: value !== null && holds }
}

/** Of every row: all runs done. */
const done = ({ summary }) => most('failed runs', summary.failed, 0, '')
/** Of every row that our own rule made: no run above truth + b / (0.8 tau). */
const sound = (result) => [done(result), most('guarantees above the bound', result.summary.violations, 0, '')]
/** A flag that every run must carry. */
const flagged = ({ runs: each }, flag) =>
  least(`runs flagged ${flag}`, each.filter(({ quality }) => quality.includes(flag)).length, each.length, '')

/** Below 50 Mbit/s a packet and the smallest bucket weigh more: the limits of 10 Mbit/s hold. */
const SLOW_BELOW_MBPS = 50
const rateLimits = (result) => {
  const { summary, truth } = result
  const slow = truth.rateMbps < SLOW_BELOW_MBPS
  return [
    ...sound(result),
    most('median error', summary.medianErrorPct, slow ? 1.5 : 0.75),
    most('95 % error', summary.p95ErrorPct, 2.5),
    least('median guarantee', summary.medianGuaranteedPct, 96),
    most('burst bound', (100 * truth.burstBoundMbps) / truth.rateMbps, slow ? 2 : 1),
  ]
}
const claimLimits = (claim) => (result) => [
  ...sound(result),
  flagged(result, claim < 1 ? 'offered_limited' : 'overclaimed'),
  ...(claim < 1 ? [] : [most('median error', result.summary.medianErrorPct, 3)]),
]
const quickLimits = (result) => [
  ...sound(result),
  most('median MB both ways, all told', megabytes(median(result.runs.map(bytesOf))), 4.2, ''),
  most('median error', result.summary.medianErrorPct, 3),
  least('median guarantee', result.summary.medianGuaranteedPct, 75),
]
const rttLimits = (result) => [
  ...sound(result),
  most('median error', result.summary.medianErrorPct, 2.5),
  least('median guarantee', result.summary.medianGuaranteedPct, 88),
]
/** An honest prover's worth must survive the others' attacks. */
const griefLimits = (result) => [
  ...sound(result),
  least('median guarantee', result.summary.medianGuaranteedPct, 85),
]
/** Shown for comparison: no limit of ours. */
const shown = () => []
/** An attack that does not break the rule it is known to break would prove nothing about ours. */
const broken = (result) => [
  done(result),
  least('runs in which the published rule breaks', result.summary.violations, 1, ''),
]

const HONEST_PROVER = ['withhold:2', 'lie-high:2', 'crash:1,silent:1']
const COLLUDING = 'rush:2,rtt-inflate:prover,hold-acks:prover'
const attacked = (attack) => ['--rate', '250', '--claim', '1.2', '--attack', attack]
/** Our rule, and the published one beside it. */
const attackRows = (attack, limits, publishedLimits) => [
  { args: attacked(attack), limits },
  { args: [...attacked(attack), '--profile', 'published'], limits: publishedLimits },
]

const plans = {
  rates: [10, 50, 100, 250, 500, 1000, 2500, 'random', 'random'].map((rate) => ({
    args: ['--rate', String(rate), '--claim', '1.2'],
    limits: rateLimits,
  })),
  claims: [0.7, 1.5, 3].map((claim) => ({
    args: ['--rate', '250', '--claim', String(claim)],
    limits: claimLimits(claim),
  })),
  quick: [{ args: ['--rate', '250', '--profile', 'quick'], limits: quickLimits }],
  rtt: [100, 250].flatMap((rate) =>
    ['20', '5-40'].map((rtt) => ({
      args: ['--rate', String(rate), '--rtt', rtt, '--claim', '1.2'],
      limits: rttLimits,
    })),
  ),
  attacks: [
    ...HONEST_PROVER.flatMap((attack) => attackRows(attack, griefLimits, shown)),
    ...attackRows(COLLUDING, sound, broken),
  ],
}

/** What one laboratory printed: its result (exit status 1 for a broken guarantee included), or why there is none. */
function lab(args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [main, 'lab', ...args, '--runs', String(runs), '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      stdout += chunk
    })
    child.stderr.setEncoding('utf8').on('data', (chunk) => {
      stderr = (stderr + chunk).slice(-4000)
    })
    child.once('error', (error) => resolve({ failure: error.message }))
    child.once('close', (code, signal) => {
      let value = {}
      try {
        value = JSON.parse(stdout)
      } catch {
        // Said below.
      }
      if (value.summary !== undefined) resolve({ result: value })
      else resolve({ failure: value.error?.message ?? lastWords(stderr) ?? `ended with ${signal ?? code}` })
    })
  })
}

/** The message in what a dying process printed; Node puts its version after it. */
function lastWords(stderr) {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '')
  return lines.findLast((line) => /^plumbline: |Error\b/.test(line)) ?? lines.at(-1)
}

function judged({ result, failure }, limits) {
  if (result === undefined) return { verdict: 'MISS', misses: [failure], checks: [] }
  // A laboratory without a run has no figures to compare: its first failure says more.
  const checks = result.summary.runs === 0 ? [] : limits(result)
  const misses = [
    ...(result.summary.runs === 0 ? ['no run was done'] : []),
    ...checks.filter(({ pass }) => !pass).map(inWords),
    ...new Set(result.failures),
  ]
  const verdict =
    result.summary.runs === 0 || checks.some(({ pass }) => !pass)
      ? 'MISS'
      : limits === shown
        ? 'shown'
        : 'pass'
  return { verdict, misses, checks }
}

const bytesOf = ({ interfaceBytes }) => interfaceBytes
/** The larger middle of an even number. */
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]
const megabytes = (bytes) => (bytes === null ? null : bytes / 1e6)
const figure = (value, decimals) => (value === null ? '-' : value.toFixed(decimals))
const inWords = ({ what, value, relation, limit, unit }) =>
  `${what} ${value === null ? '-' : Number(value.toFixed(3))}${unit}, not ${relation} ${limit}${unit}`

const COLUMNS = [28, 34, 13, 9, 8, 10]
const inColumns = (texts) => `  ${texts.map((text, i) => text.padEnd(COLUMNS[i] ?? 0)).join('')}`.trimEnd()

function rowText(args, { result }, { verdict, misses }) {
  const drawn = args.includes('random') && result !== undefined ? ` (${result.truth.rateMbps})` : ''
  const s = result?.summary
  const figures =
    s === undefined
      ? ['-', '-', '-', '-', '-', '-']
      : [
          [s.medianErrorPct, s.p95ErrorPct, s.worstErrorPct].map((value) => figure(value, 2)).join(' / '),
          `${figure(s.medianGuaranteedPct, 1)}  ${figure(s.minGuaranteedPct, 1)}..${figure(s.maxGuaranteedPct, 1)}`,
          `${s.violations}/${s.runs}`,
          `${s.repeats}`,
          `${s.failed}`,
          figure(megabytes(s.interfaceBytesPerRun), 1),
        ]
  return [
    `lab ${args.join(' ')} --runs ${runs}${drawn}`,
    inColumns([...figures, verdict]),
    ...misses.map((miss) => `    ${miss}`),
  ].join('\n')
}

const MARKDOWN_HEAD = `| command (\`plumbline lab ...\`) | runs | error median / p95 / worst % | guaranteed, % of truth: median (least..most) | bound % | above bound | repeats | failed | MB a run at the interface, median | verdict |
|---|---|---|---|---|---|---|---|---|---|
`

/** One row of docs/results.md. */
function markdownRow(args, { result, failure }, { verdict, misses }) {
  const s = result?.summary
  if (s === undefined || s.runs === 0)
    return `| \`${args.join(' ')}\` | 0 | | | | | | | | ${verdict}: ${failure ?? misses.join('; ')} |\n`
  const { rateMbps, burstBoundMbps } = result.truth
  const drawn = args.includes('random') ? ` (${rateMbps})` : ''
  const cells = [
    `\`${args.join(' ')}\`${drawn}`,
    s.runs,
    [s.medianErrorPct, s.p95ErrorPct, s.worstErrorPct].map((value) => figure(value, 2)).join(' / '),
    `${figure(s.medianGuaranteedPct, 1)} (${figure(s.minGuaranteedPct, 1)}..${figure(s.maxGuaranteedPct, 1)})`,
    figure(100 + (100 * burstBoundMbps) / rateMbps, 2),
    s.violations,
    s.repeats,
    s.failed,
    figure(megabytes(median(result.runs.map(bytesOf))), 2),
    [verdict, ...misses].join('; '),
  ]
  return `| ${cells.join(' | ')} |\n`
}

const planned = only.flatMap((group) => plans[group])
const outOfRange = rowNumbers?.find((number) => number < 1 || number > planned.length)
if (outOfRange !== undefined) {
  console.error(`bench lab: there is no row ${outOfRange}, only 1 to ${planned.length}`)
  process.exit(2)
}
if (list) {
  planned.forEach(({ args }, i) => {
    console.log(`${String(i + 1).padStart(3)}  lab ${args.join(' ')}`)
  })
  process.exit(0)
}
if (markdown !== undefined && !existsSync(markdown)) appendFileSync(markdown, MARKDOWN_HEAD)

if (!json)
  console.log(
    inColumns([
      'error median/p95/worst %',
      'guaranteed median least..most %',
      'above bound',
      'repeats',
      'failed',
      'MB a run',
      'verdict',
    ]),
  )
const rows = []
for (const { args, limits } of planned.filter((_, i) => rowNumbers?.includes(i + 1) ?? true)) {
  const outcome = await lab(args)
  const judgement = judged(outcome, limits)
  const { truth, summary } = outcome.result ?? {}
  rows.push({ args, truth, summary, failure: outcome.failure, ...judgement })
  if (!json) console.log(rowText(args, outcome, judgement))
  if (markdown !== undefined) appendFileSync(markdown, markdownRow(args, outcome, judgement))
}
const missed = rows.filter(({ verdict }) => verdict === 'MISS').length
if (json) console.log(JSON.stringify(rows))
else console.log(missed === 0 ? 'every limit was kept' : `${missed} of ${rows.length} rows missed a limit`)
process.exitCode = missed === 0 ? 0 : 1
