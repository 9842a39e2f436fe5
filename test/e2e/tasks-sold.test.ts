/**
 * Everything but transcriptions, bought: translations, languages, speech and embeddings, by an app with the official
 * client through a gateway and by the commands, from a provider's daemon on a real chain. The models are the golden cases'
 * tiny checkpoints, which the buyer does not have; what comes is what they say run here.
 */
import { createReadStream, readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataPaths } from '../../src/config/paths.js'
import { isSealed } from '../../src/crypto/sealing.js'
import { readCard, type Task } from '../../src/inference/catalogue/card.js'
import { Catalogue } from '../../src/inference/catalogue/catalogue.js'
import type { JobAnswer, JobInput, SoundInput } from '../../src/inference/job.js'
import { LocalJobs } from '../../src/inference/local/local-jobs.js'
import { pcm16Of } from '../../src/ml/audio/pcm16.js'
import { readWav } from '../../src/ml/audio/wav-read.js'
import { whyNoLoopback } from '../support/local-network.js'
import { Market, type RunningGateway } from '../support/market.js'
import type { NodeProcess } from '../support/node-process.js'
import { firstCase } from '../unit/models/checkpoint-copies.js'

const SLOW = 240_000
const RECORDING = 'test/fixtures/speech/accept-this-call.wav'
/** Of a second of sound, and of a thousand letters begun: a job of each is worth the gas of its redemption. */
const PRICE_WEI = 10n ** 14n
const GOLDEN = { translator: '11a', identifier: '04', voice: '10a', words: '08' } as const
const SENTENCE = 'the cat is on the mat'
const none = await whyNoLoopback()

const soundOf = (bytes: Uint8Array): SoundInput => {
  const { sampleRate, channels } = readWav(bytes)
  return { kind: 'sound', sampleRate, pcm16: pcm16Of(channels[0] ?? new Float32Array()) }
}

