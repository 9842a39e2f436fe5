/** A real provider of one scripted model, reached without sockets, and what a buyer needs to deal with it. */
import { hexToBytes } from '@noble/hashes/utils.js'
import type { Address } from '../../../../src/crypto/address.js'
import { encode } from '../../../../src/crypto/cbor.js'
import { decodeAs } from '../../../../src/crypto/cbor-schema.js'
import type { TypedDomain } from '../../../../src/crypto/eip712.js'
import type { Identity } from '../../../../src/crypto/identity.js'
import type { Candidate } from '../../../../src/inference/client/candidates.js'
import type { Job } from '../../../../src/inference/job.js'
import type { LocalJobs, LocalRunOptions } from '../../../../src/inference/local/local-jobs.js'
import { Payee } from '../../../../src/inference/payment/index.js'
import type { EvidenceDesk } from '../../../../src/inference/provider/evidence-desk.js'
import { HeldOutputs } from '../../../../src/inference/provider/held-outputs.js'
import { PaidService, type PaidServiceModules } from '../../../../src/inference/provider/paid-service.js'
import { priceList } from '../../../../src/inference/provider/price-list.js'
import { Provider } from '../../../../src/inference/provider/provider.js'
import type { Exchange, Handler, Host, Remote } from '../../../../src/p2p/index.js'
import { StreamAhead } from '../../../../src/p2p/stream-ahead.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { heard, served } from '../gateway/scripted-source.js'
import { CHANNEL, CONTRACT, DOMAIN, identities, MemoryBooks } from '../payment/support.js'

/** For each second of sound. */
export const PRICE = 30n
export const MODEL = 'ab'.repeat(32)

/** A connection without sockets: what reached the provider is on its list. */
export class Pipe {
  readonly #handlers = new Map<string, Handler<unknown, unknown>>()
  readonly #remote: Remote
  readonly reached: string[] = []
  /** What holds a request up. */
  onRequest: (name: string) => Promise<void> = async () => {}
  /** What becomes of an answer on its way back. */
  onAnswer: (name: string) => Promise<void> = async () => {}

  constructor({ publicKey, peerId }: Identity) {
    this.#remote = { publicKey, peerId, address: '/ip4/127.0.0.1/tcp/1', limited: false }
  }

  async handle<Q, R>({ name }: Exchange<Q, R>, handler: Handler<Q, R>): Promise<void> {
    this.#handlers.set(name, handler as Handler<unknown, unknown>)
  }

  readonly request: Host['request'] = async (_, exchange, body, { until, signal } = {}) => {
    const { name } = exchange
    const request = decodeAs(exchange.request, encode(exchange.request.read(body, name) as never), name, {
      maxBytes: exchange.maxRequestBytes,
    })
    // As on the wire, where the last byte waits for it.
    await until
    await this.onRequest(name)
    this.reached.push(name)
    const answer = await this.#handlers.get(name)?.(
      request,
      this.#remote,
      signal ?? new AbortController().signal,
    )
    await this.onAnswer(name)
    const wire = encode(exchange.response.read(answer, name) as never)
    return decodeAs(exchange.response, wire, name, { maxBytes: exchange.maxResponseBytes })
  }

  addresses(): readonly string[] {
    return []
  }

  onPeerGone(): () => void {
    return () => {}
  }

  openAhead(): StreamAhead {
    return new StreamAhead(() => Promise.reject(new Error('there are no streams here')), 1)
  }
}

export interface Shop {
  readonly pipe: Pipe
  readonly payee: Payee
  readonly keys: ReturnType<typeof identities>
  /** What the model does, and for how long: told when it begins, and given what gives it up. */
  work: { during: (signal: AbortSignal) => Promise<void> }
  /** By which outputs are kept. */
  readonly clock: { nowMs: number }
  /** What the provider's offer says of payments. */
  readonly offered: NonNullable<Parameters<Provider['payThrough']>[0]['offered']>
}

