/** doctor of a provider's configuration, on a real chain. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DevChain, parseAmount, startDevChain, writeDeployment } from '../../src/chain/index.js'
import { loadConfig } from '../../src/config/load.js'
import { Identity } from '../../src/crypto/identity.js'
import { diagnose, type Finding } from '../../src/node/doctor.js'
import { silentLogger } from '../../src/telemetry/logger.js'
import { whyNoAnvil } from './support.js'

const PATIENT = 60_000

describe.skipIf(whyNoAnvil !== undefined)("doctor, of a provider's configuration", () => {
  let dev: DevChain
  let dataDir: string
  let addresses: string
  const identity = Identity.generate()

  beforeAll(async () => {
    dev = await startDevChain()
    dataDir = await mkdtemp(join(tmpdir(), 'plumbline-doctor-'))
    addresses = join(dataDir, 'addresses.json')
    await writeDeployment(addresses, dev.deployment)
  }, PATIENT)
  afterAll(async () => {
    await dev?.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  /** What it says, by check, without what needs a beacon. */
  async function findingsOf(more: Record<string, unknown> = {}): Promise<ReadonlyMap<string, Finding>> {
    const flags = {
      dataDir,
      'chain.rpcUrls': [dev.rpcUrl],
      'chain.addresses': addresses,
      'beacon.urls': ['http://127.0.0.1:9'],
      'inference.provider.models': ['asr-small=2000 gwei', 'language-id=0 wei'],
      ...more,
    }
    const { config } = await loadConfig({ env: {}, flags })
    const found = new Map<string, Finding>()
    for await (const finding of diagnose({ config, identity, log: silentLogger }))
      found.set(finding.check, finding)
    return found
  }

  it('asks for gas with have and need, and for no registry and no line', { timeout: PATIENT }, async () => {
    const poor = await findingsOf()
    expect(poor.get('registry')?.verdict).toBe('skipped')
    expect([poor.has('box or link'), poor.has('data plane')]).toEqual([false, false])
    expect(poor.get('gas')).toMatchObject({
      verdict: 'problem',
      message: expect.stringMatching(/: have 0 ETH, need 0\.0\d+ ETH$/),
      remedy: `send ether to ${identity.address}`,
    })
    await dev.fund(identity.address, parseAmount('1'))
    const found = await findingsOf()
    const verdicts = ['model asr-small', 'model language-id', 'chain', 'contracts', 'gas'].map(
      (check) => found.get(check)?.verdict,
    )
    expect(verdicts).toEqual(Array(5).fill('ok'))
    expect(found.get('model asr-small')?.message).toMatch(/offered for 0\.000002 ETH per audio-second$/)
  })

  it('names the model that is not there, and the one that is too large', { timeout: PATIENT }, async () => {
    const found = await findingsOf({
      'inference.provider.models': ['asr-small=1 wei', 'nothing=1 wei'],
      'inference.provider.memoryGiB': 0.001,
    })
    expect(found.get('model nothing')).toMatchObject({
      verdict: 'problem',
      message: 'there is no model "nothing"',
    })
    expect(found.get('model asr-small')).toMatchObject({
      verdict: 'problem',
      message: expect.stringMatching(/have .*, need /),
    })
  })

  it('names a chain that does not answer or is none, and contracts that are elsewhere', {
    timeout: PATIENT,
  }, async () => {
    const away = await findingsOf({ 'chain.rpcUrls': ['http://127.0.0.1:9'] })
    expect(away.get('chain')).toMatchObject({
      verdict: 'problem',
      message: expect.stringMatching(/^no RPC server of the chain answers /),
    })
    const none = await findingsOf({ 'chain.rpcUrls': [] })
    expect(none.get('chain')).toMatchObject({
      verdict: 'problem',
      message: 'no RPC server of a chain is configured',
    })
    const elsewhere = await findingsOf({ 'chain.addresses': join(dataDir, 'none.json') })
    expect([elsewhere.get('chain')?.verdict, elsewhere.get('contracts')?.verdict]).toEqual(['ok', 'problem'])
    const free = await findingsOf({ 'chain.rpcUrls': [], 'inference.provider.models': ['asr-small=0 wei'] })
    expect(free.get('chain')?.verdict).toBe('skipped')
  })

  it('asks an auditor for its chain, and for no registry, line or gas', { timeout: PATIENT }, async () => {
    const auditor = { roles: ['auditor'], 'inference.provider.models': [] }
    const found = await findingsOf(auditor)
    expect([found.get('chain')?.verdict, found.get('contracts')?.verdict]).toEqual(['ok', 'ok'])
    expect(found.get('registry')?.verdict).toBe('skipped')
    for (const check of ['box or link', 'models', 'gas']) expect(found.has(check)).toBe(false)
    const none = await findingsOf({ ...auditor, 'chain.rpcUrls': [] })
    expect(none.get('chain')).toMatchObject({
      verdict: 'problem',
      remedy: expect.stringMatching(/--rpc|rpcUrls/),
    })
  })
})
