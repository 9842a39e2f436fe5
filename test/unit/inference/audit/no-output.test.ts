/** Bytes that were sold as an output and are none, or another task's: the receipt convicts, and no model is run for it. */
import { expect, it } from 'vitest'
import { localBeacon } from '../../../../src/crypto/beacon.js'
import { Identity } from '../../../../src/crypto/identity.js'
import { decodeEvidence, encodeEvidence } from '../../../../src/inference/audit/evidence.js'
import type { Executions } from '../../../../src/inference/audit/executions.js'
import { readFinding } from '../../../../src/inference/audit/finding.js'
import { auditEvidence } from '../../../../src/inference/audit/shelf-audit.js'
import type { JobSource } from '../../../../src/inference/job.js'
import {
  encodeInput,
  encodeOutput,
  encodeTerms,
  hashOf,
} from '../../../../src/inference/network/job-codec.js'
import { NO_RECEIPTS, ReceiptKind, signReceipt } from '../../../../src/inference/payment/index.js'
import { bytes32, CHANNEL, DOMAIN } from '../payment/support.js'

const neverRuns: JobSource = {
  models: async () => [],
  close: async () => {},
  run: () => Promise.reject(new Error('a model ran')),
}
const executions: Executions = [neverRuns, neverRuns]

/** A second of sound for one unit, transcribed as is said. */
async function audit(output: Uint8Array) {
  const [provider, signer] = [Identity.generate(), Identity.generate()]
  const terms = encodeTerms({
    task: 'transcribe',
    unit: 'audio-second',
    units: 1,
    priceWeiPerUnit: 30n,
    audit: true,
  })
  const input = encodeInput({ kind: 'sound', sampleRate: 8000, pcm16: new Uint8Array(16_000) })
  const receipt = signReceipt(
    DOMAIN,
    {
      ...{ channelId: CHANNEL.channelId, index: 1, previous: NO_RECEIPTS, kind: ReceiptKind.job },
      ...{ jobId: bytes32(1), model: bytes32(2), input: hashOf(input), terms: hashOf(terms) },
      ...{ output: hashOf(output), units: 1, priceWei: 30n, totalWei: 30n, issuedAt: 1_900_000_000 },
    },
    provider,
  )
  const kept = { receipt, terms, input, output, provider: provider.publicKey, domain: DOMAIN }
  const findings: Uint8Array[] = []
  const audited = await auditEvidence(
    {
      beacon: localBeacon(bytes32(1), { genesisTimeSeconds: 1_800_000_000, periodSeconds: 3 }),
      signer,
      onFinding: async (message) => void findings.push(message),
      now: () => 1_900_000_100_000,
    },
    executions,
    decodeEvidence(encodeEvidence(kept)),
  )
  const [message] = findings
  if (message === undefined) throw new Error('nothing was signed')
  return { audited, finding: readFinding(message) }
}

it.each([
  ['one byte', new Uint8Array([0]), /cannot be read/],
  ['nothing', new Uint8Array(), /cannot be read/],
  ['no CBOR', new Uint8Array(1000).fill(0xff), /cannot be read/],
  ['a translation', encodeOutput({ kind: 'translation', text: 'hello' }), /kind translation/],
])('%s', async (_, output, reason) => {
  const { audited, finding } = await audit(output)
  expect(audited.verdict).toMatchObject({ verdict: 'bad', reason })
  expect(finding).toMatchObject({ verdict: 'bad', reason })
})
