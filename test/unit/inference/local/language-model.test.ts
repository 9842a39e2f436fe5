/** Jobs on a recogniser that hears with n-grams: decoded with them wherever they run, and audited with them. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { disagreement } from '../../../../src/inference/audit/agreement.js'
import { readCard } from '../../../../src/inference/catalogue/card.js'
import { Catalogue } from '../../../../src/inference/catalogue/catalogue.js'
import type { Job, JobOutput, ServedModel } from '../../../../src/inference/job.js'
import { LocalJobs } from '../../../../src/inference/local/local-jobs.js'
import { LocalModel } from '../../../../src/inference/local/local-model.js'
import { pcm16Of } from '../../../../src/ml/audio/pcm16.js'
import { readWav } from '../../../../src/ml/audio/wav-read.js'
import { publishNgrams, WEIGHTS, writeRecogniser } from '../../../support/ngram-recogniser.js'
import { firstCase } from '../../models/checkpoint-copies.js'

const SLOW = 120_000

describe('a recogniser that hears with n-grams', () => {
  let dataDir: string
  let checkpoint: string
  let arpa: string
  let jobs: LocalJobs
  let models: readonly ServedModel[]
  let spoken: Job['input']

  const open = (names: readonly string[], runtime: 'native' | 'web' = 'native') =>
    LocalJobs.open({ dataDir, names, niceness: 0, threads: 1, runtime })
  const jobOf = (name: string): Job => {
    const model = models.find(({ id }) => id === name)?.sha256 ?? ''
    return { task: 'transcribe', model, input: spoken, parameters: {} }
  }
  const heard = async (by: LocalJobs, name: string) => {
    const { output } = await by.run(jobOf(name))
    if (output.kind !== 'transcription') throw new Error(`heard ${output.kind}`)
    return output
  }

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'ngrams-served-'))
    checkpoint = join(dataDir, 'checkpoint')
    await writeRecogniser(checkpoint)
    arpa = await publishNgrams(checkpoint)
    const catalogue = await Catalogue.open(dataDir)
    await catalogue.add(await readCard(checkpoint, 'with'))
    await catalogue.add(await readCard(checkpoint, 'without', 'fp32', { given: null }))
    jobs = await open(['with', 'without'])
    models = await jobs.models()
    const { sampleRate, channels } = readWav(await readFile('test/fixtures/speech/accept-this-call.wav'))
    spoken = { kind: 'sound', sampleRate, pcm16: pcm16Of(channels[0] ?? new Float32Array()) }
  }, SLOW)
  afterAll(async () => {
    await jobs?.close()
    await rm(dataDir, { recursive: true })
  })

  it('is offered as such, and decides otherwise than without', { timeout: SLOW }, async () => {
    expect(models.map(({ id, hearsWithNgrams }) => [id, hearsWithNgrams])).toEqual([
      ['with', true],
      ['without', undefined],
    ])
    // Both at once: two entries of one directory are two models, in processes of their own.
    const [first, second] = await Promise.all([heard(jobs, 'with'), heard(jobs, 'without')])
    expect(disagreement(first, second)).toBe('the text')

    const { alpha, beta } = WEIGHTS
    const asked = await LocalModel.open(await readCard(checkpoint, 'x', 'fp32', { given: null }), {
      threads: 1,
      languageModel: { path: arpa, alpha, beta },
    })
    const sound = { pcm16: spoken.kind === 'sound' ? spoken.pcm16 : new Uint8Array(), sampleRate: 16_000 }
    const own = await asked.transcribe(sound)
    await asked.close()
    // As `transcribe --local --lm` hears it, words and their times as well.
    expect([first.text, first.words]).toEqual([own.text, own.words])
    expect(first.words.length).toBeGreaterThan(1)
    expect(first.words.map(({ text }) => text).join(' ')).toBe(first.text)
  })

  it('decides the same natively and in WebAssembly, and tells its text on the way', {
    timeout: SLOW,
  }, async () => {
    const web = await open(['with'], 'web')
    try {
      await web.models()
      const native = await heard(jobs, 'with')
      expect(disagreement(await heard(web, 'with'), native)).toBeUndefined()
      const parts: string[] = []
      await jobs.run(jobOf('with'), { onText: (text) => parts.push(text.trim()) })
      expect(parts.join(' ')).toBe(native.text)
    } finally {
      await web.close()
    }
  })

  it('takes memory for them, and says what it lacks', async () => {
    const model = await readCard(checkpoint, 'large', 'fp32', { given: { path: arpa } })
    const { languageModel } = model
    if (languageModel === null) throw new Error('no n-grams')
    const announced = join(dataDir, 'large.arpa')
    await writeFile(announced, '\\data\\\nngram 1=7000000\n\n\\1-grams:\n-1\ttea\n-1\thats\n')
    const opening = LocalModel.open(
      { ...model, languageModel: { ...languageModel, path: announced } },
      { threads: 1, memoryBytes: model.memoryBytes + 2 ** 30 },
    )
    // 310 bytes a word: 2.02 GiB beside what the model takes by itself.
    await expect(opening).rejects.toThrow(/large does not fit: have 1\.\d\d GiB, need 2\.\d\d GiB/)
  })

  it('of several languages hears the one of its n-grams alone', { timeout: SLOW }, async () => {
    const mms = firstCase('03')
    const [own, other] = mms.about.languages as [string, string]
    const vocabulary = JSON.parse(await readFile(join(mms.folder, 'vocab.json'), 'utf8'))[other] as object
    const letters = Object.keys(vocabulary).filter((each) => /^\p{L}$/u.test(each))
    const path = join(dataDir, 'other.arpa')
    const grams = letters.map((letter) => `-1\t${letter}${letter}`)
    const counts = ['\\data\\', `ngram 1=${grams.length}`, '\n\\1-grams:']
    await writeFile(path, [...counts, ...grams, '\n\\end\\\n'].join('\n'))
    const catalogue = await Catalogue.open(dataDir)
    const given = { path, alpha: 0, beta: 0 }
    await catalogue.add(await readCard(mms.folder, 'mms-other', 'fp32', { given, language: other }))
    const pinned = await open(['mms-other'])
    try {
      const [served] = await pinned.models()
      expect(served?.languages).toEqual([other])
      const job = (language?: string): Job => ({
        ...jobOf(''),
        model: served?.sha256 ?? '',
        input: { kind: 'sound', sampleRate: 16_000, pcm16: pcm16Of(mms.floats('audio.0')) },
        parameters: language === undefined ? {} : { language },
      })
      const outputs: JobOutput[] = []
      for (const language of [undefined, other]) outputs.push((await pinned.run(job(language))).output)
      expect(outputs[0]).toMatchObject({ kind: 'transcription', language: other })
      expect(outputs[1]).toEqual(outputs[0])
      await expect(pinned.run(job(own))).rejects.toThrow(`mms-other does not know the language "${own}"`)
    } finally {
      await pinned.close()
    }
  })
})
