/** Keys and offers cost nothing: what many that refuse every job can make a buyer lock, on a real chain. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  channelsContract,
  type DevChain,
  openChannel,
  readChannel,
  startDevChain,
} from '../../src/chain/index.js'
import type { Address } from '../../src/crypto/address.js'
import { addressOfPublicKey } from '../../src/crypto/address.js'
import { Identity } from '../../src/crypto/identity.js'
import { UserError } from '../../src/errors.js'
import { KnownModels } from '../../src/inference/catalogue/known-models.js'
import { ChannelNotes } from '../../src/inference/client/channel-notes.js'
import { Channels } from '../../src/inference/client/channels.js'
import { NetworkJobs } from '../../src/inference/client/network-jobs.js'
import { Openings } from '../../src/inference/client/openings.js'
import { signOffer } from '../../src/inference/network/offer.js'
import { Payer, paymentDomain } from '../../src/inference/payment/index.js'
import type { Host } from '../../src/p2p/index.js'
import { StreamAhead } from '../../src/p2p/stream-ahead.js'
import { openStore } from '../../src/store/index.js'
import { silentLogger } from '../../src/telemetry/logger.js'
import { SOLD_JOB } from '../unit/inference/client/shop.js'
import { fundedChain, whyNoAnvil } from './support.js'

const IDENTITIES = 20
const DEPOSIT = 1000n
const DAY = 86_400
const HOUR_MS = 3_600_000

describe.skipIf(whyNoAnvil !== undefined)('providers that cost nothing, and refuse', () => {
  let dev: DevChain
  const sellers = Array.from({ length: IDENTITIES }, () => Identity.generate())
  const closing: (() => Promise<unknown>)[] = []
  beforeEach(async () => {
    dev = await startDevChain({ blockTimeSeconds: 0 })
    closing.push(() => dev.stop())
  }, 60_000)
  afterEach(async () => {
    vi.useRealTimers()
    for (const close of closing.splice(0).reverse()) await close()
  })

  /** A buyer, and what its jobs asked. */
  async function openBuyer(mostLockedWei?: bigint) {
    const directory = await mkdtemp(join(tmpdir(), 'plumbline-free-'))
    closing.push(() => rm(directory, { recursive: true, force: true }))
    const chain = await fundedChain(dev)
    const store = await openStore(join(directory, 'made'))
    closing.push(
      () => chain.close(),
      () => store.close(),
    )
    const contract = channelsContract(chain)
    const domain = paymentDomain(chain.chainId, contract)
    const { identity } = chain
    const payer = await Payer.open(
      { domain, signer: identity, books: store.paymentsMade },
      { exposureWei: DEPOSIT, maxJobs: 8 },
    )
    const openings = await Openings.open(join(directory, 'openings.json'))
    const notes = await ChannelNotes.open(store.channelNotes)
    const channels = new Channels(
      {
        depositWei: DEPOSIT,
        lifeSeconds: 2 * DAY,
        ...(mostLockedWei === undefined ? {} : { mostLockedWei }),
      },
      { chain, payer, address: identity.address, log: silentLogger, openings, notes },
    )
    const payment = {
      ...{ chainId: chain.chainId, contract: Buffer.from(contract.slice(2), 'hex') },
      ...{ leastDepositWei: 0n, exposureWei: DEPOSIT },
    }
    const model = {
      ...{ id: 'recogniser', sha256: Buffer.from(SOLD_JOB.model, 'hex'), task: 'transcribe' as const },
      ...{ languages: ['en'], unit: 'audio-second' as const, priceWeiPerUnit: 1n },
    }
    const content = { addresses: [], models: [model], payment, queue: 1, keptSeconds: 0, audited: true }
    const asked: string[] = []
    // Without sockets: what these providers answer is the same whoever carries it.
    const host = {
      node: { services: { pubsub: {} } },
      onPeerGone: () => () => {},
      ping: async () => [1],
      openAhead: () => new StreamAhead(() => Promise.reject(new Error('there are no streams here')), 1),
      request: async (target: string | { peerId: string }, { name }: { name: string }) => {
        if (name === 'offer') {
          const seller = sellers.find(({ peerId }) => peerId === target)
          return seller === undefined ? {} : { offer: signOffer(seller, content, Date.now()) }
        }
        if (name === 'job') asked.push(typeof target === 'string' ? target : target.peerId)
        return { kind: 'refused', code: 'UNAVAILABLE', message: 'the disk is full' }
      },
    } as unknown as Host
    const jobs = new NetworkJobs(
      { providers: sellers.map(({ peerId }) => peerId), exposureWei: DEPOSIT },
      {
        ...{ host, log: silentLogger, knownModels: async () => new KnownModels([]) },
        openPayments: async () => ({ payer, channels, domain, chainId: chain.chainId, contract }),
      },
    )
    closing.push(() => jobs.close())
    const lockedWei = async () => {
      const states = await Promise.all(
        sellers.map(({ publicKey }) =>
          readChannel(chain, { payer: identity.address, payee: addressOfPublicKey(publicKey) }),
        ),
      )
      return states.reduce((sum, { depositWei }) => sum + depositWei, 0n)
    }
    const refusal = () => jobs.run(SOLD_JOB).catch((error: unknown) => error)
    return { asked, channels, openings, notes, payer, chain, offered: payment, lockedWei, refusal }
  }

  it('get three channels from one job, ten in a day, and are asked once; the deposits come home', {
    timeout: 120_000,
  }, async () => {
    const { asked, channels, payer, chain, lockedWei, refusal } = await openBuyer()
    expect(await refusal()).toMatchObject({ code: 'DENIED', message: /3 providers for this job/ })
    expect(await lockedWei()).toBe(3n * DEPOSIT)
    for (let i = 0; i < 4; i++) await refusal()
    expect(await refusal()).toMatchObject({ code: 'DENIED', message: /10 channels were opened/ })
    expect(await lockedWei()).toBe(10n * DEPOSIT)
    // Others were there to be asked: nobody was asked again who had refused.
    expect(new Set(asked).size).toBe(10)
    expect(asked.length).toBeLessThanOrEqual(12)

    // None of them ever delivered anything: an hour later the end of their channels is asked for.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * HOUR_MS })
    await channels.refundOver()
    const { timestamp } = await chain.clock()
    const soonest = timestamp + chain.terms.channelChallengeSeconds
    expect(payer.accounts().map(({ endsAt }) => endsAt <= soonest)).toEqual(Array(10).fill(true))
  })

  it('hide no deposit whose opening was mined while the buyer ended', { timeout: 120_000 }, async () => {
    const { channels, openings, notes, payer, chain } = await openBuyer()
    const payees = sellers.map(({ publicKey }) => addressOfPublicKey(publicKey))
    const [mined, stranger] = payees as [Address, Address]
    for (const payee of [mined, stranger]) {
      const { channelId } = await openChannel(chain, {
        payee,
        depositWei: DEPOSIT,
        endsAt: (await chain.clock()).timestamp + 2 * DAY,
      })
      const opening = {
        kind: 'opening',
        channelId: Buffer.from(channelId.slice(2), 'hex'),
        payee,
        nonce: 1,
      } as const
      if (payee === mined) await notes.set(opening)
    }
    await openings.add(mined)
    expect(payer.accounts()).toEqual([])
    await channels.refundOver()
    expect(payer.accounts().map(({ payee, depositWei }) => [payee, depositWei])).toEqual([[mined, DEPOSIT]])
  })

  it('leave an opening counted that may have been sent', { timeout: 120_000 }, async () => {
    const { channels, openings, chain, offered } = await openBuyer()
    const [poor, late] = sellers.map(({ publicKey }) => addressOfPublicKey(publicKey)) as [Address, Address]
    if (chain.queue === undefined) throw new Error('a buyer pays')
    const send = vi.spyOn(chain.queue, 'submit')
    send.mockRejectedValueOnce(new UserError('too little', { code: 'DENIED' }))
    await expect(channels.ready(poor, 1n, offered)).rejects.toMatchObject({ code: 'DENIED' })
    send.mockRejectedValueOnce(new UserError('the node is gone', { code: 'UNREACHABLE' }))
    await expect(channels.ready(late, 1n, offered)).rejects.toMatchObject({ code: 'UNREACHABLE' })
    expect(openings.payees()).toEqual([late])
  })

  it('get no more than may be locked, with have and need', { timeout: 120_000 }, async () => {
    const { lockedWei, refusal } = await openBuyer((5n * DEPOSIT) / 2n)
    expect(await refusal()).toMatchObject({
      code: 'DENIED',
      details: { haveWei: String(DEPOSIT / 2n), needWei: String(DEPOSIT) },
      remedy: /mostLocked/,
    })
    expect(await lockedWei()).toBe(2n * DEPOSIT)
  })
})
