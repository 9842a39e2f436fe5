/** What of a paid job travels: input, terms and output. Refused in one line, or read into what encodes to the same bytes. */
import { describe, expect, it } from 'vitest'
import { type CborValue, decode } from '../../src/crypto/cbor.js'
import type { JobOutput } from '../../src/inference/job.js'
import {
  decodeInput,
  decodeOutput,
  decodeTerms,
  encodeInput,
  encodeOutput,
  encodeTerms,
  type JobTerms,
} from '../../src/inference/network/job-codec.js'
import { assaultCodec, fewRuns, readOrRefuse } from '../support/mutations.js'

const TERMS: JobTerms = {
  task: 'transcribe',
  unit: 'audio-second',
  units: 3,
  priceWeiPerUnit: 10n ** 12n,
  audit: true,
  language: 'en',
  targetLanguage: 'de',
  dictation: false,
  speedPermille: 1250,
}
const OUTPUTS: readonly JobOutput[] = [
  {
    kind: 'transcription',
    text: 'four two',
    language: 'en',
    words: [
      { text: 'four', startSeconds: 0.12, endSeconds: 0.5, confidence: 0.9876 },
      { text: 'two', startSeconds: 0.5, endSeconds: 1.234, confidence: 1 },
    ],
  },
  { kind: 'translation', text: 'vier zwei' },
  {
    kind: 'labels',
    labels: [
      { label: 'en', probability: 0.75 },
      { label: 'de', probability: 0.25 },
    ],
  },
  { kind: 'speech', sampleRate: 16_000, pcm16: Uint8Array.of(1, 0, 255, 127) },
  { kind: 'vector', values: Float32Array.of(0.25, -1, 3e38) },
]

describe('a job', () => {
  it.each([
    { kind: 'sound', sampleRate: 16_000, pcm16: Uint8Array.of(1, 0, 2, 0) },
    { kind: 'text', text: 'say it' },
  ] as const)('survives anything as its input of kind $kind', (input) => {
    const codec = { decode: decodeInput, encode: encodeInput }
    expect(assaultCodec({ ...input }, codec, fewRuns(0.05))).toBeGreaterThan(0)
  })

  it('survives anything as its terms', () => {
    const value = decode(encodeTerms(TERMS))
    const codec = { decode: decodeTerms, encode: encodeTerms }
    expect(assaultCodec(value, codec, fewRuns(0.1))).toBeGreaterThan(0)
  })

  it.each(OUTPUTS)('survives anything as its output of kind $kind', (output) => {
    const value: CborValue = decode(encodeOutput(output))
    const codec = { decode: decodeOutput, encode: encodeOutput }
    expect(assaultCodec(value, codec, fewRuns(0.05))).toBeGreaterThan(0)
  })

  it('is refused where it is larger than may be sent, without being read', () => {
    const large = new Uint8Array(15 * 2 ** 20 + 2048)
    for (const read of [decodeInput, decodeTerms, decodeOutput])
      expect(readOrRefuse(() => read(large))).toBe('refused')
  })
})
