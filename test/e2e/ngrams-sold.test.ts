/**
 * A recogniser with n-grams on the market, all of it real: a provider's daemon sells what they decide, a command and a
 * gateway buy it, and an audit finds it right.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Catalogue } from '../../src/inference/catalogue/catalogue.js'
import { LocalModel } from '../../src/inference/local/local-model.js'
import { readWav } from '../../src/ml/audio/wav-read.js'
import { whyNoLoopback } from '../support/local-network.js'
import { Market } from '../support/market.js'
import { NGRAMS, WEIGHTS, writeRecogniser } from '../support/ngram-recogniser.js'
import { temporaryFile } from '../unit/ml/files-support.js'
import { ensureBuilt } from './cli-process.js'

/** The models of audits run when nothing else does. */
const SLOW = 600_000
const RECORDING = 'test/fixtures/speech/accept-this-call.wav'
const none = await whyNoLoopback()

describe.skipIf(none !== undefined)('a recogniser with n-grams', () => {
  let market: Market
  let checkpoint: string

  beforeAll(async () => {
    ensureBuilt()
    market = await Market.open({ priceWei: 1n, provider: { models: ['heard=1000 gwei'], threads: 1 } })
    checkpoint = join(market.network.directory, 'checkpoint')
    await writeRecogniser(checkpoint)
    const arpa = temporaryFile(NGRAMS, '2gram.arpa')
    const weights = ['--lm-weight', String(WEIGHTS.alpha), '--word-bonus', String(WEIGHTS.beta)]
    // Both ends have the same files, each in its own catalogue.
    for (const { dataDir } of [market.provider, market.client]) {
      const added = await run(
        dataDir,
        'models',
        'add',
        checkpoint,
        '--name',
        'heard',
        '--lm',
        arpa,
        ...weights,
      )
      expect(added.code, added.stderr).toBe(0)
    }
    await market.serve()
  }, SLOW)
  afterAll(() => market?.close(), SLOW)

  const run = (dataDir: string, ...args: readonly string[]) =>
    market.network.run([...args, '--data-dir', dataDir, '--json'])

  it('is sold, bought and audited with them', { timeout: SLOW }, async () => {
    const { dataDir } = market.client
    const from = ['--provider', market.provider.address, '--model', 'heard']
    const { code, stdout, stderr } = await run(dataDir, 'transcribe', RECORDING, ...from)
    expect(code, stderr).toBe(0)
    const bought = JSON.parse(stdout)
    const { sampleRate, channels } = readWav(await readFile(RECORDING))
    const card = (await Catalogue.open(dataDir)).get('heard')
    const hear = async (languageModel?: null) => {
      const model = await LocalModel.open(card, {
        threads: 1,
        ...(languageModel === undefined ? {} : { languageModel }),
      })
      const heard = await model.transcribe({ samples: channels[0] ?? new Float32Array(), sampleRate })
      await model.close()
      return heard
    }
    const here = await hear()
    expect(bought.text).toBe(here.text)
    expect(bought.text).not.toBe((await hear(null)).text)
    expect(bought.words.length).toBeGreaterThan(1)
    for (const [i, { text, startSeconds, endSeconds }] of here.words.entries()) {
      expect(bought.words[i].text).toBe(text)
      // They travel as whole milliseconds.
      expect(bought.words[i].startSeconds).toBeCloseTo(startSeconds, 2)
      expect(bought.words[i].endSeconds).toBeCloseTo(endSeconds, 2)
    }

    const { baseUrl, process } = await market.sell()
    const openai = new OpenAI({ baseURL: baseUrl, apiKey: 'none', maxRetries: 0 })
    const file = await toFile(await readFile(RECORDING), 'clip.wav')
    const asked = { file, model: 'heard', response_format: 'verbose_json' } as const
    const { text, words } = await openai.audio.transcriptions.create({
      ...asked,
      timestamp_granularities: ['word'],
    })
    expect(text).toBe(here.text)
    expect(words?.map(({ start }) => start)).toEqual(
      bought.words.map((word: { startSeconds: number }) => word.startSeconds),
    )
    expect((await process.stop()).code).toBe(0)

    const audit = await run(dataDir, 'audit', '--all')
    expect(audit.code, audit.stderr).toBe(0)
    const { jobs } = JSON.parse(audit.stdout) as { readonly jobs: readonly { readonly verdict: string }[] }
    expect(jobs.map(({ verdict }) => verdict)).toEqual(['good', 'good'])
  })
})
