#!/usr/bin/env node
/**
 * `npm run bench -- scale [--nodes 100000] [--challenges 100000] [--beta 0.2] [--peers 0] [--json]`: a day of a large network
 * with the real draws and the real aggregation; with --peers also what so many peers, all connected, cost a real daemon (after `npm run build`). Exit
 * status 1 where a selection takes more than 50 ms of processor.
 */
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'

register()
await import('../../src/node/polyfills.ts')
const { formatScale, scaleReport } = await import('../../test/scale/report.ts')

const SELECTION_MS = 50

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    nodes: { type: 'string', default: '100000' },
    challenges: { type: 'string' },
    draws: { type: 'string', default: '30' },
    beta: { type: 'string', default: '0.2' },
    seed: { type: 'string', default: '1' },
    peers: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
  },
})
const report = scaleReport({
  nodes: Number(values.nodes),
  challenges: Number(values.challenges ?? values.nodes),
  draws: Number(values.draws),
  committees: [6, 10, 18, 34],
  beta: Number(values.beta),
  seed: Number(values.seed),
})
const peers = Number(values.peers) > 0 ? await peerCosts(Number(values.peers)) : undefined
if (values.json) console.log(JSON.stringify({ ...report, peers }, null, 2))
else {
  console.log(formatScale(report))
  if (peers !== undefined) console.log(`\n${formatPeers(peers)}`)
}
process.exit(report.selectionMs.median <= SELECTION_MS ? 0 : 1)

async function peerCosts(count) {
  const { measurePeers } = await import('./scale/peers.mjs')
  return measurePeers(count)
}

function formatPeers({ steps, gossip }) {
  return [
    'connected peers   resident MB   processor % of a core   s to connect',
    ...steps.map(
      ({ peers: count, residentMb, processorPercent, connectSeconds }) =>
        `${String(count).padStart(15)}${residentMb.toFixed(0).padStart(14)}${processorPercent.toFixed(2).padStart(24)}${(connectSeconds?.toFixed(0) ?? '-').padStart(15)}`,
    ),
    `an announcement with ${gossip.peers} peers: ${gossip.processorMsEach.toFixed(1)} ms of processor, passed on to ${gossip.copiesEach.toFixed(1)} of them`,
  ].join('\n')
}
