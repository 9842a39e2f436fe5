#!/usr/bin/env node
/**
 * `npm run bench -- kill [--challenges 200] [--minutes 600] [--seed 1] [--json]`: random kill -9 of challengers, prover and payer (real processes
 * on loopback), one in each challenge. Exit status 1 where something was signed twice, an id can be used again, or what
 * was acknowledged is gone.
 */
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'

register()
// A campaign of hours on a busy machine does not end because one daemon was slow to start.
process.env.TEST_PATIENCE_MS ??= '300000'
await import('../../src/node/polyfills.ts')
const { killCampaign } = await import('../../test/support/kill-campaign.ts')
const { seededRandom } = await import('../../test/simulator/random.ts')

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    challenges: { type: 'string', default: '200' },
    minutes: { type: 'string', default: '600' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})
const untilMs = Date.now() + Number(values.minutes) * 60_000
const outcome = await killCampaign(
  Number(values.challenges),
  seededRandom(Number(values.seed)),
  (done) => {
    if (done % 10 === 0) console.error(`${done} challenges`)
  },
  () => Date.now() > untilMs,
)
if (values.json) console.log(JSON.stringify(outcome, null, 2))
else {
  const { challenges, kills, finished, transcriptsChecked, statementsChecked, idsChecked, violations } =
    outcome
  const killed = Object.entries(kills)
    .map(([role, count]) => `${count} ${role}s`)
    .join(', ')
  console.log(
    `${challenges} challenges, killed: ${killed}; ${finished} ended with a signed transcript all the same`,
  )
  console.log(
    `${transcriptsChecked} transcripts and ${statementsChecked} evidences compared, ${idsChecked} ids asked for again: ${violations.length} violations`,
  )
  for (const violation of violations) console.log(`  ${violation}`)
}
process.exit(outcome.violations.length === 0 ? 0 : 1)
