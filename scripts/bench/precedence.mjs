#!/usr/bin/env node
/**
 * `npm run bench -- precedence [--pairs 10] [--rate 100] [--challengers 10] [--faulty 2] [--at-once 4] [--json]`: whether the
 * bandwidth proof comes first. In the laboratory (namespaces, so root), a node that is prover and provider is measured
 * without and with jobs that saturate it, turn about. Exit status 1 where the median error with jobs is more than 0.5 points
 * above the one without, a measurement failed, or a job did.
 */
import '../../dist/node/polyfills.js'
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { runLab } from '../../dist/lab/run.js'

const MOST_ADDED_POINTS = 0.5
const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    pairs: { type: 'string', default: '10' },
    rate: { type: 'string', default: '100' },
    challengers: { type: 'string', default: '10' },
    faulty: { type: 'string', default: '2' },
    'at-once': { type: 'string', default: '4' },
    json: { type: 'boolean', default: false },
  },
})
const [pairs, rateMbps, challengers, faulty, jobsAtOnce] = [
  values.pairs,
  values.rate,
  values.challengers,
  values.faulty,
  values['at-once'],
].map(Number)

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? null
const round = (value) => (value === null ? null : Math.round(100 * value) / 100)

const { runs, failures } = await runLab(
  { rateMbps, claimRatio: 1, profile: 'standard', runs: 2 * pairs, challengers, faulty, jobsAtOnce },
  (event) => {
    if (event.event === 'run_ended')
      console.error(
        `run ${event.run}: error ${event.result.errorPct.toFixed(2)} %${event.result.jobs ? `, ${JSON.stringify(event.result.jobs)}` : ''}`,
      )
    if (event.event === 'run_failed') console.error(`run ${event.run} failed: ${event.reason}`)
  },
)
const summaryOf = (some) => ({
  runs: some.length,
  medianErrorPct: round(median(some.map(({ errorPct }) => errorPct))),
  worstErrorPct: round(Math.max(...some.map(({ errorPct }) => errorPct))),
  medianGuaranteedPct: round(median(some.map(({ guaranteedPct }) => guaranteedPct))),
})
const busy = runs.filter(({ jobs }) => jobs !== undefined)
const idle = runs.filter(({ jobs }) => jobs === undefined)
const of = (when, what) => busy.map(({ jobs }) => jobs[when][what]).filter((value) => value !== null)
const jobs = {
  before: {
    jobs: of('before', 'jobs').reduce((a, b) => a + b, 0),
    medianMs: round(median(of('before', 'medianMs'))),
  },
  met: {
    jobs: of('met', 'jobs').reduce((a, b) => a + b, 0),
    medianMs: round(median(of('met', 'medianMs'))),
    medianLongestMs: round(median(of('met', 'longestMs'))),
    longestMs: round(Math.max(0, ...of('met', 'longestMs'))),
  },
  failures: busy.flatMap(({ jobs }) => jobs.failures),
}
const report = {
  rateMbps,
  challengers,
  load: loadavg()[0],
  idle: summaryOf(idle),
  busy: summaryOf(busy),
  jobs,
  failures,
}
const addedPoints = round(report.busy.medianErrorPct - report.idle.medianErrorPct)
const met = failures.length === 0 && jobs.failures.length === 0 && addedPoints <= MOST_ADDED_POINTS
if (values.json) console.log(JSON.stringify({ ...report, addedPoints, met }, null, 2))
else
  console.log(
    [
      `precedence, ${rateMbps} Mbit/s, ${challengers} challengers, ${jobsAtOnce} jobs at once, load ${report.load.toFixed(1)}:`,
      ...['idle', 'busy'].map(
        (name) =>
          `  ${name} ${report[name].runs} runs: error median ${report[name].medianErrorPct} %, worst ${report[name].worstErrorPct} %, ` +
          `guaranteed median ${report[name].medianGuaranteedPct} %`,
      ),
      `  added    ${addedPoints} points at the median (target ${MOST_ADDED_POINTS})`,
      `  jobs     ${jobs.before.jobs} before: median ${jobs.before.medianMs} ms; ${jobs.met.jobs} that met a measurement: median ` +
        `${jobs.met.medianMs} ms, the longest of each ${jobs.met.medianLongestMs} ms (median), ${jobs.met.longestMs} ms at most`,
      ...[...failures, ...jobs.failures].map((failure) => `  failed: ${failure}`),
    ].join('\n'),
  )
process.exitCode = met ? 0 : 1
