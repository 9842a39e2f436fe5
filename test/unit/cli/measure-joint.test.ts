/** What `measure --with` and `lab --provers` refuse and say. */
import { describe, expect, it } from 'vitest'
import { checkLabJoint, jointLabText } from '../../../src/cli/lab-joint.js'
import { checkJoint, jointSummary } from '../../../src/cli/measure-joint.js'
import type { JointResult } from '../../../src/roles/joint-result.js'

const figures = (estimateMbps: number, guaranteedMbps: number, path: string) => ({
  estimateMbps,
  guaranteedMbps,
  transcript: { path, sha256: '00' },
})
const result: JointResult = {
  joint: [
    {
      prover: '16Uiu2HAm1111111111AAAAAAAA',
      alone: figures(100, 98, 'a.pob'),
      together: figures(52, 50, 'c.pob'),
    },
    {
      prover: '16Uiu2HAm1111111111BBBBBBBB',
      alone: figures(99, 97, 'b.pob'),
      together: figures(48, 47, 'd.pob'),
    },
  ],
  sharedLink: {
    verdict: 'shared',
    estimateMbps: 100,
    guaranteedMbps: 97.5,
    sumMbps: 195,
    creditMbps: 97.5,
    sharePct: 50,
    thresholdPct: 80,
    attempts: 1,
    assumptions: 'holds if at most 2 of these 10 challengers are corrupt',
  },
  jointTranscript: { path: 'both.joint', sha256: '00' },
}

describe('several provers measured together', () => {
  it('are shown alone and together, with the verdict in words and what may be credited', () => {
    const text = jointSummary(result, (path) => `plumbline verify ${path}`)
    for (const part of ['..AAAAAAAA', '100.0 | 98.0', '48.0 | 47.0', 'they share one link', '97.5 Mbit/s'])
      expect(text).toContain(part)
    expect(text.replace(/\s+/g, ' ')).toContain('50 % of the sum; below 80 % is shared')
    expect(text).toContain('plumbline verify both.joint')
    const separate = { ...result, sharedLink: { ...result.sharedLink, verdict: 'separate' as const } }
    expect(jointSummary(separate, (path) => path)).toContain('their links are separate')
  })

  const plain = {
    with: ['16Uiu2HAm'],
    direction: 'down',
    profile: 'standard',
    available: false,
    onChain: false,
    rpc: undefined,
    every: undefined,
    dataCap: undefined,
  }
  it.each([
    ['--direction', { direction: 'both' }],
    ['--profile', { profile: 'quick' }],
    ['--available', { available: true }],
    ['--on-chain', { onChain: true }],
    ['--rpc', { rpc: ['http://127.0.0.1'] }],
    ['--every', { every: '6h' }],
    ['--data-cap', { dataCap: '1GiB' }],
  ])('are refused with %s', (name, change) => {
    expect(() => checkJoint(plain)).not.toThrow()
    expect(() => checkJoint({ ...plain, ...change })).toThrow(name)
    expect(() => checkJoint({ ...plain, ...change, with: undefined })).not.toThrow()
  })
})

describe('a laboratory with several provers', () => {
  const plain = {
    provers: 2,
    shared: true,
    direction: 'down',
    profile: 'standard',
    available: false,
    loss: undefined,
    crossTraffic: undefined,
    proverUplink: undefined,
    uplink: undefined,
  }
  it('takes nothing that is not about them', () => {
    expect(() => checkLabJoint(plain)).not.toThrow()
    expect(() => checkLabJoint({ ...plain, available: true, loss: 1 })).toThrow('--available, --loss')
    expect(() => checkLabJoint({ ...plain, provers: 1 })).toThrow('--shared belongs to several provers')
    expect(() => checkLabJoint({ ...plain, provers: 1, shared: false, loss: 1 })).not.toThrow()
  })

  it('counts its verdicts, and shows no figure of no run', () => {
    const truth = { rateMbps: 100, provers: 2, shared: true, totalMbps: 100, notes: [] }
    const none = {
      runs: 0,
      failed: 1,
      verdicts: {},
      wrong: 0,
      medianErrorPct: null,
      worstErrorPct: null,
      violations: 0,
    }
    const text = jointLabText({ truth, runs: [], failures: ['no beacon'], summary: none })
    for (const part of [
      '2 provers behind one link of 100.0 Mbit/s',
      'none; 0 wrong',
      'median -',
      'no beacon',
    ])
      expect(text).toContain(part)
    const some = { ...none, runs: 3, verdicts: { shared: 2, unclear: 1 }, wrong: 1, medianErrorPct: 0.5 }
    const said = jointLabText({ truth: { ...truth, shared: false }, runs: [], failures: [], summary: some })
    for (const part of ['a link of 100.0 Mbit/s each', '2 shared, 1 unclear; 1 wrong', '0.50 %'])
      expect(said).toContain(part)
  })
})
