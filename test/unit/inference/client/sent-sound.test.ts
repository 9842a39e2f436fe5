/** Sound of more than 48 kHz: resampled before it is sent, and refused by who runs it. */
import { describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import type { ModelCard } from '../../../../src/inference/catalogue/card.js'
import { KnownModels } from '../../../../src/inference/catalogue/known-models.js'
import { NetworkJobs } from '../../../../src/inference/client/network-jobs.js'
import { withSentSound } from '../../../../src/inference/client/sent-sound.js'
import type { Job } from '../../../../src/inference/job.js'
import type { LocalJobs } from '../../../../src/inference/local/local-jobs.js'
import { checkJob } from '../../../../src/inference/local/run-job.js'
import { priceList } from '../../../../src/inference/provider/price-list.js'
import { Provider } from '../../../../src/inference/provider/provider.js'
import { unitsOf } from '../../../../src/inference/units.js'
import { pcm16Of, samplesOfPcm16 } from '../../../../src/ml/audio/pcm16.js'
import { silentLogger } from '../../../../src/telemetry/logger.js'
import { addressOf, startHost } from '../../p2p/hosts.js'
import { heard, served } from '../gateway/scripted-source.js'

const MODEL = 'ab'.repeat(32)
/** A tone. */
function jobOf(sampleRate: number, seconds: number, hz = 1000): Job {
  const samples = Float32Array.from(
    { length: Math.round(sampleRate * seconds) },
    (_, i) => 0.5 * Math.sin((2 * Math.PI * hz * i) / sampleRate),
  )
  return {
    task: 'transcribe',
    model: MODEL,
    input: { kind: 'sound', sampleRate, pcm16: pcm16Of(samples) },
    parameters: {},
  }
}
const soundOf = ({ input }: Job) => {
  if (input.kind !== 'sound') throw new Error('no sound')
  return input
}

describe('sound that is sent', () => {
  it('is left as it is up to 48 kHz', async () => {
    for (const rate of [8000, 16_000, 48_000]) {
      const job = jobOf(rate, 0.1)
      expect(await withSentSound(job)).toBe(job)
    }
  })

  it.each([96_000, 88_200, 192_000])('of %i Hz becomes the same sound at 48 kHz', async (rate) => {
    // More than is resampled at once.
    const seconds = 7.25
    const job = jobOf(rate, seconds)
    const sent = soundOf(await withSentSound(job))
    expect(sent.sampleRate).toBe(48_000)
    const samples = samplesOfPcm16(sent.pcm16)
    expect(samples).toHaveLength(Math.ceil(seconds * 48_000))
    const expected = samplesOfPcm16(soundOf(jobOf(48_000, seconds)).pcm16)
    for (let i = 1000; i < samples.length - 1000; i += 97)
      expect(Math.abs((samples[i] ?? 0) - (expected[i] ?? 0))).toBeLessThan(0.01)
    expect(unitsOf('audio-second', sent)).toBe(unitsOf('audio-second', soundOf(job)))
  })

  it('is given up with its job', async () => {
    await expect(withSentSound(jobOf(96_000, 1), AbortSignal.abort(new Error('enough')))).rejects.toThrow(
      'enough',
    )
  })

  it('reaches a provider so', async () => {
    const signer = Identity.generate()
    const host = await startHost({}, signer)
    const rates: number[] = []
    const jobs = {
      models: async () => [served({ sha256: MODEL })],
      run: async (job: Job) => {
        rates.push(soundOf(job).sampleRate)
        return heard('hello')
      },
      length: 0,
      retryAfterSeconds: 1,
    } as unknown as LocalJobs
    const terms = { nonCommercial: undefined, queue: 8, jobsPerClient: 8, keptSeconds: 0 }
    const prices = priceList(['recogniser=0 wei'])
    await new Provider({ prices, ...terms }, { host, signer, jobs, log: silentLogger }).start()
    const buyer = new NetworkJobs(
      { providers: [addressOf(host)], exposureWei: 0n },
      {
        host: await startHost({ listen: [] }),
        log: silentLogger,
        knownModels: async () => new KnownModels([]),
      },
    )
    buyer.start()
    await buyer.run(jobOf(192_000, 1))
    await buyer.run(jobOf(16_000, 1))
    await buyer.close()
    expect(rates).toEqual([48_000, 16_000])
  })
})

it('sound of more than 48 kHz is run by nobody', () => {
  const card = { name: 'recogniser', task: 'transcribe', family: 'asr-small', languages: ['en'] }
  const limits = { mostSoundSeconds: 600, mostCharacters: 1000 }
  const check = (rate: number) => () => checkJob(card as unknown as ModelCard, jobOf(rate, 1), limits)
  expect(check(48_000)).not.toThrow()
  expect(check(96_000)).toThrow(/the sound has 96000 Hz, and 4000 to 48000 Hz are taken/)
  expect(check(192_000)).toThrow()
})
