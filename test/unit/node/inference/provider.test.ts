/** A daemon's provider whose payments do not open: what it offers, and what its status says, until they do. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { UnknownRpcError } from 'viem'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Chain } from '../../../../src/chain/index.js'
import { loadConfig } from '../../../../src/config/load.js'
import { dataPaths } from '../../../../src/config/paths.js'
import { Identity } from '../../../../src/crypto/identity.js'
import { UserError } from '../../../../src/errors.js'
import { OFFER_MESSAGE } from '../../../../src/inference/network/messages.js'
import { readOffer } from '../../../../src/inference/network/offer.js'
import { Holds } from '../../../../src/inference/standing-still.js'
import { type ProviderRole, startProvider } from '../../../../src/node/inference/provider.js'
import { openStore, type Store } from '../../../../src/store/index.js'
import { type Logger, silentLogger } from '../../../../src/telemetry/logger.js'
import { CONTRACT } from '../../inference/payment/support.js'
import { addressOf, startHost } from '../../p2p/hosts.js'

const PATIENT = { timeout: 60_000, interval: 50 }
/** As far as payments look at it before their first round: of no channel. */
const chain = {
  chainId: 1,
  pollMs: 4000,
  confirmations: 2,
  clock: async () => ({ blockNumber: 5n, timestamp: 5 }),
  terms: { channelChallengeSeconds: 86_400 },
  deployment: { contracts: { paymentChannels: CONTRACT } },
} as unknown as Chain

let dataDir: string
let store: Store
let role: ProviderRole | undefined
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'plumbline-provider-'))
  store = await openStore(dataPaths(dataDir).store)
})
afterEach(async () => {
  await role?.stop()
  role = undefined
  await store.close()
  await rm(dataDir, { recursive: true })
})

async function start(more: Record<string, unknown> = {}, log: Logger = silentLogger) {
  const flags = {
    dataDir,
    'chain.rpcUrls': ['http://127.0.0.1:9'],
    'inference.provider.models': ['asr-small=10 wei', 'language-id=0 wei'],
    ...more,
  }
  const { config } = await loadConfig({ env: {}, flags })
  const identity = Identity.generate()
  const host = await startHost({}, identity)
  role = await startProvider({ config, identity, host, store, log, standingStill: new Holds() })
  const client = await startHost({ listen: [] })
  const offered = async (): Promise<readonly string[]> => {
    const { offer } = await client.request(addressOf(host), OFFER_MESSAGE, null)
    return offer === undefined ? [] : readOffer(offer).models.map(({ id }) => id)
  }
  return { role, offered }
}

describe('a provider whose payments do not open', () => {
  it('says why, offers what is free, tries again, and then sells', { timeout: 120_000 }, async () => {
    const provider = await start()
    expect(provider.role.status().paidJobsProblem).toBe('the chain has not been reached yet')
    const { soldEvidence } = dataPaths(dataDir)
    await mkdir(dirname(soldEvidence), { recursive: true })
    await writeFile(soldEvidence, 'in the way')
    const paying = provider.role.payThrough(chain)
    await expect.poll(() => provider.role.status().paidJobsProblem, PATIENT).toMatch(/EEXIST|ENOTDIR/)
    expect(await provider.offered()).toEqual(['language-id'])
    await rm(soldEvidence)
    await paying
    expect(provider.role.status().paidJobsProblem).toBeUndefined()
    expect(await provider.offered()).toEqual(['asr-small', 'language-id'])
  })

  it('sells nothing where vouchers would not be redeemed in time', { timeout: 120_000 }, async () => {
    const provider = await start({ 'inference.provider.redeemBeforeEndSeconds': 300 })
    const refusal = /have 300 s, need 600 s at least/
    await expect(provider.role.payThrough(chain)).rejects.toThrow(refusal)
    expect(provider.role.status().paidJobsProblem).toMatch(refusal)
    expect(await provider.offered()).toEqual(['language-id'])
  })
})

describe('a provider whose chain hangs', () => {
  it('says so once, and again only where the cause changes or came back', { timeout: 120_000 }, async () => {
    const lines: unknown[] = []
    const warn = (fields: object, message: string) => void lines.push({ ...fields, message })
    // Only the rounds go by this clock.
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const { role } = await start({}, { ...silentLogger, warn } as Logger)
    const ends: ((error?: Error) => void)[] = []
    const block = { baseFeePerGas: 1n, number: 5n, timestamp: 5n }
    let isOver = false
    const getBlock = () =>
      isOver
        ? block
        : new Promise((resolve, reject) =>
            ends.push((error) => (error === undefined ? resolve(block) : reject(error))),
          )
    const client = { getBlock, request: async () => '0x0' }
    await role.payThrough({ ...chain, client } as unknown as Chain)
    const isAbout = ({ message }: { message: string }) => /channels|vouchers/.test(message)
    const told = () => (lines as { message: string }[]).filter(isAbout)
    /** Some rounds fall due while the one under way hangs. */
    const rounds = async (error?: Error) => {
      for (let i = 0; i < 3; i++) vi.advanceTimersByTime(60_000)
      await expect.poll(() => ends.length).toBe(1)
      for (const end of ends.splice(0)) end(error)
      // All of the callers have heard.
      await new Promise((resolve) => setImmediate(resolve))
    }
    const silent = new UserError('no RPC server of the chain answers', { code: 'UNREACHABLE' })
    const first = { message: 'the channels could not be looked at', reason: silent.message }
    await rounds(new UnknownRpcError(silent))
    expect(told()).toEqual([first])
    await rounds(new UnknownRpcError(silent))
    expect(told()).toEqual([first])
    await rounds(new UnknownRpcError(new Error('header not found')))
    expect(told()).toEqual([first, { ...first, reason: 'header not found' }])
    await rounds()
    await rounds(new UnknownRpcError(new Error('header not found')))
    expect(told()).toHaveLength(3)
    isOver = true
  })
})
