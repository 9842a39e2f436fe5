#!/usr/bin/env node
/**
 * `npm run bench -- lab [--runs 30] [--only rates,claims,quick,rtt,attacks] [--json]`: every laboratory line of
 * docs/results.md, one after another, as a table. About an hour with 30 runs each.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '30' },
    only: { type: 'string', default: 'rates,claims,quick,rtt,attacks' },
    json: { type: 'boolean', default: false },
  },
})
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
const honest = ['withhold:2', 'lie-high:2', 'crash:1,silent:1']
const colluding = 'rush:2,rtt-inflate:prover,hold-acks:prover'
const plans = {
  rates: [10, 50, 100, 250, 500, 1000, 2500, 'random', 'random'].map((rate) => [
    '--rate',
    String(rate),
    '--claim',
    '1.2',
  ]),
  claims: [0.7, 1.5, 3].map((claim) => ['--rate', '250', '--claim', String(claim)]),
  quick: [['--rate', '250', '--profile', 'quick']],
  rtt: [100, 250].flatMap((rate) =>
    ['20', '5-40'].map((rtt) => ['--rate', String(rate), '--rtt', rtt, '--claim', '1.2']),
  ),
  attacks: [
    ...[...honest, colluding].map((attack) => ['--rate', '250', '--claim', '1.2', '--attack', attack]),
    ...[...honest, colluding].map((attack) => [
      '--rate',
      '250',
      '--claim',
      '1.2',
      '--profile',
      'published',
      '--attack',
      attack,
    ]),
  ],
}

const rows = []
if (!values.json)
  console.log(
    'error median/p95/worst %   guaranteed median least..most %   above bound  repeats  failed  MB a run',
  )
for (const name of values.only.split(','))
  for (const args of plans[name] ?? []) {
    const { stdout } = spawnSync(process.execPath, [main, 'lab', ...args, '--runs', values.runs, '--json'], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    })
    const { summary, truth } = JSON.parse(stdout)
    rows.push({ args, truth, summary })
    if (values.json || summary === undefined) continue
    const s = summary
    console.log(
      `lab ${args.join(' ')}${args.includes('random') ? ` (${truth.rateMbps})` : ''}\n` +
        `  ${s.medianErrorPct.toFixed(2)} / ${s.p95ErrorPct.toFixed(2)} / ${s.worstErrorPct.toFixed(2)}`.padEnd(
          27,
        ) +
        `${s.medianGuaranteedPct.toFixed(1)}  ${s.minGuaranteedPct.toFixed(1)}..${s.maxGuaranteedPct.toFixed(1)}`.padEnd(
          34,
        ) +
        `${s.violations}/${s.runs}`.padEnd(13) +
        `${s.repeats}`.padEnd(9) +
        `${s.failed}`.padEnd(8) +
        (s.interfaceBytesPerRun / 1e6).toFixed(1),
    )
  }
if (values.json) console.log(JSON.stringify(rows))