/** Open, and the channel is known to it. @param exposureWei what it does for one client without being paid */
export async function openShop(exposureWei = 500n): Promise<Shop> {
  const keys = identities()
  const payee = await Payee.open(
    { domain: DOMAIN, signer: keys.payee, books: new MemoryBooks(true), now: () => 1_900_000_000 },
    { exposureWei, maxJobs: 8, leastRemainingSeconds: 100 },
  )
  await payee.setChannel(keys.payer.address, CHANNEL)
  const keeper = { adopt: async () => payee.account(CHANNEL.channelId), isMoreComing: async () => false }
  return openShopWith({ keys, payee, keeper, domain: DOMAIN, contract: CONTRACT, exposureWei })
}

export interface ShopModules extends Pick<PaidServiceModules, 'payee' | 'keeper'> {
  readonly keys: Shop['keys']
  readonly domain: TypedDomain
  readonly contract: Address
  /** Said in its offer. */
  readonly exposureWei: bigint
}

/** Of a payee and a keeper of one's own. */
export async function openShopWith(modules: ShopModules): Promise<Shop> {
  const { keys, payee, keeper, domain, exposureWei } = modules
  const pipe = new Pipe(keys.payer)
  const clock = { nowMs: 0 }
  const held = new HeldOutputs({ mostBytes: 100_000, mostMs: 60_000 }, () => clock.nowMs)
  const work: Shop['work'] = { during: async () => {} }
  const jobs = {
    models: async () => [served({ sha256: MODEL })],
    run: async (_: Job, { signal, onBegun }: LocalRunOptions) => {
      const begunMs = performance.now()
      onBegun?.(() => performance.now() - begunMs)
      await work.during(signal ?? new AbortController().signal)
      return heard('hello')
    },
    length: 0,
    retryAfterSeconds: 1,
  } as unknown as LocalJobs
  const provider = new Provider(
    {
      prices: priceList([`recogniser=${PRICE} wei`]),
      nonCommercial: undefined,
      queue: 8,
      jobsPerClient: 8,
      keptSeconds: 0,
    },
    { host: pipe as unknown as Host, signer: keys.payee, jobs, log: silentLogger },
  )
  await provider.start()
  const contract = Buffer.from(modules.contract.slice(2), 'hex')
  const offered = { chainId: 31337, contract, leastDepositWei: 0n, exposureWei }
  provider.payThrough({
    service: new PaidService({ payee, keeper, held }),
    desk: { expect: () => () => {}, keep: async () => {} } as unknown as EvidenceDesk,
    domain,
    offered,
  })
  return { pipe, payee, keys, work, clock, offered }
}

/** A second of sound. */
export const SOLD_JOB: Job = {
  task: 'transcribe',
  model: MODEL,
  input: { kind: 'sound', sampleRate: 8000, pcm16: new Uint8Array(16_000) },
  parameters: {},
}

/** What its offer says, as a buyer that found it has it. */
export function candidateOf({ keys, offered }: Shop): Candidate {
  const { publicKey, peerId } = keys.payee
  const model = {
    id: 'recogniser',
    sha256: hexToBytes(MODEL),
    task: 'transcribe' as const,
    languages: ['en'],
    unit: 'audio-second' as const,
    priceWeiPerUnit: PRICE,
  }
  const offer = {
    publicKey,
    peerId,
    addresses: [],
    models: [model],
    payment: offered,
    queue: 1,
    keptSeconds: 0,
    audited: true,
    expiresAtMs: 2e12,
    sequence: 1,
  } as unknown as Candidate['offer']
  return {
    offer,
    target: { peerId, addresses: [] },
    latencyMs: 1,
    model,
    units: 1,
    priceWei: PRICE,
    arrears: 0,
    goodDoublings: 0,
    slowDoublings: 0,
    hasChannel: () => true,
  }
}
