#!/usr/bin/env node
/**
 * `npm run bench -- simulator [--runs 10000] [--cell 300] [--seed 1] [--json]`: attacks the team rule with random
 * strategies and prints its table beside those of the other rules. Exit status 1 where the rule is violated.
 */
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'

register()
const { formatReport, simulatorReport } = await import('../../test/simulator/report.ts')

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'simulator'),
  options: {
    runs: { type: 'string', default: process.env.SIMULATOR_RUNS ?? '10000' },
    cell: { type: 'string', default: '300' },
    seed: { type: 'string', default: process.env.SIMULATOR_SEED ?? '1' },
    json: { type: 'boolean', default: false },
  },
})
const report = simulatorReport({
  strategies: Number(values.runs),
  runsPerCell: Number(values.cell),
  seed: Number(values.seed),
})
console.log(values.json ? JSON.stringify(report, null, 2) : formatReport(report))
const sound = report.soundness.violations === 0
const attacked = report.soundness.beyondViolations > 0 && report.soundness.publishedViolations > 0
const kept = report.strict.every(({ delta, violationShare }) => violationShare <= delta * 1.2)
process.exitCode = sound && attacked && kept ? 0 : 1
