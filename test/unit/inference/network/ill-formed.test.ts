/** What cannot be sent, or be an answer, is told as somebody's mistake, not met as a bug. */
import { describe, expect, it } from 'vitest'
import { encode } from '../../../../src/crypto/cbor.js'
import { UserError } from '../../../../src/errors.js'
import type { JobOutput } from '../../../../src/inference/job.js'
import { decodeOutput, encodeInput, encodeOutput } from '../../../../src/inference/network/job-codec.js'

const HALF = 'a\ud800b'
const word = { text: HALF, startSeconds: 0, endSeconds: 1, confidence: 1 }

function thrown(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error
  }
}

describe('half a character', () => {
  it('in a text is the mistake of whoever sends it', () => {
    const error = thrown(() => encodeInput({ kind: 'text', text: HALF }))
    expect(error).toBeInstanceOf(UserError)
    expect(error).toMatchObject({ code: 'BAD_ARGUMENT', remedy: 'send well-formed Unicode' })
  })

  it.each<JobOutput>([
    { kind: 'transcription', text: HALF, language: null, words: [] },
    { kind: 'transcription', text: 'a', language: null, words: [word] },
    { kind: 'translation', text: HALF },
    { kind: 'labels', labels: [{ label: HALF, probability: 1 }] },
  ])('in an answer is no answer: %j', (output) => {
    const error = thrown(() => encodeOutput(output))
    expect(error).toBeInstanceOf(UserError)
    expect(error).toMatchObject({ code: 'BAD_MESSAGE' })
  })
})

it('half a sample is no sound', () => {
  const coded = encode({ kind: 'speech', sampleRate: 16_000, pcm16: new Uint8Array(3) })
  expect(thrown(() => decodeOutput(coded))).toMatchObject({ code: 'BAD_MESSAGE' })
})
