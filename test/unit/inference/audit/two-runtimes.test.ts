/** The recogniser of the package on both runtimes: what one decides the other decides, too. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Identity } from '../../../../src/crypto/identity.js'
import { auditJob } from '../../../../src/inference/audit/audit.js'
import type { Job } from '../../../../src/inference/job.js'
import { LocalJobs } from '../../../../src/inference/local/local-jobs.js'
import {
  encodeInput,
  encodeOutput,
  encodeTerms,
  hashOf,
} from '../../../../src/inference/network/job-codec.js'
import { NO_RECEIPTS, ReceiptKind, signReceipt } from '../../../../src/inference/payment/index.js'
import { pcm16Of } from '../../../../src/ml/audio/pcm16.js'
import { readWav } from '../../../../src/ml/audio/wav-read.js'
import { bytes32, CHANNEL, DOMAIN } from '../payment/support.js'

const dataDir = await mkdtemp(join(tmpdir(), 'two-runtimes-'))
const open = (runtime: 'native' | 'web') =>
  LocalJobs.open({ dataDir, names: ['asr-small'], threads: 1, niceness: 0, runtime })
const [native, web] = [await open('native'), await open('web')]
afterAll(async () => {
  await Promise.all([native.close(), web.close()])
  await rm(dataDir, { recursive: true })
})

describe('an audit on two runtimes', () => {
  it('acquits an honest provider and blames a dishonest one', async () => {
    const [model] = await native.models()
    const { sampleRate, channels } = readWav(await readFile('test/fixtures/speech/accept-this-call.wav'))
    const pcm16 = pcm16Of(channels[0] ?? new Float32Array(0))
    const job: Job = {
      task: 'transcribe',
      model: model?.sha256 ?? '',
      input: { kind: 'sound', sampleRate, pcm16 },
      parameters: {},
    }
    const { output } = await web.run(job)
    const payee = Identity.generate()
    const input = encodeInput(job.input)
    const terms = encodeTerms({
      task: 'transcribe',
      unit: 'audio-second',
      units: 3,
      priceWeiPerUnit: 5n,
      audit: true,
    })
    const evidenceOf = (sent: Uint8Array) => {
      const receipt = signReceipt(
        DOMAIN,
        {
          channelId: CHANNEL.channelId,
          index: 1,
          previous: NO_RECEIPTS,
          kind: ReceiptKind.job,
          jobId: bytes32(1),
          model: Uint8Array.from(Buffer.from(job.model, 'hex')),
          input: hashOf(input),
          terms: hashOf(terms),
          output: hashOf(sent),
          units: 3,
          priceWei: 15n,
          totalWei: 15n,
          issuedAt: 1_900_000_000,
        },
        payee,
      )
      return { receipt, input, terms, output: sent }
    }
    const auditor = { domain: DOMAIN, payee: payee.address, executions: [native, web] as const }
    // The provider's own execution was on the other runtime.
    expect(await auditJob(auditor, evidenceOf(encodeOutput(output)))).toEqual({ verdict: 'good' })
    if (output.kind !== 'transcription') throw new Error('no transcription')
    const shortened = { ...output, text: 'please press one', words: output.words.slice(0, 3) }
    expect(await auditJob(auditor, evidenceOf(encodeOutput(shortened)))).toMatchObject({
      verdict: 'bad',
      reason: expect.stringContaining('the text'),
    })
  })
})
