/** What a person is told before a recording leaves this machine. */
import { describe, expect, it } from 'vitest'
import { recipientNote } from '../../../src/cli/buy-options.js'
import type { Recipient } from '../../../src/inference/client/recipient.js'

const recipient = (more: Partial<Recipient> = {}): Recipient => ({
  provider: '16Uiu2abc',
  addresses: ['/ip4/192.0.2.1/tcp/4010'],
  model: 'asr-small',
  units: 1,
  priceWei: 1n,
  isAudited: false,
  isUnauditable: false,
  keptSeconds: 0,
  mostLostWei: 1n,
  ...more,
})

describe('how long a provider says that it keeps what it hears', () => {
  it.each([
    [recipient(), /It says that it keeps nothing\.$/],
    [recipient({ keptSeconds: 31_536_000 }), /It says that it may keep what it hears for 8760 hours\.$/],
    [recipient({ keptSeconds: 60, isUnauditable: true }), /run by a server .* for 1 hour\.$/],
    [
      recipient({ keptSeconds: 86_400, isAudited: true }),
      /one such job in twenty, .*, for 24 hours, and auditors may hear it, too\.$/,
    ],
  ])('%#', async (told, words) => {
    expect(await recipientNote(told)).toMatch(words)
  })
})
