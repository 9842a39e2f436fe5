import { describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { UserError } from '../../../../src/errors.js'
import type { JobOutput } from '../../../../src/inference/job.js'
import {
  decodeInput,
  decodeOutput,
  decodeTerms,
  encodeInput,
  encodeOutput,
  encodeTerms,
  type JobTerms,
} from '../../../../src/inference/network/job-codec.js'
import { asError, refusalOf } from '../../../../src/inference/network/messages.js'
import { type OfferContent, readOffer, signOffer } from '../../../../src/inference/network/offer.js'
import { OfferTable } from '../../../../src/inference/network/offer-table.js'

const NOW = 1_800_000_000_000
const provider = Identity.generate()
const content: OfferContent = {
  addresses: ['/ip4/127.0.0.1/tcp/4021'],
  models: [
    {
      id: 'asr-small',
      sha256: new Uint8Array(32).fill(3),
      task: 'transcribe',
      languages: ['en'],
      licence: 'cc-by-sa-3.0',
      unit: 'audio-second',
      priceWeiPerUnit: 2n ** 70n,
    },
  ],
  payment: { chainId: 31337, contract: new Uint8Array(20).fill(5), leastDepositWei: 7n, exposureWei: 9n },
  queue: 33,
  keptSeconds: 0,
  audited: true,
}

describe('a job on the wire', () => {
  it.each<[string, JobOutput]>([
    [
      'a transcription',
      {
        kind: 'transcription',
        text: 'a b',
        language: null,
        words: [{ text: 'a', startSeconds: 0.16, endSeconds: 0.44, confidence: 0.9966 }],
      },
    ],
    ['a translation', { kind: 'translation', text: 'ä' }],
    ['labels', { kind: 'labels', labels: [{ label: 'de', probability: 0.25 }] }],
    ['speech', { kind: 'speech', sampleRate: 16_000, pcm16: Uint8Array.of(1, 2, 3, 4) }],
    ['a vector', { kind: 'vector', values: Float32Array.of(1.5, -0.1, 3e-20) }],
  ])('%s comes as it was sent', (_, output) => {
    expect(decodeOutput(encodeOutput(output))).toEqual(output)
  })

  it('inputs and terms come as they were sent, and have one encoding', () => {
    const input = { kind: 'sound', sampleRate: 8000, pcm16: Uint8Array.of(1, 0) } as const
    expect(decodeInput(encodeInput(input))).toEqual(input)
    const terms: JobTerms = {
      task: 'speak',
      unit: '1000-characters',
      units: 2,
      priceWeiPerUnit: 10n ** 18n,
      audit: false,
      speedPermille: 900,
    }
    expect(decodeTerms(encodeTerms(terms))).toEqual(terms)
    const swapped = Object.fromEntries(Object.entries(terms).reverse()) as JobTerms
    expect(encodeTerms(swapped)).toEqual(encodeTerms(terms))
    expect(() => decodeTerms(encodeTerms(terms).subarray(1))).toThrow(UserError)
  })

  it('a refusal keeps its figures, and a bug tells nothing', () => {
    const details = { retryAfterSeconds: 7, haveWei: '1', needWei: '2' }
    const told = refusalOf(new UserError('no', { code: 'BUSY', details }))
    expect(asError(told, 'it')).toMatchObject({ code: 'BUSY', details })
    expect(refusalOf(new Error('secret path'))).toEqual({
      kind: 'refused',
      code: 'UNAVAILABLE',
      message: 'the job failed',
    })
  })
})

describe('offers', () => {
  it('come as they were signed; altered ones do not', () => {
    const message = signOffer(provider, content, NOW)
    expect(readOffer(message)).toMatchObject({ ...content, peerId: provider.peerId, sequence: NOW })
    for (const at of [40, message.length - 10]) {
      const altered = message.slice()
      altered[at] = (altered[at] ?? 0) ^ 1
      expect(() => readOffer(altered)).toThrow(UserError)
    }
  })

  it('may say how fast and how busy their provider is, within bounds, and what nobody can audit', () => {
    const [model] = content.models
    if (model === undefined) throw new Error('no model')
    const saying = (said: object) => ({ ...content, models: [{ ...model, ...said }], underWay: 3 })
    const said = { runMsPerSecond: 120, unaudited: true }
    expect(readOffer(signOffer(provider, saying(said), NOW))).toMatchObject({ underWay: 3, models: [said] })
    // As nodes that know nothing of this write them.
    expect(readOffer(signOffer(provider, content, NOW)).models[0]).not.toHaveProperty('unaudited')
    for (const runMsPerSecond of [0, -1, 1_000_001])
      expect(() => readOffer(signOffer(provider, saying({ runMsPerSecond }), NOW))).toThrow(UserError)
  })

  it('the newest of a provider stands, and none beyond its time', () => {
    let now = NOW
    const table = new OfferTable(() => now)
    expect(table.receive(signOffer(provider, content, NOW))).toBe('accept')
    expect(table.receive(signOffer(provider, content, NOW))).toBe('ignore')
    expect(table.receive(signOffer(provider, { ...content, queue: 1 }, NOW - 1))).toBe('ignore')
    expect(table.receive(signOffer(provider, { ...content, queue: 1 }, NOW + 1))).toBe('accept')
    expect(table.list()).toHaveLength(1)
    expect(table.get(provider.peerId)?.queue).toBe(1)
    // Neither from the future nor for ever.
    expect(table.receive(signOffer(provider, content, NOW + 3 * 3600_000))).toBe('reject')
    expect(table.receive(new Uint8Array(10))).toBe('reject')
    now += 31 * 60_000
    expect(table.list()).toEqual([])
    expect(table.get(provider.peerId)).toBeUndefined()
  })
})
