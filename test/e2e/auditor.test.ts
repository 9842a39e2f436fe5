/**
 * Providers that cheat, as real daemons on a real chain: each cheat of the laboratory beside an honest one, each with a
 * client that pays, as it must. A client that audits what it got with the command convicts, and buys nothing more there.
 * An auditor that takes part in no purchase, and follows the chain and the beacon, convicts each cheat, and nobody else, by
 * findings that a stranger can check. What is drawn is the beacon's affair, at its real rate: each client buys until a lie of
 * its provider was drawn, which the test knows beforehand, having made the beacon. A minute and a half of processor time:
 * `npm run bench -- auditor`.
 */
import { readFileSync } from 'node:fs'
import { cp, readdir, writeFile } from 'node:fs/promises'
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
import { randomnessOf, signRound } from '../../src/crypto/beacon.js'
import { drawingRound } from '../../src/inference/audit/drawing.js'
import { EvidenceShelf } from '../../src/inference/audit/evidence-shelf.js'
import type { Finding } from '../../src/inference/audit/finding.js'
import { FindingsBook } from '../../src/inference/audit/findings-book.js'
import { saysContradicted } from '../../src/inference/audit/missing.js'
import { isPlaceSampled, isSampled } from '../../src/inference/audit/sampling.js'
import { readCard } from '../../src/inference/catalogue/card.js'
import { Catalogue } from '../../src/inference/catalogue/catalogue.js'
import type { Job, SoundInput } from '../../src/inference/job.js'
import { writeCheaperModel } from '../../src/lab/adversary/cheaper-model.js'
import {
  CHAIN_ATTACKS,
  type ChainAttack,
  PROVIDER_ATTACKS,
  type ProviderAttack,
} from '../../src/lab/adversary/provider.js'
import { pcm16Of } from '../../src/ml/audio/pcm16.js'
import { readWav } from '../../src/ml/audio/wav-read.js'
import { type NetworkClient, openNetworkClient } from '../../src/node/inference/client.js'
import { createLogger } from '../../src/telemetry/logger.js'
import { LocalNetwork, type Member, PASSPHRASE, whyNoLoopback } from '../support/local-network.js'
import { NodeProcess } from '../support/node-process.js'

const SLOW = 600_000
const CHILD = fileURLToPath(new URL('../../dist/lab/provider-child.js', import.meta.url))
type Attack = ProviderAttack | ChainAttack
const ATTACKS: readonly Attack[] = [...PROVIDER_ATTACKS, ...CHAIN_ATTACKS]
const isFork = (attack: Attack): boolean => CHAIN_ATTACKS.some((each) => each === attack)
/** "Please press one to accept this call." */
const RECORDING = 'docs/sample.wav'
/** A few jobs are worth the gas of their redemption. */
const PRICE = '30000 gwei'
/** Of one provider: that none of so many is drawn comes once in ten million tries. */
const MOST_JOBS = 300
/** The models of audits run when nothing else does. */
const SEEN_WITHIN_MS = 480_000
const none = await whyNoLoopback()

interface Sale {
  /** Undefined for the honest one. */
  readonly attack: Attack | undefined
  readonly provider: Member
  readonly buyer: Member
  readonly client: NetworkClient
}

interface Judged {
  readonly findings: readonly {
    readonly auditor: string
    readonly provider: string
    readonly contradiction: string | null
  }[]
  readonly contradictions: readonly { readonly provider: string; readonly verdict: string }[]
  readonly jobs: readonly { readonly provider: string; readonly verdict: string }[]
}

const EXPECTED: Readonly<Record<Attack, { readonly verdict: string; readonly reason: RegExp }>> = {
  'wrong-model': { verdict: 'bad', reason: /another output was due: it differs in the text/ },
  'cached-answer': { verdict: 'bad', reason: /another output was due: it differs in the text/ },
  'shortened-output': { verdict: 'bad', reason: /another output was due: it differs in the text/ },
  'inflated-units': { verdict: 'bad', reason: /the receipt counts 2 units, the input has 1/ },
  'omitted-receipts': {
    verdict: 'missing',
    reason: /does not produce receipt \d+ of \d+ that it was paid for/,
  },
  // No test waits for a day: here it is paid before it shows them.
  'late-receipts': {
    verdict: 'missing',
    reason: /does not produce receipt \d+ of \d+ that it was paid for/,
  },
  // By the draws, and beside them as contradictions.
  'forked-chain': {
    verdict: 'missing',
    reason: /does not produce receipt \d+ of \d+ that it was paid for/,
  },
  // The same: it keeps back the newest receipt, and shows those that older redemptions named.
  'headless-fork': {
    verdict: 'missing',
    reason: /does not produce receipt \d+ of \d+ that it was paid for/,
  },
}