describe.skipIf(none !== undefined)('every task is sold', () => {
  let market: Market
  let serving: NodeProcess
  let local: LocalJobs
  let paidWei = 0n

  /** The same job run here. */
  const direct = async (name: string, task: Task, input: JobInput): Promise<JobAnswer['output']> => {
    const model = (await local.models()).find(({ id }) => id === name)
    return (await local.run({ task, model: model?.sha256 ?? '', input, parameters: {} })).output
  }

  beforeAll(async () => {
    const models = [...Object.keys(GOLDEN), 'asr-small'].map((name) => `${name}=${PRICE_WEI} wei`)
    market = await Market.open({ priceWei: PRICE_WEI, provider: { models, threads: 1 } })
    const catalogue = await Catalogue.open(market.provider.dataDir)
    for (const [name, number] of Object.entries(GOLDEN))
      await catalogue.add(await readCard(firstCase(number).folder, name))
    // As many threads as there: sums of floats are told apart by their order.
    local = await LocalJobs.open({ dataDir: market.provider.dataDir, niceness: 0, threads: 1 })
    serving = await market.serve()
  }, SLOW)
  afterAll(async () => {
    await local?.close()
    await market?.close()
  }, SLOW)

  describe('to an app with the official client', () => {
    let gateway: RunningGateway
    let openai: OpenAI
    beforeAll(async () => {
      gateway = await market.sell()
      openai = new OpenAI({ baseURL: gateway.baseUrl, apiKey: 'none', maxRetries: 0 })
    }, SLOW)
    afterAll(() => gateway?.process.stop(), SLOW)

    /** It says who did it and for how much, and that is counted. */
    const requirePaid = ({ headers }: Response): void => {
      expect(headers.get('x-plumbline-provider')).toBe(market.provider.identity.peerId)
      const receipts = headers.get('x-plumbline-receipt')?.split(', ') ?? []
      for (const each of receipts) expect(each).toMatch(/^[0-9a-f]{64}$/)
      const priceWei = BigInt(headers.get('x-plumbline-price-wei') ?? 0)
      expect(priceWei).toBe(PRICE_WEI * BigInt(headers.get('x-plumbline-units') ?? 0))
      expect(priceWei).toBeGreaterThan(0n)
      paidWei += priceWei
    }

    it('a translation', { timeout: SLOW }, async () => {
      const { data, response } = await openai.audio.translations
        .create({ file: createReadStream(RECORDING), model: 'translator' })
        .withResponse()
      requirePaid(response)
      const expected = await direct('translator', 'translate', soundOf(readFileSync(RECORDING)))
      expect({ kind: 'translation', text: data.text }).toEqual(expected)
    })

    it('the language of a recording', { timeout: SLOW }, async () => {
      const form = new FormData()
      form.set('file', new Blob([new Uint8Array(readFileSync(RECORDING))]), 'a.wav')
      form.set('model', 'identifier')
      const response = await fetch(`${gateway.baseUrl}/audio/language`, { method: 'POST', body: form })
      const { language } = (await response.json()) as { readonly language: string }
      requirePaid(response)
      const labels = await direct('identifier', 'identify', soundOf(readFileSync(RECORDING)))
      expect(language).toBe(labels.kind === 'labels' ? labels.labels[0]?.label : undefined)
    })

    it('speech', { timeout: SLOW }, async () => {
      const { data, response } = await openai.audio.speech
        .create({ model: 'voice', voice: 'alloy', input: SENTENCE, response_format: 'wav' })
        .withResponse()
      requirePaid(response)
      const { pcm16, sampleRate } = soundOf(new Uint8Array(await data.arrayBuffer()))
      const expected = await direct('voice', 'speak', { kind: 'text', text: SENTENCE })
      if (expected.kind !== 'speech') throw new Error('the voice said nothing')
      expect(sampleRate).toBe(expected.sampleRate)
      expect(Buffer.compare(pcm16, expected.pcm16)).toBe(0)
    })

    it('embeddings of two texts', { timeout: SLOW }, async () => {
      const input = [SENTENCE, 'another one']
      const { data, response } = await openai.embeddings.create({ model: 'words', input }).withResponse()
      requirePaid(response)
      expect(response.headers.get('x-plumbline-receipt')?.split(', ')).toHaveLength(2)
      for (const [i, { embedding }] of data.data.entries()) {
        const expected = await direct('words', 'embed', { kind: 'text', text: input[i] ?? '' })
        expect(embedding).toEqual(expected.kind === 'vector' ? [...expected.values] : [])
      }
    })
  })

  describe('to the commands', () => {
    const buy = async (args: readonly string[]): Promise<Record<string, unknown>> => {
      const where = ['--provider', market.provider.address, '--data-dir', market.client.dataDir, '--json']
      const { code, stdout, stderr } = await market.network.run([...args, ...where])
      expect(code, stderr).toBe(0)
      expect(stderr).toContain('Sending it to')
      const result = JSON.parse(stdout) as Record<string, unknown>
      expect(result.provider).toBe(market.provider.identity.peerId)
      expect(result.receipt).toMatch(/^[0-9a-f]{64}/)
      paidWei += BigInt(String(result.priceWei))
      return result
    }

    it('translate, identify, speak and embed', { timeout: SLOW }, async () => {
      const sound = soundOf(readFileSync(RECORDING))
      const translated = await direct('translator', 'translate', sound)
      expect(await buy(['translate', RECORDING, '--model', 'translator'])).toMatchObject({
        text: translated.kind === 'translation' ? translated.text : '',
      })
      const labels = await direct('identifier', 'identify', sound)
      const [first] = labels.kind === 'labels' ? labels.labels : []
      expect(JSON.stringify(await buy(['identify', RECORDING, '--model', 'identifier']))).toContain(
        `"${first?.label}"`,
      )
      const out = join(market.network.directory, 'said.wav')
      await buy(['speak', SENTENCE, '--model', 'voice', '--out', out])
      const said = await direct('voice', 'speak', { kind: 'text', text: SENTENCE })
      const { pcm16 } = soundOf(readFileSync(out))
      expect(said.kind === 'speech' && Buffer.compare(pcm16, said.pcm16)).toBe(0)
      const vector = await direct('words', 'embed', { kind: 'text', text: SENTENCE })
      const { vector: bought } = await buy(['embed', SENTENCE, '--model', 'words'])
      expect(Float32Array.from(bought as number[])).toEqual(vector.kind === 'vector' ? vector.values : [])
    })
  })

  it('what is kept for auditors is sealed on the disk', async () => {
    const { soldEvidence } = dataPaths(market.provider.dataDir)
    const names = (await readdir(soldEvidence)).filter((name) => name.endsWith('.evidence'))
    expect(names.length).toBeGreaterThan(0)
    for (const name of names) {
      // The draw may take it away meanwhile.
      const content = await readFile(join(soldEvidence, name)).catch(() => undefined)
      if (content !== undefined) expect(isSealed(content)).toBe(true)
    }
  })

  it('and the provider gets what was paid, to the wei', { timeout: SLOW }, async () => {
    expect((await serving.stop()).code).toBe(0)
    expect(paidWei).toBeGreaterThan(0n)
    expect((await market.channel()).redeemedWei).toBe(paidWei)
  })
})
