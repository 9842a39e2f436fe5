#!/usr/bin/env node
/**
 * `npm run bench -- faults [--victims challenger,prover,payer] [--only disk|clock] [--json]`: real daemons on loopback whose disk is
 * full (root only: a tmpfs of a known size), and whose clock is set forward and back by a minute and a half and by an hour, each
 * in the middle of its life. Exit status 1 where something that was acknowledged is lost, something was signed twice, an id can be
 * used again, or nothing can be measured when it is over.
 */
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'

register()
process.env.TEST_PATIENCE_MS ??= '300000'
await import('../../src/node/polyfills.ts')
const { clockJump, clockJumps, diskFull, VICTIMS, whyNoDisk } = await import(
  '../../test/support/fault-campaign.ts'
)

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'faults'),
  options: {
    victims: { type: 'string', default: VICTIMS.join() },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const victims = values.victims.split(',')
const unknown = victims.find((victim) => !VICTIMS.includes(victim))
if (unknown !== undefined || (values.only !== undefined && !['disk', 'clock'].includes(values.only))) {
  console.error(`bench faults: --victims takes ${VICTIMS.join()}, --only disk or clock`)
  process.exit(2)
}
const noDisk = values.only === 'clock' ? 'not asked for' : await whyNoDisk()
if (noDisk !== undefined && values.only !== 'clock') console.error(`disk full: skipped: ${noDisk}`)

const cases = []
async function add(measured) {
  const each = await measured
  cases.push(each)
  if (!values.json) console.log(format(each))
}
for (const victim of victims) {
  if (noDisk === undefined) await add(diskFull(victim))
  if (values.only !== 'disk') for (const jumpMs of clockJumps()) await add(clockJump(victim, jumpMs))
}
const isKept = cases.every(
  ({ violations, recoveredAfter }) => violations.length === 0 && recoveredAfter !== undefined,
)
if (values.json) console.log(JSON.stringify(cases, null, 2))
else console.log(isKept ? 'everything was kept' : 'NOT KEPT')
process.exit(isKept ? 0 : 1)

function format({ what, victim, meanwhile, logged, recoveredAfter, restarted, violations }) {
  return [
    `${victim}, ${what}: meanwhile ${meanwhile.done} of ${meanwhile.done + meanwhile.said.length} signed${meanwhile.without > 0 ? ` (${meanwhile.without} without it)` : ''}; afterwards ` +
      `${recoveredAfter === undefined ? 'NEVER again' : `signed at try ${recoveredAfter}`}${restarted ? ', restarted' : ''}; ${violations.length} violations`,
    ...[...new Set(meanwhile.said)].map((line) => `    the payer was told: ${line}`),
    ...logged.map((line) => `    the ${victim} wrote: ${line}`),
    ...violations.map((line) => `    VIOLATION: ${line}`),
  ].join('\n')
}
