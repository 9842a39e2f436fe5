/** In which order providers of one model are asked. */
import { describe, expect, it, vi } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import type { KnownModels } from '../../../../src/inference/catalogue/known-models.js'
import { candidatesFor, servedModels } from '../../../../src/inference/client/candidates.js'
import { Conduct } from '../../../../src/inference/client/conduct.js'
import { type FoundOffer, Offers } from '../../../../src/inference/client/offers.js'
import type { Job } from '../../../../src/inference/job.js'
import { signOffer } from '../../../../src/inference/network/offer.js'
import type { Host } from '../../../../src/p2p/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'

const job: Job = {
  task: 'transcribe',
  model: 'ab'.repeat(32),
  input: { kind: 'sound', sampleRate: 8000, pcm16: new Uint8Array(1600) },
  parameters: {},
}
const model = (priceWeiPerUnit: bigint) => ({
  id: 'recogniser',
  sha256: new Uint8Array(32).fill(0xab),
  task: 'transcribe' as const,
  languages: ['en'],
  unit: 'audio-second' as const,
  priceWeiPerUnit,
})
const offered = (peerId: string, price: bigint, latencyMs: number): FoundOffer =>
  ({ offer: { peerId, models: [model(price)] }, target: peerId, latencyMs }) as unknown as FoundOffer

const conduct = new Conduct()
const AS_BEFORE = {
  expectedMs: conduct.expectedMs.bind(conduct),
  isUnauditedTaken: false,
  hasChannel: (_: { readonly peerId: string }) => false,
}

describe('candidates', () => {
  const nobody = {
    ...{ maxPriceWei: undefined, isShunned: () => false, arrears: () => 0, goodFindings: () => 0 },
    ...AS_BEFORE,
  }
  const names = (found: readonly FoundOffer[], limits = nobody) =>
    candidatesFor(job, found, limits).map(({ offer }) => offer.peerId)
  const saying = (peerId: string, latencyMs: number, hint: object, underWay?: number): FoundOffer =>
    ({
      offer: { peerId, models: [{ ...model(5n), ...hint }], underWay },
      target: peerId,
      latencyMs,
    }) as unknown as FoundOffer

  it('are asked by what they say of their speed until they were bought from, and by that alone afterwards', () => {
    const found = [
      saying('says-nothing', 1, {}),
      saying('busy', 2, { runMsPerSecond: 200 }, 30),
      saying('fast', 90, { runMsPerSecond: 200 }, 0),
      saying('hardly-faster', 91, { runMsPerSecond: 199 }, 0),
    ]
    expect(names(found)).toEqual(['fast', 'hardly-faster', 'says-nothing', 'busy'])
    const known = new Conduct({ now: () => 60_000 })
    // It takes a minute, whatever it says.
    known.did('fast', 0, 1)
    expect(names(found, { ...nobody, expectedMs: known.expectedMs.bind(known) })).toEqual([
      'hardly-faster',
      'says-nothing',
      'busy',
      'fast',
    ])
  })

  it('do not count where no audit can judge them, unless that is wanted, and come last then', () => {
    const found = [saying('server', 1, { unaudited: true }), saying('own', 90, {})]
    expect(names(found)).toEqual(['own'])
    expect(names(found, { ...nobody, isUnauditedTaken: true })).toEqual(['own', 'server'])
    expect(() => names(found.slice(0, 1))).toThrow(/no audit can tell/)
    const known = { standing: () => ({ names: [], isNamesake: false }) } as unknown as KnownModels
    expect(servedModels(found, known, false)).toHaveLength(1)
    expect(servedModels(found, known, true)).toHaveLength(2)
  })

  it('are asked first where a channel with them runs and all else is equal, however near the others are', () => {
    const found = [offered('new', 5n, 1), offered('known', 5n, 90), offered('known-and-dear', 6n, 1)]
    const hasChannel = ({ peerId }: { readonly peerId: string }) => peerId.startsWith('known')
    expect(names(found, { ...nobody, hasChannel })).toEqual(['known', 'new', 'known-and-dear'])
  })

  it('are asked by price, then by their record, then by their distance; who failed of late after all others', () => {
    const found = [
      offered('failed-twice', 0n, 1),
      offered('failed-once', 1n, 1),
      offered('dear', 9n, 1),
      offered('far', 5n, 90),
      offered('near', 5n, 10),
      offered('good', 5n, 300),
      offered('hardly-better', 5n, 301),
    ]
    const good = new Map([
      ['good', 100],
      ['hardly-better', 101],
    ])
    const failed = new Map([
      ['failed-twice', 2],
      ['failed-once', 1],
    ])
    const order = candidatesFor(job, found, {
      maxPriceWei: undefined,
      isShunned: () => false,
      arrears: (peerId) => failed.get(peerId) ?? 0,
      goodFindings: (peerId) => good.get(peerId) ?? 0,
      ...AS_BEFORE,
    }).map(({ offer }) => offer.peerId)
    expect(order).toEqual(['good', 'hardly-better', 'near', 'far', 'dear', 'failed-once', 'failed-twice'])
  })
})

describe('distances', () => {
  it('are measured again after some minutes, and forgotten where a ping fails', async () => {
    const signer = Identity.generate()
    const content = { addresses: [], models: [model(0n)], queue: 1, keptSeconds: 0, audited: true }
    let ms: number | undefined = 50
    let pings = 0
    const host = {
      node: { services: { pubsub: {} } },
      onPeerGone: () => () => {},
      request: async () => ({ offer: signOffer(signer, content, Date.now()) }),
      ping: async () => {
        pings++
        if (ms === undefined) throw new Error('nobody answers')
        return [ms + 7, ms]
      },
    } as unknown as Host
    const offers = new Offers({ host, log: silentLogger, named: ['/ip4/127.0.0.1/tcp/1'] })
    const latency = async () => (await offers.find(undefined, true))[0]?.latencyMs
    const start = performance.now()
    const clock = vi.spyOn(performance, 'now')
    const at = (minutes: number) => clock.mockReturnValue(start + minutes * 60_000)
    try {
      at(0)
      expect(await latency()).toBe(50)
      ms = 10
      at(4)
      expect([await latency(), pings]).toEqual([50, 1])
      at(6)
      expect([await latency(), pings]).toEqual([10, 2])
      ms = undefined
      at(12)
      expect([await latency(), pings]).toEqual([undefined, 3])
    } finally {
      clock.mockRestore()
    }
  })
})
