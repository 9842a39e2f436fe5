#!/usr/bin/env node
/**
 * `npm run bench -- accuracy [--json] [--rates 100,250,1000] [--runs 5]`: plumbline and iperf3 through the same bottleneck,
 * with the same bytes. iperf3 (UDP and TCP) is left out where it is not installed. Rates are layer 3.
 */
import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'

const { runLab } = await import('../../dist/lab/run.js')
const { buildLabNetwork } = await import('../../dist/lab/topology.js')

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    rates: { type: 'string', default: '100,250,500,1000' },
    runs: { type: 'string', default: '5' },
  },
})
const rates = values.rates.split(',').map(Number)
const runs = Number(values.runs)

const UDP_PAYLOAD = 1408
const UDP_LAYER3 = 1436
/** 1500 bytes of IPv4 with timestamps carry 1448 of TCP payload. */
const TCP_LAYER3_SHARE = 1500 / 1448
const OFFER = 1.2
const PORT = 5201

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)]
const haveIperf = spawnSync('iperf3', ['--version']).status === 0
if (!haveIperf) console.error('iperf3 is not installed: its columns are left out (apt-get install iperf3)')

/** Collects a child's standard output. */
function output(child) {
  return new Promise((resolve) => {
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
    child.once('close', () => resolve(text))
  })
}

/** Rates that iperf3 reports, Mbit/s of layer 3. */
async function iperf(rateMbps, bytes) {
  const network = await buildLabNetwork({ challengers: 1, rateMbps })
  const results = { udp: [], tcp: [] }
  try {
    const { address } = network.host('prover-0')
    for (let run = 0; run < runs; run++)
      for (const kind of ['udp', 'tcp']) {
        const server = network.spawnIn('prover-0', 'iperf3', ['-s', '-1', '-p', String(PORT), '-J'], {
          stdio: ['ignore', 'pipe', 'ignore'],
        })
        const served = output(server)
        await sleep(300)
        const flags =
          kind === 'udp' ? ['-u', '-b', `${Math.round(rateMbps * OFFER)}M`, '-l', String(UDP_PAYLOAD)] : []
        const args = ['-c', address, '-p', String(PORT), '-n', String(bytes), '-J', ...flags]
        await output(network.spawnIn('challenger-0', 'iperf3', args, { stdio: ['ignore', 'pipe', 'ignore'] }))
        const { end } = JSON.parse(await served)
        // The receiver's own count, for UDP too: `streams` holds the sender's.
        const { bytes: received, seconds } = end.sum_received
        const share = kind === 'udp' ? UDP_LAYER3 / UDP_PAYLOAD : TCP_LAYER3_SHARE
        results[kind].push(((received * 8) / seconds / 1e6) * share)
      }
  } finally {
    await network.close()
  }
  return results
}

const rows = []
for (const rateMbps of rates) {
  const lab = await runLab(
    { rateMbps, claimRatio: 1.2, profile: 'standard', runs, challengers: 10, faulty: 2 },
    () => {},
  )
  const error = (measured) => (100 * Math.abs(measured - rateMbps)) / rateMbps
  const row = {
    rateMbps,
    bytes: lab.summary.bytesPerRun,
    plumbline: { medianErrorPct: lab.summary.medianErrorPct, worstErrorPct: lab.summary.worstErrorPct },
  }
  if (haveIperf) {
    const peers = await iperf(rateMbps, lab.summary.bytesPerRun)
    for (const kind of ['udp', 'tcp']) {
      const errors = peers[kind].map(error)
      row[kind] = { medianErrorPct: median(errors), worstErrorPct: Math.max(...errors) }
    }
  }
  rows.push(row)
  if (!values.json) {
    const cell = (entry) =>
      entry === undefined ? '-' : `${entry.medianErrorPct.toFixed(2)} / ${entry.worstErrorPct.toFixed(2)} %`
    if (rows.length === 1)
      console.log(
        'Mbit/s    MB a run   plumbline         iperf3 UDP        iperf3 TCP   (median / worst error)',
      )
    console.log(
      `${String(rateMbps).padEnd(9)} ${(row.bytes / 1e6).toFixed(1).padStart(7)}    ${cell(row.plumbline).padEnd(17)} ${cell(row.udp).padEnd(17)} ${cell(row.tcp)}`,
    )
  }
}
if (values.json) console.log(JSON.stringify(rows))
process.exit(0)
