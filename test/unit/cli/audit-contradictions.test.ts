/** `plumbline audit` as a command: the contradictions of this node and of others, on its screen, in JSON and in its status. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { dataPaths } from '../../../src/config/paths.js'
import { Identity } from '../../../src/crypto/identity.js'
import { saveIdentity } from '../../../src/crypto/keystore-file.js'
import { Contradictions } from '../../../src/inference/audit/contradictions.js'
import { ReceiptKind, receiptDigest, signReceipt } from '../../../src/inference/payment/index.js'
import { bytes32, CHANNEL, DOMAIN } from '../inference/payment/support.js'
import { complaint, run } from './in-process.js'

const PASSPHRASE = 'a passphrase of tests'
const provider = Identity.fromSecret(new Uint8Array(32).fill(71))
const receiptOf = (jobId: number) =>
  signReceipt(
    DOMAIN,
    {
      ...{ channelId: CHANNEL.channelId, index: 3, previous: bytes32(0), kind: ReceiptKind.job, units: 1 },
      ...{ jobId: bytes32(jobId), model: bytes32(2), input: bytes32(3), terms: bytes32(4) },
      ...{ output: bytes32(5), priceWei: 1n, totalWei: 1n, issuedAt: 1_900_000_000 },
    },
    provider,
  )

describe('plumbline audit', () => {
  let dataDir: string
  let own: string
  const audit = (...args: readonly string[]) =>
    run(['audit', ...args, '--data-dir', dataDir], { env: { PLUMBLINE_PASSPHRASE: PASSPHRASE } })
  const keep = async (path: string) =>
    (await Contradictions.open(path)).keep({
      ...{ provider: provider.publicKey, domain: DOMAIN, receipt: receiptOf(1) },
      receiptsHead: receiptDigest(DOMAIN, receiptOf(2)),
    })
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'audit-'))
    const paths = dataPaths(dataDir)
    await saveIdentity(paths.key, Identity.generate(), PASSPHRASE, { scryptCost: 1024 })
    own = paths.auditContradictions
    expect(own).toBe(join(dataDir, 'evidence', 'contradictions.json'))
  })
  afterEach(() => rm(dataDir, { recursive: true }))

  it('lists what this node met beside the rest, and fails', async () => {
    const none = await audit('--json')
    expect([none.status, none.stderr]).toEqual([0, ''])
    expect(JSON.parse(none.stdout)).toMatchObject({ jobs: [], contradictions: [] })
    await keep(own)
    const json = await audit('--json')
    expect(json.status).toBe(1)
    expect(JSON.parse(json.stdout)).toMatchObject({
      jobs: [],
      contradictions: [{ file: own, provider: provider.peerId, index: 3, isRedeemed: null, verdict: 'bad' }],
    })
    expect(json.stderr).toMatch(/the chain was not asked for redemptions: no RPC server/)
    const text = await audit()
    expect(text.status).toBe(1)
    expect(text.stdout).toMatch(/Nothing to audit/)
    expect(text.stdout).toMatch(/not asked +bad/)
    for (const line of text.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })

  it("takes a stranger's file, which convicts nobody as long as no chain was asked", async () => {
    const file = join(dataDir, 'given', 'contradictions.json')
    await keep(file)
    for (const path of [file, dirname(file)]) {
      const { status, stdout } = await audit(path, '--json')
      expect(JSON.parse(stdout).contradictions).toMatchObject([{ file, verdict: 'undecided' }])
      expect(status).toBe(0)
    }
  })

  it('says in a line what to do about a damaged file, its own or another one', async () => {
    await mkdir(dirname(own), { recursive: true })
    await writeFile(own, '{"format"')
    const mine = await audit()
    expect(mine.status).toBe(1)
    expect(complaint(mine)).toMatch(/contradictions\.json: it is damaged.*; move it away/)
    const others = await audit(own)
    expect(others.status).toBe(1)
    expect(others.stderr).toMatch(/; ask its maker for it again/)
  })
})
