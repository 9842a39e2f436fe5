#!/usr/bin/env node
/**
 * `npm run bench -- kill-payments [--kills 100] [--minutes 600] [--seed 1] [--json]`: random kill -9 of a provider, a gateway
 * and clients at the steps of paying for jobs (real processes, a real chain), and a purchase after each. Exit status 1
 * where a voucher or a receipt is gone, the chain paid anything else than what was signed, or a loss is beyond its bound.
 */
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'

register()
// A campaign on a busy machine does not end because one daemon was slow to start.
process.env.TEST_PATIENCE_MS ??= '300000'
await import('../../src/node/polyfills.ts')
const { paymentKills } = await import('../../test/support/payment-kills.ts')
const { seededRandom } = await import('../../test/simulator/random.ts')

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    kills: { type: 'string', default: '100' },
    minutes: { type: 'string', default: '600' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})
const untilMs = Date.now() + Number(values.minutes) * 60_000
const outcome = await paymentKills(
  Number(values.kills),
  seededRandom(Number(values.seed)),
  (done) => {
    if (done % 10 === 0) console.error(`${done} kills`)
  },
  () => Date.now() > untilMs,
)
if (values.json)
  console.log(JSON.stringify(outcome, (_, value) => (typeof value === 'bigint' ? String(value) : value), 2))
else {
  const { kills, steps, delivered, violations } = outcome
  const list = (counts) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')
  console.log(
    [
      `killed: ${list(kills)} (${list(steps)})`,
      `${delivered} outputs delivered, ${outcome.redeemedWei} wei redeemed; ${outcome.paidForNobodyWei} wei paid by buyers that died ` +
        `with the output, ${outcome.givenAwayWei} wei of outputs credited that had arrived (bound ${outcome.mostPayeeLossWei}); ` +
        `at no time could a buyer lose more than ${outcome.mostPayerLossWei} wei`,
      `${violations.length} violations`,
      ...violations.map((violation) => `  ${violation}`),
    ].join('\n'),
  )
}
process.exit(outcome.violations.length === 0 ? 0 : 1)
