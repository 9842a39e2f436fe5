import { randomBytes } from 'node:crypto'
import { hexToBytes } from '@noble/hashes/utils.js'
import { expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import type { Job } from '../../../../src/inference/job.js'
import type { LocalJobs, LocalRunOptions } from '../../../../src/inference/local/local-jobs.js'
import { encodeInput, encodeTerms } from '../../../../src/inference/network/job-codec.js'
import type { JobRequest } from '../../../../src/inference/network/messages.js'
import { priceList } from '../../../../src/inference/provider/price-list.js'
import { Provider } from '../../../../src/inference/provider/provider.js'
import type { Exchange, Handler, Host } from '../../../../src/p2p/index.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { heard, served } from '../gateway/scripted-source.js'

it('what is free has one line for a subscriber, however many keys and IPv6 addresses it has', async () => {
  const model = served()
  const clients: (string | undefined)[] = []
  const jobs = {
    models: async () => [model],
    run: async (_: Job, { client }: LocalRunOptions) => {
      clients.push(client)
      return heard('hello')
    },
    length: 0,
    retryAfterSeconds: 1,
  } as unknown as LocalJobs
  let ask: Handler<JobRequest, unknown> | undefined
  const host = {
    handle: async ({ name }: Exchange<unknown, unknown>, handler: typeof ask) => {
      if (name === 'job') ask = handler
    },
  } as unknown as Host
  const provider = new Provider(
    {
      prices: priceList([`${model.id}=0 wei`]),
      nonCommercial: undefined,
      queue: 8,
      jobsPerClient: 8,
      keptSeconds: 0,
    },
    { host, signer: Identity.generate(), jobs, log: silentLogger },
  )
  await provider.start()
  const from = async (address: string): Promise<void> => {
    const { publicKey, peerId } = Identity.generate()
    const request = {
      jobId: new Uint8Array(randomBytes(32)),
      model: hexToBytes(model.sha256),
      terms: encodeTerms({
        task: 'transcribe',
        unit: 'audio-second',
        units: 1,
        priceWeiPerUnit: 0n,
        audit: true,
      }),
      input: encodeInput({ kind: 'sound', sampleRate: 8000, pcm16: new Uint8Array(16_000) }),
    }
    await ask?.(request, { publicKey, peerId, address, limited: false }, new AbortController().signal)
  }
  await from('/ip6/2001:db8:1:2::1/tcp/1')
  await from('/ip6/2001:db8:1:2:3:4:5:6/tcp/1')
  await from('/ip6/2001:db8:1:3::1/tcp/1')
  await from('/ip4/192.168.1.2/tcp/1')
  await from('/ip4/192.168.1.3/tcp/1')
  const [one, again, ...others] = clients
  expect(again).toBe(one)
  expect(new Set([one, ...others]).size).toBe(4)
})
