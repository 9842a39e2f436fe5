import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { disagreement } from '../../../../src/inference/audit/agreement.js'
import { type Finding, readFinding, signFinding } from '../../../../src/inference/audit/finding.js'
import { FindingsIndex } from '../../../../src/inference/audit/findings-index.js'
import type { JobOutput } from '../../../../src/inference/job.js'
import { pcm16Of } from '../../../../src/ml/audio/pcm16.js'

const provider = Identity.generate()
const [a, b, c] = [Identity.generate(), Identity.generate(), Identity.generate()]

const findingOf = (
  auditor: Identity,
  index: number,
  verdict: 'good' | 'bad' | 'missing' | 'undecided',
  at = 100,
) =>
  signFinding(auditor, {
    provider: provider.publicKey,
    channelId: new Uint8Array(32).fill(1),
    index,
    receipt: new Uint8Array(32).fill(index),
    round: 5,
    verdict,
    reason: '',
    at,
  })

function recordOf(findings: readonly Finding[], { peerId } = provider) {
  const index = new FindingsIndex()
  for (const [n, each] of findings.entries()) index.add(String(n), each)
  return index.of(peerId)?.record
}

describe('findings', () => {
  it('are signed by their auditor, and say so', () => {
    const message = findingOf(a, 1, 'bad')
    expect(readFinding(message)).toMatchObject({ verdict: 'bad', index: 1, auditor: a.publicKey })
    const altered = message.slice()
    altered[altered.length - 80] = (altered[altered.length - 80] ?? 0) ^ 1
    expect(() => readFinding(altered)).toThrow()
  })

  it('make a record in which each receipt counts once, and one auditor does not overrule two', () => {
    const all = [
      findingOf(a, 1, 'good'),
      findingOf(a, 1, 'good'),
      findingOf(a, 2, 'bad', 200),
      findingOf(b, 2, 'good'),
      findingOf(c, 2, 'good'),
      findingOf(a, 3, 'missing', 300),
      findingOf(b, 3, 'bad', 310),
      findingOf(c, 4, 'undecided'),
    ].map(readFinding)
    expect(recordOf(all)).toEqual({
      provider: provider.peerId,
      audited: 3,
      failed: 1,
      unanswered: 1,
      isCut: false,
      lastFailure: 310,
    })
    const ofOne = all.filter(({ auditor }) => Buffer.compare(auditor, b.publicKey) === 0)
    expect(recordOf(ofOne)).toMatchObject({ audited: 2, failed: 1 })
    expect(recordOf(all, a)).toBeUndefined()
  })

  it('of one receipt acquit none that the provider signed beside it for the same place', () => {
    const beside = (auditor: Identity, verdict: Finding['verdict'], receipt: number, at = 100): Finding => {
      const { version: _, ...found } = readFinding(findingOf(auditor, 1, verdict, at))
      return readFinding(signFinding(auditor, { ...found, receipt: new Uint8Array(32).fill(receipt) }))
    }
    const blame = readFinding(findingOf(a, 1, 'bad'))
    expect(recordOf([blame, beside(b, 'good', 2), beside(c, 'good', 2)])).toMatchObject({
      audited: 1,
      failed: 1,
    })
    expect(recordOf([blame, beside(a, 'good', 2, 300)])).toMatchObject({ failed: 1, lastFailure: 100 })
    expect(recordOf([blame, beside(b, 'good', 1)])).toMatchObject({ failed: 0 })
    // That nothing was produced whoever was shown something takes back.
    expect(recordOf([beside(a, 'missing', 0), beside(b, 'good', 2)])).toMatchObject({ failed: 0 })
    // What it was silent about no other one answers for.
    const silent = beside(a, 'undecided', 3)
    expect(recordOf([silent, beside(b, 'good', 2)])).toMatchObject({ audited: 1, unanswered: 1 })
    expect(recordOf([beside(b, 'good', 2), silent, beside(c, 'good', 3)])).toMatchObject({ unanswered: 0 })
  })

  it('count as their auditor said last, in whatever order they come', () => {
    const [blame, acquittal, later] = [
      findingOf(a, 1, 'missing', 100),
      findingOf(a, 1, 'good', 200),
      findingOf(a, 1, 'bad', 300),
    ].map(readFinding) as [Finding, Finding, Finding]
    for (const all of [
      [blame, acquittal],
      [acquittal, blame],
    ])
      expect(recordOf(all)).toMatchObject({ audited: 1, failed: 0 })
    for (const all of [
      [blame, acquittal, later],
      [later, acquittal, blame],
    ])
      expect(recordOf(all)).toMatchObject({ audited: 1, failed: 1, lastFailure: 300 })
    // Of one second: what acquits.
    const same = [findingOf(a, 1, 'good', 300), findingOf(a, 1, 'bad', 300)].map(readFinding)
    expect(recordOf(same)).toMatchObject({ failed: 0 })
    expect(recordOf(same.toReversed())).toMatchObject({ failed: 0 })
  })
})

