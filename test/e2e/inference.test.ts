/** Work bought and sold between real processes on a real chain: paid, receipted, redeemed, and resumed after kills. */
import { createReadStream, existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Chain,
  type DevChain,
  openChain,
  parseAmount,
  readChannel,
  startDevChain,
  writeDeployment,
} from '../../src/chain/index.js'
import { dataPaths } from '../../src/config/paths.js'
import { Identity } from '../../src/crypto/identity.js'
import { clientLedger } from '../../src/node/inference/client-ledger.js'
import { testClientOf } from '../chain/support.js'
import { LocalNetwork, type Member, whyNoLoopback } from '../support/local-network.js'
import { longRecording } from '../support/long-recording.js'
import type { NodeProcess } from '../support/node-process.js'

const SLOW = 180_000
const METRICS_PORT = 9464
const RECORDING = 'test/fixtures/speech/accept-this-call.wav'
/** So much that a few jobs are worth the gas of their redemption. */
const PRICE = parseAmount('0.0001 ETH')
/** Half a minute of sound on either side. */
const EXPOSURE = '0.0035 ETH'
const DEPOSIT = '0.008 ETH'
const none = await whyNoLoopback()

describe.skipIf(none !== undefined)('work bought over the network', () => {
  let network: LocalNetwork
  let dev: DevChain
  let chain: Chain
  let provider: Member
  let client: Member
  let running: NodeProcess
  let jobPrice = 0n
  /** The chain before any channel. */
  let genesis: `0x${string}`
  let paidJobs = 0

  const chainSection = () => ({ rpcUrls: [dev.rpcUrl], addresses: join(network.directory, 'addresses.json') })
  const serve = async (
    more: object = {},
    doom?: Parameters<LocalNetwork['start']>[1],
  ): Promise<NodeProcess> => {
    await network.configure(provider.dataDir, provider.host, {
      registry: {},
      chain: chainSection(),
      inference: {
        provider: { models: [`asr-small=${PRICE} wei`], threads: 1, clientExposure: EXPOSURE },
      },
      ...more,
    })
    const process = network.start(['provider', '--data-dir', provider.dataDir, '--json-stream'], doom ?? {})
    await process.event('started')
    return process
  }
  const buy = (more: readonly string[] = [], options: Parameters<LocalNetwork['run']>[1] = {}) =>
    network.run(
      [
        'transcribe',
        RECORDING,
        '--provider',
        provider.address,
        '--data-dir',
        client.dataDir,
        '--json',
        ...more,
      ],
      options,
    )
  const bought = async (more: readonly string[] = []): Promise<Record<string, unknown>> => {
    const { code, stdout, stderr } = await buy(more)
    if (code !== 0) throw new Error(`transcribe ended with ${code}: ${stderr}${stdout}`)
    return JSON.parse(stdout) as Record<string, unknown>
  }
  const channel = () =>
    readChannel(chain, { payer: client.identity.address, payee: provider.identity.address })

  beforeAll(async () => {
    network = await LocalNetwork.create({ challengers: 0 })
    provider = network.prover
    client = network.payer
    const { genesisTimeSeconds, periodSeconds } = network.beacon
    dev = await startDevChain({ beacon: { secret: network.beaconSecret, genesisTimeSeconds, periodSeconds } })
    const { addresses } = chainSection()
    await writeDeployment(addresses, dev.deployment)
    for (const { identity } of [provider, client]) await dev.fund(identity.address, parseAmount('10'))
    chain = await openChain({
      rpcUrls: [dev.rpcUrl],
      deployment: dev.deployment,
      identity: Identity.generate(),
    })
    await network.configure(client.dataDir, client.host, {
      registry: {},
      network: { listen: [] },
      chain: chainSection(),
      inference: { client: { exposure: EXPOSURE, deposit: DEPOSIT } },
    })
    genesis = await testClientOf(dev.rpcUrl).snapshot()
    running = await serve({ metrics: { host: provider.host, port: METRICS_PORT } })
  }, SLOW)
  afterAll(async () => {
    await chain?.close()
    await network?.close()
    await dev?.stop()
  }, SLOW)

  it('a transcription is paid, receipted and redeemed when the provider stops', {
    timeout: SLOW,
  }, async () => {
    const { stderr, stdout, code } = await buy()
    expect(stderr).toContain('Sending it to')
    expect(code, stderr).toBe(0)
    const first = JSON.parse(stdout)
    expect(first.text).toMatch(/accept/)
    expect(first).toMatchObject({
      model: 'asr-small',
      provider: provider.identity.peerId,
      priceWei: String(PRICE * BigInt(first.units)),
    })
    expect(first.receipt).toMatch(/^[0-9a-f]{64}$/)
    jobPrice = BigInt(first.priceWei)
    paidJobs++
    expect((await channel()).redeemedWei).toBe(0n)
    const metrics = await (await fetch(`http://${provider.host}:${METRICS_PORT}/metrics`)).text()
    for (const line of [
      'jobs 0',
      'served_total 1',
      'channels 1',
      `unredeemed_ether ${Number(jobPrice) / 1e18}`,
    ])
      expect(metrics.split('\n')).toContain(`plumbline_provider_${line}`)
    await running.stop()
    expect((await channel()).redeemedWei).toBe(jobPrice)
  })

  it('kills at the payment steps lose no voucher, and nothing is paid twice', {
    timeout: 2 * SLOW,
  }, async () => {
    // The receipt is on the disk, and never leaves: the job is credited.
    running = await serve({}, { doom: { when: 'handle', exchange: 'job' } })
    expect((await buy()).code).toBe(1)
    expect((await running.ended).signal).toBe('SIGKILL')
    // The voucher is on the disk, the output never leaves: credited, too.
    running = await serve({}, { doom: { when: 'handle', exchange: 'job-pay' } })
    expect((await buy()).code).toBe(1)
    expect((await running.ended).signal).toBe('SIGKILL')
    running = await serve()
    // The client has the output, and dies before it wrote that down: it fetches what it paid for again.
    const killed = await buy([], { doom: { when: 'ask', exchange: 'job-pay' } })
    expect(killed.signal).toBe('SIGKILL')
    paidJobs++
    // What was credited pays for these.
    for (let i = 0; i < 2; i++) {
      await bought()
      paidJobs++
    }
    await running.stop()
    expect((await channel()).redeemedWei).toBe(BigInt(paidJobs) * jobPrice)
    running = await serve()
  })

  it('what is too dear is refused before anything is sent', { timeout: SLOW }, async () => {
    const { code, stderr } = await buy(['--max-price', '1 wei'])
    expect(code).toBe(1)
    expect(stderr).toContain('too expensive: have')
    expect(stderr).not.toContain('Sending it to')
  })

  it('an app buys through the gateway with the official client, and is told who heard it and the price', {
    timeout: SLOW,
  }, async () => {
    const listen = ['--listen', '127.0.0.1:0', '--json-stream']
    const open = async (more: readonly string[] = []) => {
      const args = ['gateway', '--provider', provider.address, '--data-dir', client.dataDir]
      const gateway = network.start([...args, ...listen, ...more])
      const { baseUrl, audience } = await gateway.event('started')
      expect(audience).toMatchObject({ kind: 'network', heardBy: 'the provider that you named' })
      return { gateway, openai: new OpenAI({ baseURL: String(baseUrl), apiKey: 'none', maxRetries: 0 }) }
    }
    const file = () => createReadStream(RECORDING)
    const { gateway, openai } = await open()
    const { data, response } = await openai.audio.transcriptions
      .create({ file: file(), model: 'asr-small' })
      .withResponse()
    expect(data.text).toMatch(/accept/)
    const header = (name: string): string => response.headers.get(`x-plumbline-${name}`) ?? ''
    expect(header('provider')).toBe(provider.identity.peerId)
    expect(header('price-wei')).toBe(String(PRICE * BigInt(header('units'))))
    expect(header('receipt')).toMatch(/^[0-9a-f]{64}$/)
    const recipients = gateway.events.filter(({ event }) => event === 'recipient')
    expect(recipients).toMatchObject([
      { provider: provider.identity.peerId, model: 'asr-small', priceWei: header('price-wei') },
    ])

    // A recording longer than what either side would risk, or the deposit covers, is told piece by piece as it is paid.
    const long = await toFile(longRecording(33), 'long.wav')
    const deltas: string[] = []
    let done: Record<string, unknown> = {}
    for await (const event of await openai.audio.transcriptions.create({
      file: long,
      model: 'asr-small',
      stream: true,
    }))
      if (event.type === 'transcript.text.delta') deltas.push(event.delta)
      else if (event.type === 'transcript.text.done') done = { ...event }
    expect(deltas.length).toBeGreaterThanOrEqual(4)
    expect(deltas.join('')).toBe(done.text)
    const paid = done.plumbline as Readonly<Record<string, unknown>>
    expect(paid.provider).toBe(provider.identity.peerId)
    expect(paid.price_wei).toBe(String(PRICE * BigInt(Number(paid.units))))
    expect(new Set(String(paid.receipt).split(', ')).size).toBe(deltas.length)
    expect((await channel()).depositWei).toBeGreaterThan(parseAmount(DEPOSIT))
    expect((await gateway.stop()).code).toBe(0)

    const thrifty = await open(['--max-price', '1 wei'])
    const dear = thrifty.openai.audio.transcriptions.create({ file: file(), model: 'asr-small' })
    await expect(dear).rejects.toMatchObject({
      status: 402,
      code: 'price_limit',
      message: expect.stringMatching(/have .* need /),
    })
    expect(thrifty.gateway.events.some(({ event }) => event === 'recipient')).toBe(false)
    await thrifty.gateway.stop()
  })

  it('a buyer whose ledger is gone ends the channel that it used, blames nobody, and buys again after it', {
    timeout: SLOW,
  }, async () => {
    await bought()
    const { nonce } = await channel()
    const { address } = client.identity
    await rename(clientLedger(client.dataDir, address), join(client.dataDir, 'damaged'))
    for (let round = 0; round < 2; round++) {
      const { code, stderr } = await buy()
      expect(code).toBe(1)
      expect(stderr).toMatch(/is given up: another ledger of this key used it; .* comes back after/)
      expect(stderr).not.toContain('was not asked for')
    }
    const challengeSeconds = chain.terms.channelChallengeSeconds
    expect((await channel()).endsAt).toBeLessThanOrEqual((await chain.clock()).timestamp + challengeSeconds)
    expect(existsSync(dataPaths(client.dataDir).leftProviders)).toBe(false)
    await dev.increaseTime(challengeSeconds + 1)
    await bought()
    expect(await channel()).toMatchObject({ isOpen: true, nonce: nonce + 1 })
  })

  it('a buyer whose chain is begun anew opens a new channel there, beside a provider with a new store', {
    timeout: SLOW,
  }, async () => {
    await rm(clientLedger(client.dataDir, client.identity.address), { recursive: true, force: true })
    const anew = testClientOf(dev.rpcUrl)
    const beginAnew = async () => {
      await running.stop()
      await rm(dataPaths(provider.dataDir).store, { recursive: true, force: true })
      await anew.revert({ id: genesis })
      genesis = await anew.snapshot()
      await dev.increaseTime(60)
      running = await serve()
    }
    await beginAnew()
    await bought()
    // As if that had been a while ago.
    await rm(dataPaths(client.dataDir).openings)
    await beginAnew()
    const { code, stderr } = await buy()
    expect(code, stderr).toBe(0)
    expect(stderr.match(/Sending it to/g)).toHaveLength(1)
    expect(await channel()).toMatchObject({ isOpen: true, nonce: 1 })
  })
})
