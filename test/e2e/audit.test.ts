/**
 * A provider that cheats, as a real daemon on a real chain: its client pays, as it must, audits what it got with the command,
 * has the finding on its disk, and buys nothing more there.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DevChain, parseAmount, startDevChain, writeDeployment } from '../../src/chain/index.js'
import { LocalNetwork, PASSPHRASE, whyNoLoopback } from '../support/local-network.js'
import { NodeProcess } from '../support/node-process.js'

const SLOW = 300_000
const CHILD = fileURLToPath(new URL('../../dist/lab/provider-child.js', import.meta.url))
const none = await whyNoLoopback()

describe.skipIf(none !== undefined)('a provider that cheats', () => {
  let network: LocalNetwork
  let dev: DevChain
  let cheating: NodeProcess

  beforeAll(async () => {
    network = await LocalNetwork.create({ challengers: 0 })
    const { prover: provider, payer: client, directory } = network
    const { genesisTimeSeconds, periodSeconds } = network.beacon
    dev = await startDevChain({ beacon: { secret: network.beaconSecret, genesisTimeSeconds, periodSeconds } })
    const chain = { rpcUrls: [dev.rpcUrl], addresses: join(directory, 'addresses.json') }
    await writeDeployment(chain.addresses, dev.deployment)
    for (const { identity } of [provider, client]) await dev.fund(identity.address, parseAmount('10'))
    const inference = { provider: { models: ['asr-small=1000 gwei'], threads: 1 } }
    await network.configure(provider.dataDir, provider.host, { registry: {}, chain, inference })
    await network.configure(client.dataDir, client.host, { registry: {}, chain, network: { listen: [] } })
    const passphraseFile = join(directory, 'passphrase')
    await writeFile(passphraseFile, `${PASSPHRASE}\n`, { mode: 0o600 })
    const spec = join(directory, 'cheat.json')
    const { dataDir } = provider
    await writeFile(spec, JSON.stringify([{ dataDir, passphraseFile, attack: 'shortened-output' }]))
    cheating = new NodeProcess(CHILD, [], { env: { PLUMBLINE_LAB_SPEC: spec }, ipc: true })
    await new Promise<void>((resolve, reject) => {
      cheating.child.once('message', () => resolve())
      void cheating.ended.then(({ stderr }) => reject(new Error(stderr)))
    })
  }, SLOW)
  afterAll(async () => {
    await cheating?.stop()
    await network?.close()
    await dev?.stop()
  }, SLOW)

  it('is convicted by what it signed, and shut out', { timeout: SLOW }, async () => {
    const { prover: provider, payer: client } = network
    const own = ['--data-dir', client.dataDir, '--json']
    const buy = (more: readonly string[] = []) =>
      network.run(['transcribe', 'docs/sample.wav', '--provider', provider.address, ...own, ...more])
    // What opts out is kept nowhere.
    const unaudited = await buy(['--unaudited'])
    expect(unaudited.code, unaudited.stderr).toBe(0)
    expect(unaudited.stderr).not.toContain('auditors may hear it')
    const bought = await buy()
    expect(bought.code, bought.stderr).toBe(0)
    expect(bought.stderr).toContain('auditors may hear it, too')
    const { text, receipt } = JSON.parse(bought.stdout)
    expect(text).not.toContain('accept')

    const audit = await network.run(['audit', '--all', ...own])
    expect(audit.code, audit.stderr).toBe(1)
    const { jobs, records } = JSON.parse(audit.stdout)
    expect(jobs).toMatchObject([
      {
        receipt,
        provider: provider.identity.peerId,
        verdict: 'bad',
        reason: expect.stringContaining('the text'),
      },
    ])
    expect(records).toMatchObject([{ provider: provider.identity.peerId, audited: 1, failed: 1 }])

    const again = await buy()
    expect(again.code).toBe(1)
    expect(again.stderr).toMatch(/cheated or failed audits/)
  })
})
