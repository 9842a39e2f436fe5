/** A few of what `npm run bench -- kill-payments` does by the hundred: each of provider, gateway and client dies while jobs are paid. */
import { expect, it } from 'vitest'
import { seededRandom } from '../simulator/random.js'
import { whyNoLoopback } from '../support/local-network.js'
import { paymentKills } from '../support/payment-kills.js'

const none = await whyNoLoopback()

it.skipIf(none !== undefined)(
  'kill -9 of provider, gateway and client loses no voucher, and nothing is redeemed twice',
  { timeout: 600_000 },
  async () => {
    const order = ['gateway', 'provider', 'client', 'gateway'] as const
    const { kills, violations, delivered, redeemedWei } = await paymentKills(order, seededRandom(6))
    expect(violations).toEqual([])
    expect(kills).toEqual({ provider: 1, gateway: 2, client: 1 })
    expect(delivered).toBeGreaterThanOrEqual(order.length)
    expect(redeemedWei).toBeGreaterThan(0n)
  },
)
