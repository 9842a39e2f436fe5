/** When vouchers are redeemed against how often there is a round, and what is done while rounds hear nothing. */
import { describe, expect, it } from 'vitest'
import { configSchema } from '../../../../src/config/schema.js'
import { UserError } from '../../../../src/errors.js'
import { Payee } from '../../../../src/inference/payment/index.js'
import { HeldOutputs } from '../../../../src/inference/provider/held-outputs.js'
import {
  ChannelRounds,
  FollowedPaidService,
  requireRedeemedInTime,
} from '../../../../src/node/inference/channel-rounds.js'
import type { Remote } from '../../../../src/p2p/index.js'
import { askedJob, CHANNEL, DOMAIN, identities, MemoryBooks } from '../../inference/payment/support.js'

const DAY = 86_400
const TERMS = { roundSeconds: 60, challengeSeconds: DAY }

describe('the time before a channel ends', () => {
  it('has ten rounds at least, and is shorter than the notice that a leaving client gives', () => {
    const asked = (seconds: number, isPublic = true) => requireRedeemedInTime(seconds, TERMS, isPublic)
    for (const seconds of [600, 21_600, DAY - 1]) expect(() => asked(seconds)).not.toThrow()
    const refused = (message: string) =>
      expect.objectContaining({
        code: 'BAD_CONFIG',
        message: expect.stringContaining(message),
        remedy: 'set inference.provider.redeemBeforeEndSeconds to 600 to 86399',
      })
    expect(() => asked(599)).toThrow(refused('have 599 s, need 600 s at least') as never)
    expect(() => asked(DAY)).toThrow(refused('have 86400 s, need less than 86400 s') as never)
    // A development chain's period is a minute.
    expect(() => asked(30 * DAY, false)).not.toThrow()
    expect(() => asked(1, false)).toThrow()
  })

  it('is refused in the configuration where no chain has rounds that often', () => {
    const parse = (redeemBeforeEndSeconds: number) =>
      configSchema.safeParse({ inference: { provider: { redeemBeforeEndSeconds } } }).success
    expect([1, 49, 50, 21_600].map(parse)).toEqual([false, false, true, true])
  })
})

describe('while rounds hear nothing of the chain', () => {
  it('jobs are begun for a quarter of the challenge period, and again with the next round', () => {
    let nowMs = 0
    const rounds = new ChannelRounds(TERMS, () => nowMs)
    rounds.ended()
    const away = new UserError('no RPC server of the chain answers', { code: 'UNREACHABLE' })
    nowMs = (DAY / 4) * 1000
    rounds.failed(away)
    rounds.require()
    nowMs += 1
    expect(rounds.problem).toMatch(
      /21600 s ago .* 21600 s is the most \(no RPC server of the chain answers\)/,
    )
    expect(() => rounds.require()).toThrow(
      expect.objectContaining({ code: 'UNAVAILABLE', details: { retryAfterSeconds: 60 } }) as never,
    )
    rounds.ended()
    rounds.require()
    // Channels were followed before gas was too dear.
    nowMs += DAY * 1000
    rounds.failed(new UserError('gas is too expensive', { code: 'DENIED' }))
    expect(rounds.problem).toBeUndefined()
  })

  it('waits ten rounds where the challenge period is short', () => {
    let nowMs = 0
    const rounds = new ChannelRounds({ roundSeconds: 5, challengeSeconds: 60 }, () => nowMs)
    rounds.ended()
    nowMs = 50_000
    expect(rounds.problem).toBeUndefined()
    nowMs = 50_001
    expect(rounds.problem).toMatch(/no round came/)
  })

  it('nothing is begun before the first: channels may have ended while the provider was away', () => {
    const rounds = new ChannelRounds(TERMS, () => 0)
    expect(rounds.problem).toMatch(/has not said yet .*\(no round came\)/)
    rounds.failed(new UserError('no RPC server of the chain answers', { code: 'UNREACHABLE' }))
    expect(rounds.problem).toMatch(/has not said yet .*\(no RPC server of the chain answers\)/)
    rounds.ended()
    expect(rounds.problem).toBeUndefined()
  })

  it('no job is admitted, and vouchers are taken all the same', async () => {
    const { payer, payee: signer } = identities()
    const payee = await Payee.open(
      { domain: DOMAIN, signer, books: new MemoryBooks(true), now: () => 1_900_000_000 },
      { exposureWei: 500n, maxJobs: 8, leastRemainingSeconds: 100 },
    )
    await payee.setChannel(payer.address, CHANNEL)
    const keeper = {
      adopt: async () => payee.account(CHANNEL.channelId),
      isMoreComing: async () => false,
    }
    const held = new HeldOutputs({ mostBytes: 1000, mostMs: 60_000 }, () => 0)
    let nowMs = 0
    const rounds = new ChannelRounds(TERMS, () => nowMs)
    rounds.ended()
    const service = new FollowedPaidService({ payee, keeper, held }, rounds)
    const { publicKey, peerId } = payer
    const remote: Remote = { publicKey, peerId, address: '/ip4/127.0.0.1/tcp/1', limited: false }
    const { channelId } = CHANNEL
    const admit = (n: number) =>
      service.admit(remote, { ...askedJob(n), channelId }, 10n, new AbortController().signal)
    await admit(1)
    nowMs = DAY * 1000
    await expect(admit(2)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(payee.account(channelId).running).toHaveLength(1)
    await service.sync(remote, { channelId, voucher: undefined, from: 1, asked: [] })
    rounds.ended()
    await admit(2)
  })
})
