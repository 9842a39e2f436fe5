/**
 * A provider that shows auditors another chain of receipts than the one that it sells, as a real daemon on a real chain, and
 * an honest one beside it: an auditor convicts the first without a draw, as soon as it was paid, and has nothing against the
 * second, whose receipts it read as well. A stranger checks the proof with one command, and sees through a made-up one.
 */
import { readFileSync } from 'node:fs'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Chain,
  type DevChain,
  openChain,
  parseAmount,
  readChannelEvents,
  startDevChain,
  writeDeployment,
} from '../../src/chain/index.js'
import { loadConfig } from '../../src/config/load.js'
import { dataPaths } from '../../src/config/paths.js'
import { Contradictions } from '../../src/inference/audit/contradictions.js'
import { untilNextDrawMs } from '../../src/inference/audit/drawing.js'
import { EvidenceShelf } from '../../src/inference/audit/evidence-shelf.js'
import { FindingsBook } from '../../src/inference/audit/findings-book.js'
import type { SoundInput } from '../../src/inference/job.js'
import { pcm16Of } from '../../src/ml/audio/pcm16.js'
import { readWav } from '../../src/ml/audio/wav-read.js'
import { openNetworkClient } from '../../src/node/inference/client.js'
import { createLogger } from '../../src/telemetry/logger.js'
import { LocalNetwork, type Member, PASSPHRASE, whyNoLoopback } from '../support/local-network.js'
import { NodeProcess } from '../support/node-process.js'

const SLOW = 120_000
const CHILD = fileURLToPath(new URL('../../dist/lab/provider-child.js', import.meta.url))
const RECORDING = 'docs/sample.wav'
/** Of a second of sound: each job is worth the gas of its redemption. */
const PRICE = '100000 gwei'
const JOBS = 2
/** An auditor that starts so long before its first round knows the offers by then. */
const BEFORE_ROUND_MS = 5000
const none = await whyNoLoopback()

