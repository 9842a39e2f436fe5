#!/usr/bin/env node
/**
 * `npm run bench -- strict [--runs 200] [--beta 0.2] [--delta 0.05] [--challengers 20] [--rate 100] [--json]`: real
 * challenges of the strict profile, each with a committee that the beacon draws from a registry of which a share beta
 * colludes with the prover: all of them hand it their seeds, and it answers probes late. A guarantee is wrong where
 * too many of them were drawn, which strict promises to happen with probability delta at most. Exit status 1 where it
 * happened so often that chance does not explain it (5 %).
 */
import { parseArgs } from 'node:util'
import { runLab } from './support/lab-process.mjs'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '200' },
    beta: { type: 'string', default: '0.2' },
    delta: { type: 'string', default: '0.05' },
    challengers: { type: 'string', default: '20' },
    rate: { type: 'string', default: '100' },
    json: { type: 'boolean', default: false },
  },
})
const [runs, beta, delta, challengers, rate] = ['runs', 'beta', 'delta', 'challengers', 'rate'].map((name) =>
  Number(values[name]),
)
if (![runs, beta, delta, challengers, rate].every((value) => value > 0)) {
  console.error('bench strict: every option expects a number above 0')
  process.exit(2)
}
const corrupt = Math.floor(beta * challengers)

const guarantees = []
const committees = new Set()
const failures = []
let above = 0
let bytes = 0
let shape = ''
const args = [
  '--rate',
  rate,
  '--claim',
  1.2,
  '--challengers',
  challengers,
  '--profile',
  'strict',
  '--runs',
  runs,
]
args.push('--beta', beta, '--delta', delta, '--attack', `rush:${corrupt},rtt-inflate:prover`)
const { failure } = await runLab(args.map(String), ({ event, progress, result, reason }) => {
  if (event === 'progress' && progress.event === 'drawn')
    committees.add([...progress.committee].sort().join())
  if (event === 'run_failed') failures.push(reason)
  if (event !== 'run_ended') return
  guarantees.push(result.guaranteedPct)
  bytes += result.interfaceBytes
  shape = `${result.slots.length} teams`
  if (!result.withinBound) above++
})

/** P(at least k of n), each with probability p. */
function atLeast(k, n, p) {
  let [term, below] = [(1 - p) ** n, 0]
  for (let i = 0; i < k; i++) {
    below += term
    term *= (((n - i) / (i + 1)) * p) / (1 - p)
  }
  return 1 - below
}

const done = guarantees.length
const sorted = [...guarantees].sort((a, b) => a - b)
const chance = atLeast(above, done, delta)
const isKept = done > 0 && chance > 0.05
const report = {
  runs: done,
  failures,
  committees: committees.size,
  teams: shape,
  corrupt,
  challengers,
  above,
  wantedAtMost: delta,
  guaranteedPct: { least: sorted[0], median: sorted[Math.floor(done / 2)], most: sorted.at(-1) },
  megabytesARun: bytes / Math.max(1, done) / 1e6,
  isKept,
}
if (values.json) console.log(JSON.stringify(report, null, 2))
else
  console.log(
    [
      `strict, ${rate} Mbit/s, ${corrupt} of ${challengers} challengers and the prover collude, beta ${beta}, delta ${delta}:`,
      `  ${done} challenges with ${committees.size} different committees of ${shape}; ${failures.length} without a verdict`,
      `  guaranteed, % of truth: median ${report.guaranteedPct.median} (${report.guaranteedPct.least} to ${report.guaranteedPct.most})`,
      `  above the bound: ${above}, ${((100 * above) / Math.max(1, done)).toFixed(1)} % (delta: ${100 * delta} %): ${isKept ? 'kept' : 'MISSED'}`,
      ...[...new Set(failures)].slice(0, 5).map((reason) => `  without a verdict: ${reason}`),
    ].join('\n'),
  )
if (done < runs && failures.length + done < runs)
  console.error(`bench strict: the laboratory did not come to its end: ${failure}`)
process.exitCode = isKept ? 0 : 1