describe.skipIf(none !== undefined || process.env.LONG_TESTS === undefined)('providers that cheat', () => {
  let network: LocalNetwork
  let dev: DevChain
  let chain: Chain
  let auditor: Member
  let model: string
  const sales: Sale[] = []
  let cheats: NodeProcess | undefined
  let auditing: NodeProcess

  const host = (n: number): string => network.prover.host.replace('.200.', `.${n}.`)
  const settings = (more: object) => ({
    registry: {},
    chain: { rpcUrls: [dev.rpcUrl], addresses: join(network.directory, 'addresses.json') },
    ...more,
  })

  /** A provider and its client, both with a key, a configuration and money. */
  async function addPair(attack: Attack | undefined, n: number): Promise<Omit<Sale, 'client'>> {
    const models = [`asr-small=${PRICE}`]
    const provider = await network.addMember(attack ?? 'honest', host(210 + n), {})
    const buyer = await network.addMember(`buyer-${n}`, host(220 + n), {})
    if (attack === 'wrong-model') {
      const catalogue = await Catalogue.open(provider.dataDir)
      const cheaper = join(provider.dataDir, 'cheaper')
      await writeCheaperModel(catalogue.get('asr-small').directory, cheaper, 2)
      await catalogue.add(await readCard(cheaper, 'cheaper'))
      models.push(`cheaper=${PRICE}`)
    }
    const selling = { models, threads: 1, auditors: [auditor.identity.peerId], redeemAt: '1 gwei' }
    await network.configure(provider.dataDir, provider.host, settings({ inference: { provider: selling } }))
    const buying = { network: { listen: [] }, inference: { client: { deposit: '0.1 ETH' } } }
    await network.configure(buyer.dataDir, buyer.host, settings(buying))
    for (const { identity } of [provider, buyer]) await dev.fund(identity.address, parseAmount('10'))
    return { attack, provider, buyer }
  }

  /** The cheats in one process, so that a small machine has room for all of them. */
  async function startCheats(pairs: readonly Omit<Sale, 'client'>[]): Promise<void> {
    const passphraseFile = join(network.directory, 'passphrase')
    await writeFile(passphraseFile, `${PASSPHRASE}\n`, { mode: 0o600 })
    const spec = join(network.directory, 'cheats.json')
    const specs = pairs.map(({ attack, provider }) => ({ dataDir: provider.dataDir, passphraseFile, attack }))
    await writeFile(spec, JSON.stringify(specs))
    const process = new NodeProcess(CHILD, [], { env: { PLUMBLINE_LAB_SPEC: spec }, ipc: true })
    cheats = process
    let ready = 0
    await new Promise<void>((resolve, reject) => {
      process.child.on('message', () => {
        if (++ready === specs.length) resolve()
      })
      void process.ended.then(({ stderr }) => reject(new Error(stderr)))
    })
  }

  async function openSale(pair: Omit<Sale, 'client'>): Promise<Sale> {
    const { config } = await loadConfig({ flags: { dataDir: pair.buyer.dataDir } })
    const client = await openNetworkClient({
      config,
      identity: pair.buyer.identity,
      log: createLogger({ level: 'silent', format: 'json' }),
      providers: [pair.provider.address],
    })
    return { ...pair, client }
  }

  beforeAll(async () => {
    network = await LocalNetwork.create({ challengers: 0 })
    const { genesisTimeSeconds, periodSeconds } = network.beacon
    dev = await startDevChain({ beacon: { secret: network.beaconSecret, genesisTimeSeconds, periodSeconds } })
    chain = await openChain({ rpcUrls: [dev.rpcUrl], deployment: dev.deployment })
    await writeDeployment(join(network.directory, 'addresses.json'), dev.deployment)
    auditor = await network.addMember('auditor', host(209), {})
    const pairs = await Promise.all([undefined, ...ATTACKS].map(addPair))
    const [honest, ...dishonest] = pairs
    const own = ['--data-dir', honest?.provider.dataDir ?? '', '--json-stream']
    await Promise.all([startCheats(dishonest), network.start(['provider', ...own]).event('started')])
    sales.push(...(await Promise.all(pairs.map(openSale))))
    const bootstrap = sales.map(({ provider }) => provider.address)
    await network.configure(auditor.dataDir, auditor.host, settings({ network: { listen: [], bootstrap } }))
    const { payer } = network
    await network.configure(payer.dataDir, payer.host, settings({ network: { listen: [] } }))
    await dev.fund(payer.identity.address, parseAmount('10'))
    const [sale] = sales
    model = (await sale?.client.jobs.models())?.find(({ id }) => id === 'asr-small')?.sha256 ?? ''
  }, SLOW)
  afterAll(async () => {
    await Promise.all(sales.map(({ client }) => client.close()))
    await cheats?.stop()
    await network?.close()
    await chain?.close()
    await dev?.stop()
  }, SLOW)

  const { sampleRate, channels } = readWav(readFileSync(RECORDING))
  const spoken = channels[0] ?? new Float32Array()
  const soundOf = (samples: Float32Array): SoundInput => ({
    kind: 'sound',
    sampleRate,
    pcm16: pcm16Of(samples),
  })
  // "please press one" and "accept this".
  const opening = soundOf(spoken.subarray(0, sampleRate))
  const sentence = soundOf(spoken.subarray(1.2 * sampleRate, 2.2 * sampleRate))

  const rounds = new Map<number, Uint8Array>()
  const randomness = (round: number): Uint8Array => {
    const known = rounds.get(round) ?? randomnessOf(signRound(network.beaconSecret, round))
    rounds.set(round, known)
    return known
  }

  /** Whether a round to come draws a receipt that its client holds. @param but digests that are no lies */
  async function isDrawn({ buyer }: Sale, but: ReadonlySet<string>): Promise<boolean> {
    const directory = dataPaths(buyer.dataDir).boughtEvidence
    const shelf = await EvidenceShelf.open({ directory, mostBytes: 2 ** 30, keptSeconds: 86_400 })
    return shelf
      .list()
      .some(
        ({ digest, issuedAt }) =>
          !but.has(digest) &&
          isSampled(randomness(drawingRound(network.beacon, issuedAt)), hexToBytes(digest)),
      )
  }

  /** Whether the provider was paid for a place that the round after its redemption draws. */
  async function isPlaceDrawn({ buyer }: Sale): Promise<boolean> {
    const { blockNumber } = await chain.clock()
    const events = await readChannelEvents(chain, { fromBlock: 0n, toBlock: blockNumber })
    const own = events.opened.find(({ payer }) => payer === buyer.identity.address)
    let checked = 0
    for (const { channelId, receipts, at } of events.redeemed) {
      if (channelId !== own?.channelId) continue
      const drawn = randomness(drawingRound(network.beacon, at))
      for (let index = checked + 1; index <= receipts; index++)
        if (isPlaceSampled(drawn, hexToBytes(channelId.slice(2)), index)) return true
      checked = receipts
    }
    return false
  }

  /** @returns how many jobs that took */
  async function buyUntilDrawn(sale: Sale): Promise<number> {
    const { attack, client } = sale
    const honestJobs = new Set<string>()
    for (let jobs = 1; jobs <= MOST_JOBS; jobs++) {
      const input = jobs === 1 ? opening : sentence
      const job: Job = { task: 'transcribe', model, input, parameters: {} }
      const { payments = [] } = await client.jobs.run(job)
      // What is cached is the first answer, which was right when it was given.
      if (jobs === 1) for (const { receiptDigest } of payments) honestJobs.add(receiptDigest)
      const isOmitted = attack !== undefined && EXPECTED[attack].verdict === 'missing'
      if (isOmitted ? await isPlaceDrawn(sale) : await isDrawn(sale, honestJobs)) return jobs
    }
    throw new Error(`none of ${MOST_JOBS} jobs of ${attack ?? 'the honest one'} is drawn`)
  }

  it('sell, each until it lied in a job that the beacon draws', { timeout: SLOW }, async () => {
    const args = ['node', '--roles', 'auditor', '--data-dir', auditor.dataDir, '--json-stream']
    auditing = network.start(args)
    await Promise.all([auditing.event('started'), ...sales.map(buyUntilDrawn)])
  })

  // Meanwhile the beacon draws.
  it('are convicted by a client of what they signed, and shut out', { timeout: SLOW }, async () => {
    const provider = sales.find(({ attack }) => attack === 'shortened-output')?.provider ?? network.prover
    const own = ['--data-dir', network.payer.dataDir, '--json']
    const buy = (more: readonly string[] = []) =>
      network.run(['transcribe', RECORDING, '--provider', provider.address, ...own, ...more])
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
    const { peerId } = provider.identity
    expect(jobs).toMatchObject([
      { receipt, provider: peerId, verdict: 'bad', reason: expect.stringContaining('the text') },
    ])
    expect(records).toMatchObject([{ provider: peerId, audited: 1, failed: 1 }])

    const again = await buy()
    expect(again.code).toBe(1)
    expect(again.stderr).toMatch(/cheated or failed audits/)
  })

  it('are convicted by an auditor, the honest one is not, and strangers can check it', {
    timeout: SLOW,
  }, async () => {
    const book = await FindingsBook.open({
      directory: dataPaths(auditor.dataDir).findings,
      trusted: [auditor.identity.peerId],
    })
    const about = ({ provider }: Sale): readonly Finding[] =>
      book.findings().filter((each) => bytesToHex(each.provider) === bytesToHex(provider.identity.publicKey))
    const isSettled = (sale: Sale): boolean =>
      about(sale).some(
        ({ verdict }) => verdict === (sale.attack === undefined ? 'good' : EXPECTED[sale.attack].verdict),
      ) &&
      (sale.attack !== 'forked-chain' || about(sale).some(saysContradicted))
    const { findings: signed, auditedEvidence, auditContradictions } = dataPaths(auditor.dataDir)
    const isShown = async (): Promise<boolean> => {
      const bad = book.findings().filter((each) => each.verdict === 'bad' && !saysContradicted(each))
      return (await readdir(auditedEvidence)).length >= bad.length
    }
    const deadline = Date.now() + SEEN_WITHIN_MS
    while (!(sales.every(isSettled) && (await isShown())) && Date.now() < deadline) {
      await sleep(500)
      await book.refresh()
    }
    await auditing.stop()
    await book.refresh()
    for (const sale of sales) {
      const { attack = 'honest' } = sale
      const found = about(sale)
      const failed = found.filter(({ verdict }) => verdict !== 'good')
      if (attack === 'honest') {
        expect(failed).toEqual([])
        expect(found.length, auditing.stderr).toBeGreaterThan(0)
        continue
      }
      expect(failed.length, `${attack}: ${auditing.stderr}`).toBeGreaterThan(0)
      const { verdict, reason } = EXPECTED[attack]
      if (!isFork(attack)) expect(failed.filter(saysContradicted), attack).toEqual([])
      for (const each of failed.filter((any) => !saysContradicted(any)))
        expect(each, attack).toMatchObject({ verdict, reason: expect.stringMatching(reason) })
    }

    // Signatures and draws are checked, and each job that is called bad is run again, by who trusts none of them.
    const stranger = await network.addMember('stranger', host(208), settings({}))
    const shown = join(network.directory, 'shown')
    for (const folder of [signed, auditedEvidence]) await cp(folder, shown, { recursive: true })
    await cp(auditContradictions, join(shown, 'contradictions.json'))
    const judged = await network.run(['audit', shown, '--data-dir', stranger.dataDir, '--json'])
    expect(judged.code, judged.stderr).toBe(1)
    const { findings, jobs, contradictions } = JSON.parse(judged.stdout) as Judged
    const idsOf = (them: readonly Sale[]) => new Set(them.map(({ provider }) => provider.identity.peerId))
    expect(new Set(findings.map(({ provider }) => provider))).toEqual(idsOf(sales))
    for (const each of findings)
      expect(each).toMatchObject({
        auditor: auditor.identity.peerId,
        ...(each.contradiction === null ? { isDrawn: true } : { contradiction: 'proven' }),
      })
    expect(contradictions.filter(({ verdict }) => verdict !== 'bad')).toEqual([])
    const forked = sales.find(({ attack }) => attack === 'forked-chain')?.provider.identity.peerId
    expect(contradictions.map(({ provider }) => provider)).toContain(forked)
    const shownBad = sales.filter(({ attack }) => attack !== undefined && EXPECTED[attack].verdict === 'bad')
    expect(new Set(jobs.map(({ provider }) => provider))).toEqual(idsOf(shownBad))
    expect(jobs.filter(({ verdict }) => verdict !== 'bad')).toEqual([])
  })
})
