/**
 * Published recognisers with a language model and without silence, as a person runs them. The checkpoint is a golden
 * case: what it hears is nonsense, and the same nonsense each time.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readWav } from '../../src/ml/audio/wav-read.js'
import { align, beamSearch, logSoftmaxRows, readAlphabet, readArpa } from '../../src/models/ctc/index.js'
import { frameGeometry } from '../../src/models/speech/chunks.js'
import { Recogniser } from '../../src/models/wav2vec2/recogniser.js'
import { publishNgrams, WEIGHTS, writeRecogniser } from '../support/ngram-recogniser.js'
import { cli, ensureBuilt } from './cli-process.js'

const spoken = fileURLToPath(new URL('../fixtures/speech/accept-this-call.wav', import.meta.url))
let home: string
let checkpoint: string
let arpa: string
beforeAll(async () => {
  ensureBuilt()
  home = mkdtempSync(join(tmpdir(), 'plumbline-decoding-'))
  checkpoint = join(home, 'checkpoint')
  await writeRecogniser(checkpoint)
  arpa = await publishNgrams(checkpoint, undefined)
}, 120_000)
afterAll(() => rmSync(home, { recursive: true, force: true }))

const transcribe = (...args: readonly string[]) =>
  cli(['transcribe', spoken, '--local', '--threads', '1', '--model', checkpoint, '--data-dir', home, ...args])

describe('transcribe --lm', { timeout: 300_000 }, () => {
  it('hears what the beam finds, at the times of the path that spells it', async () => {
    const recogniser = await Recogniser.open(checkpoint, { threads: 1 })
    const { channels, sampleRate } = readWav(readFileSync(spoken))
    expect(sampleRate).toBe(recogniser.model.waveform.sampleRate)
    const [row] = await recogniser.transcribe([channels[0] ?? new Float32Array(0)])
    const alphabet = await readAlphabet(checkpoint, recogniser.tokenizer)
    const { samplesPerFrame } = frameGeometry(recogniser.model.config.frontEnd.layers)
    const secondsPerFrame = samplesPerFrame / sampleRate
    await recogniser.close()
    if (row === undefined) throw new Error('no row')
    const scores = logSoftmaxRows(row.logits, row.frames, row.vocabulary)
    const languageModel = await readArpa(arpa)
    const unknownWord = -10 * Math.LN10
    const [expected] = beamSearch(scores, alphabet, {
      languageModel,
      alpha: 2,
      beta: 20,
      unknownWord,
      beamThreshold: 25,
    })
    if (expected === undefined) throw new Error('the beam found nothing')
    const { spans } = align(scores, expected.tokens, alphabet.blank)

    const weights = ['--lm-weight', '2', '--word-bonus', '20']
    const { status, stdout, stderr } = await transcribe('--lm', arpa, ...weights, '--json')
    expect(stderr).toBe('')
    expect(status).toBe(0)
    const { text, words, languageModel: named } = JSON.parse(stdout)
    expect(named).toBe(arpa)
    expect(words.map((word: { text: string }) => word.text)).toEqual(expected.words)
    expect(text).toBe(expected.text)
    expect(words.length).toBeGreaterThan(1)
    expect(words[0].startSeconds).toBeCloseTo((spans[0]?.start ?? 0) * secondsPerFrame, 6)
    expect(words.at(-1).endSeconds).toBeCloseTo((spans.at(-1)?.end ?? 0) * secondsPerFrame, 6)

    // The checkpoint was published with the same file: it hears with it unless that is unwanted.
    const own = await transcribe('--lm', 'auto', ...weights)
    expect(own).toEqual({ status: 0, stdout: `${text}\n`, stderr: '' })
    await publishNgrams(checkpoint, { ...WEIGHTS, alpha: 2, beta: 20 })
    expect(await transcribe()).toEqual(own)
    const greedy = await transcribe('--lm', 'none')
    expect(greedy).toMatchObject({ status: 0, stderr: '' })
    expect(greedy.stdout).not.toContain(text)
  })
})