describe('a record', () => {
  it('is the same whatever came between, in whatever order it came and went', () => {
    const verdicts = ['good', 'bad', 'missing', 'undecided'] as const
    const all = [a, b].flatMap((auditor) =>
      verdicts.flatMap((verdict) =>
        [1, 2].flatMap((receipt): readonly Finding[] => {
          const { version: _, ...found } = readFinding(findingOf(auditor, 1, verdict))
          return [readFinding(signFinding(auditor, { ...found, receipt: new Uint8Array(32).fill(receipt) }))]
        }),
      ),
    )
    const numbers = fc.uniqueArray(fc.nat({ max: all.length - 1 }))
    fc.assert(
      fc.property(numbers, fc.infiniteStream(fc.boolean()), (order, stays) => {
        const index = new FindingsIndex()
        const kept: Finding[] = []
        const gone: number[] = []
        for (const n of order) {
          const finding = all[n] as Finding
          index.add(String(n), finding)
          if (stays.next().value === true) kept.push(finding)
          else gone.push(n)
        }
        for (const n of gone) index.delete(String(n), all[n] as Finding)
        expect(index.of(provider.peerId)?.record).toEqual(recordOf(kept.toReversed()))
      }),
    )
  })
})

describe('two outputs', () => {
  const heard = (text: string, end = 1): JobOutput => ({
    kind: 'transcription',
    text,
    language: 'en',
    words: text.split(' ').map((word) => ({ text: word, startSeconds: 0, endSeconds: end, confidence: 0.5 })),
  })
  const vector = (...values: number[]): JobOutput => ({ kind: 'vector', values: Float32Array.from(values) })
  const labels = (...all: readonly (readonly [string, number])[]): JobOutput => ({
    kind: 'labels',
    labels: all.map(([label, probability]) => ({ label, probability })),
  })

  /** Two seconds of a tone of 16 kHz, of which a part may lack. */
  const speech = (loudness: number, lacks: readonly [number, number] = [0, 0], noise = 0): JobOutput => {
    const samples = Float32Array.from({ length: 32_000 }, (_, i) =>
      i >= lacks[0] && i < lacks[1] ? 0 : loudness * Math.sin(i / 9) + (i % 2 === 0 ? noise : -noise),
    )
    return { kind: 'speech', sampleRate: 16_000, pcm16: pcm16Of(samples) }
  }

  it.each([
    ['the same words a frame apart', heard('a b', 1), heard('a b', 1.04), true],
    ['another word', heard('a b'), heard('a c'), false],
    ['words elsewhere', heard('a b', 1), heard('a b', 2), false],
    ['vectors up to rounding', vector(1, 2, 3), vector(1.00001, 2, 3), true],
    ['another vector', vector(1, 2, 3), vector(1, 2, -3), false],
    ['a shorter vector', vector(1, 2, 3), vector(1, 2), false],
    ['labels as close as can be', labels(['x', 0.5], ['y', 0.495]), labels(['y', 0.5], ['x', 0.496]), true],
    ['another label', labels(['x', 0.9], ['y', 0.1]), labels(['y', 0.9], ['x', 0.1]), false],
    ['speech up to rounding', speech(0.1), speech(0.1, [0, 0], 0.001), true],
    ['speech of a low voice up to rounding', speech(0.01), speech(0.01, [0, 0], 0.0005), true],
    ['speech without a syllable', speech(0.1), speech(0.1, [20_000, 21_200]), false],
    ['silence for a low voice', speech(0.02), speech(0), false],
    ['silence for silence', speech(0), speech(0), true],
    ['another kind', heard('a'), vector(1), false],
  ] as const)('%s', (_, one, other, agree) => {
    expect(disagreement(one, other) === undefined).toBe(agree)
    expect(disagreement(other, one) === undefined).toBe(agree)
    expect(disagreement(one, one)).toBeUndefined()
  })
})
