#!/usr/bin/env node
/**
 * `npm run bench -- verify [--runs 5] [--json]`: time of `verifyTranscript` for a standard challenge at 1 Gbit/s
 * (n = 10, f = 2, five slots of two members, tau 200 ms, 17 % of the packets lost). Exit status 1 above 1.5 s.
 */
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'

register()
const { buildChallenge, sealed } = await import('../../test/support/challenge-builder.ts')
const { verifyTranscript } = await import('../../src/pob/verify.ts')
const { fastCrypto } = await import('../../src/crypto/fast/index.ts')

const TARGET_MS = 1500
const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'verify'),
  options: { runs: { type: 'string', default: '5' }, json: { type: 'boolean', default: false } },
})
const challenge = buildChallenge({
  label: 'gigabit',
  claimKbps: 1_000_000,
  committeeSize: 10,
  faulty: 2,
  bufferSeconds: 0.001,
})
const content = sealed(challenge)
const anchors = { registry: challenge.registry, beacon: challenge.beacon }
const times = []
let verdict
for (let run = 0; run < Number(values.runs); run++) {
  const started = performance.now()
  verdict = verifyTranscript(content, anchors)
  times.push(performance.now() - started)
}
const members = verdict.assessment.slots.flatMap((slot) => slot.members)
const received = members.reduce((sum, member) => sum + member.receivedPackets, 0)
const sent = members.reduce((sum, member) => sum + member.sentPackets, 0)
const sorted = [...times].sort((a, b) => a - b)
const report = {
  level: verdict.level,
  transcriptBytes: content.length,
  trafficBytes: received * 1436,
  lossPercent: Math.round((1 - received / sent) * 1000) / 10,
  guaranteedMbps: verdict.assessment.guaranteedKbps / 1000,
  backend: fastCrypto().crypto.name,
  firstMs: Math.round(times[0]),
  medianMs: Math.round(sorted[Math.floor(sorted.length / 2)]),
  worstMs: Math.round(sorted.at(-1)),
  targetMs: TARGET_MS,
}
if (values.json) console.log(JSON.stringify(report, null, 2))
else
  console.log(
    `verify, 1 Gbit/s standard: ${report.medianMs} ms median of ${times.length}, first ${report.firstMs} ms, worst ${report.worstMs} ms ` +
      `(target ${TARGET_MS} ms; ${(report.trafficBytes / 1e6).toFixed(0)} MB recomputed by ${report.backend}, ` +
      `${report.lossPercent} % loss, transcript ${(content.length / 1024).toFixed(0)} KB, ${report.level})`,
  )
process.exitCode = report.level === 'anchored' && report.medianMs <= TARGET_MS ? 0 : 1