describe.skipIf(none !== undefined)('a provider that shows auditors another chain', () => {
  let network: LocalNetwork
  let dev: DevChain
  let chain: Chain
  let honest: Member
  let forking: Member
  let auditor: Member
  let cheating: NodeProcess | undefined

  const settings = (more: object) => ({
    registry: {},
    chain: { rpcUrls: [dev.rpcUrl], addresses: join(network.directory, 'addresses.json') },
    ...more,
  })

  beforeAll(async () => {
    network = await LocalNetwork.create({ challengers: 0 })
    const { genesisTimeSeconds, periodSeconds } = network.beacon
    dev = await startDevChain({ beacon: { secret: network.beaconSecret, genesisTimeSeconds, periodSeconds } })
    chain = await openChain({ rpcUrls: [dev.rpcUrl], deployment: dev.deployment })
    await writeDeployment(join(network.directory, 'addresses.json'), dev.deployment)
    const { prover, payer, directory } = network
    honest = prover
    forking = await network.addMember('forking', prover.host.replace('.200.', '.202.'), {})
    auditor = await network.addMember('auditor', prover.host.replace('.200.', '.203.'), {})
    const { peerId } = auditor.identity
    const provider = { models: [`asr-small=${PRICE}`], threads: 1, auditors: [peerId], redeemAt: '1 gwei' }
    for (const each of [honest, forking]) {
      await network.configure(each.dataDir, each.host, settings({ inference: { provider } }))
      await dev.fund(each.identity.address, parseAmount('10'))
    }
    const buying = { network: { listen: [] }, inference: { client: { deposit: '0.1 ETH' } } }
    await network.configure(payer.dataDir, payer.host, settings(buying))
    await dev.fund(payer.identity.address, parseAmount('10'))
    const bootstrap = [honest.address, forking.address]
    await network.configure(auditor.dataDir, auditor.host, settings({ network: { listen: [], bootstrap } }))
    const passphraseFile = join(directory, 'passphrase')
    await writeFile(passphraseFile, `${PASSPHRASE}\n`, { mode: 0o600 })
    const spec = join(directory, 'cheats.json')
    const { dataDir } = forking
    await writeFile(spec, JSON.stringify([{ dataDir, passphraseFile, attack: 'forked-chain' }]))
    const child = new NodeProcess(CHILD, [], { env: { PLUMBLINE_LAB_SPEC: spec }, ipc: true })
    cheating = child
    const ready = new Promise<void>((resolve, reject) => {
      child.child.once('message', () => resolve())
      void child.ended.then(({ stderr }) => reject(new Error(stderr)))
    })
    const own = ['--data-dir', honest.dataDir, '--json-stream']
    await Promise.all([ready, network.start(['provider', ...own]).event('started')])
  }, SLOW)
  afterAll(async () => {
    await cheating?.stop()
    await network?.close()
    await chain?.close()
    await dev?.stop()
  }, SLOW)

  /** Jobs of one provider. */
  async function buy(seller: Member): Promise<void> {
    const { config } = await loadConfig({ flags: { dataDir: network.payer.dataDir } })
    const { identity } = network.payer
    const log = createLogger({ level: 'silent', format: 'json' })
    const client = await openNetworkClient({ config, identity, log, providers: [seller.address] })
    try {
      const { sampleRate, channels } = readWav(readFileSync(RECORDING))
      const pcm16 = pcm16Of((channels[0] ?? new Float32Array()).subarray(0, sampleRate))
      const input: SoundInput = { kind: 'sound', sampleRate, pcm16 }
      const model = (await client.jobs.models()).find(({ id }) => id === 'asr-small')?.sha256 ?? ''
      for (let job = 0; job < JOBS; job++)
        await client.jobs.run({ task: 'transcribe', model, input, parameters: {} })
    } finally {
      await client.close()
    }
  }

  /** @returns its channel, 0x and hex, once it was paid for all its jobs on the chain */
  async function paid(seller: Member): Promise<string> {
    for (;;) {
      const { blockNumber } = await chain.clock()
      const { redeemed } = await readChannelEvents(chain, { fromBlock: 0n, toBlock: blockNumber })
      const found = redeemed.find(
        ({ payee, receipts }) => payee === seller.identity.address && receipts === JOBS,
      )
      if (found !== undefined) return found.channelId
      await sleep(200)
    }
  }

  it('is convicted without a draw; the honest one is not, whatever is made up', {
    timeout: SLOW,
  }, async () => {
    // The honest channel is the older one: an auditor has compared it when it comes to the other.
    await buy(honest)
    await buy(forking)
    const [honestChannel, forkedChannel] = await Promise.all([honest, forking].map(paid))
    if (honestChannel === undefined || forkedChannel === undefined) throw new Error('nobody was paid')

    const leftMs = untilNextDrawMs(network.beacon, Date.now() / 1000)
    if (leftMs < BEFORE_ROUND_MS) await sleep(leftMs)
    const args = ['node', '--roles', 'auditor', '--data-dir', auditor.dataDir, '--json-stream']
    const auditing = network.start(args)
    await auditing.event('started')
    const paths = dataPaths(auditor.dataDir)
    let proofs = await Contradictions.open(paths.auditContradictions)
    while (proofs.all().length === 0) {
      await sleep(200)
      proofs = await Contradictions.open(paths.auditContradictions)
    }
    const answers = async () => JSON.parse(await readFile(paths.auditAnswers, 'utf8').catch(() => 'null'))
    while ((await answers()) === null) await sleep(200)
    await auditing.stop()

    // It read all that either provider has to show.
    const read = (await answers()).answers as readonly { channelId: string; last: number }[]
    for (const channel of [honestChannel, forkedChannel])
      expect(read).toContainEqual({ channelId: channel.slice(2), at: expect.anything(), last: JOBS })
    expect(proofs.all().map(({ receipt }) => `0x${bytesToHex(receipt.channelId)}`)).toEqual([forkedChannel])
    // Of the first redemption that it saw: a round of the provider's may come between two jobs.
    const index = proofs.all()[0]?.receipt.index
    const trusted = [auditor.identity.peerId]
    const findings = (await FindingsBook.open({ directory: paths.findings, trusted })).findings()
    const failed = findings.filter(({ verdict }) => verdict !== 'good')
    expect(failed.map(({ provider }) => bytesToHex(provider))).not.toContain(
      bytesToHex(honest.identity.publicKey),
    )
    expect(failed).toContainEqual(
      expect.objectContaining({
        ...{ verdict: 'bad', index, provider: forking.identity.publicKey },
        reason: expect.stringMatching(/another receipt \d than the one that it redeemed on the chain/),
      }),
    )

    // A stranger, who trusts the chain alone, is given a file, and the findings beside it.
    const stranger = await network.addMember('stranger', network.payer.host, settings({}))
    const given = join(network.directory, 'given')
    await cp(paths.findings, given, { recursive: true })
    await cp(paths.auditContradictions, join(given, 'contradictions.json'))

    // Who frames the honest one has its signature under a receipt, and no redemption of another one.
    const shelf = await EvidenceShelf.open({
      ...{
        directory: dataPaths(network.payer.dataDir).boughtEvidence,
        mostBytes: 2 ** 30,
        keptSeconds: 86_400,
      },
    })
    const bought = await Promise.all(shelf.list().map(({ digest }) => shelf.read(digest)))
    const last = bought.find(
      (each) => each?.receipt.index === JOBS && `0x${bytesToHex(each.receipt.channelId)}` === honestChannel,
    )
    if (last === undefined) throw new Error('the buyer kept nothing')
    const frame = join(network.directory, 'frame')
    await mkdir(frame)
    const { provider, domain, receipt } = last
    const file = join(frame, 'contradictions.json')
    await (await Contradictions.open(file)).keep({
      ...{ provider, domain, receipt, receiptsHead: hexToBytes('ab'.repeat(32)) },
    })

    const audit = (dataDir: string, ...path: readonly string[]) =>
      network.run(['audit', ...path, '--data-dir', dataDir, '--json'])
    const [own, judged, framed] = await Promise.all([
      audit(auditor.dataDir),
      audit(stranger.dataDir, given),
      audit(stranger.dataDir, file),
    ])
    const bad = { provider: forking.identity.peerId, index, isRedeemed: true, verdict: 'bad' }
    expect(own.code, own.stderr).toBe(1)
    expect(JSON.parse(own.stdout).contradictions).toMatchObject([bad])
    expect(judged.code, judged.stderr).toBe(1)
    const said = JSON.parse(judged.stdout)
    expect(said.contradictions).toMatchObject([bad])
    expect(said.findings).toContainEqual(
      expect.objectContaining({ provider: bad.provider, verdict: 'bad', contradiction: 'proven' }),
    )
    expect(framed.code, framed.stderr).toBe(0)
    expect(JSON.parse(framed.stdout).contradictions).toMatchObject([
      { provider: honest.identity.peerId, isRedeemed: false, verdict: 'unproven' },
    ])
  })
})
