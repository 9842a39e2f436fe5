/**
 * The auditor against real ledgers: whom it blames and whom it does not. The exchange with the provider is a function call,
 * the model a small function; receipts, vouchers, findings and the beacon are real.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex } from '@noble/hashes/utils.js'
import { afterAll, describe, expect, it } from 'vitest'
import type { ChannelEvents } from '../../../../src/chain/index.js'
import { localBeacon, signRound, verifyRound } from '../../../../src/crypto/beacon.js'
import { Identity } from '../../../../src/crypto/identity.js'
import { UserError } from '../../../../src/errors.js'
import { Contradictions } from '../../../../src/inference/audit/contradictions.js'
import { drawingRound, drawnFrom, epochSeconds } from '../../../../src/inference/audit/drawing.js'
import { EvidenceShelf } from '../../../../src/inference/audit/evidence-shelf.js'
import { type Finding, readFinding } from '../../../../src/inference/audit/finding.js'
import { LastAnswers } from '../../../../src/inference/audit/last-answers.js'
import { NetworkAudit, type NetworkAuditModules } from '../../../../src/inference/audit/network-audit.js'
import { Refusals } from '../../../../src/inference/audit/refusals.js'
import { isPlaceSampled, lowestDrawn } from '../../../../src/inference/audit/sampling.js'
import type { Job, JobSource } from '../../../../src/inference/job.js'
import {
  encodeInput,
  encodeOutput,
  encodeTerms,
  hashOf,
} from '../../../../src/inference/network/job-codec.js'
import { EVIDENCE_MESSAGE, RECEIPTS_MESSAGE } from '../../../../src/inference/network/messages.js'
import { readOffer, signOffer } from '../../../../src/inference/network/offer.js'
import {
  Payee,
  Payer,
  ReceiptKind,
  receiptDigest,
  type SignedReceipt,
  signReceipt,
} from '../../../../src/inference/payment/index.js'
import { honestProvider, type ProviderBehaviour } from '../../../../src/inference/provider/behaviour.js'
import { EvidenceDesk } from '../../../../src/inference/provider/evidence-desk.js'
import { type ShownReceiptsModules, showReceipts } from '../../../../src/inference/provider/shown-receipts.js'
import {
  CHAIN_ATTACKS,
  type ChainAttack,
  corruptProvider,
  forkingProvider,
  PROVIDER_ATTACKS,
} from '../../../../src/lab/adversary/provider.js'
import type { Remote } from '../../../../src/p2p/index.js'
import { createLogger } from '../../../../src/telemetry/logger.js'
import { bytes32, CHANNEL, DOMAIN, MemoryBooks } from '../payment/support.js'

const log = createLogger({ level: 'silent', format: 'json' })
const MODEL = new Uint8Array(32).fill(7)
const WORDS = ['one', 'two', 'three', 'four', 'five']
/** At 5 % some of them are drawn: the keys below are fixed, so that it is the same ones in every run. */
const JOBS = 60
/** Of which more than three places are drawn. */
const MANY = 160

const SOLD_HEX = bytesToHex(MODEL)
/** What the provider sells: the model of all jobs, and another one. */
const SOLD = new Map([SOLD_HEX, '08'.repeat(32)].map((sha256) => [sha256, { task: 'transcribe' }]))

/** Hears a word in every two bytes, and another model the next word. */
const model: JobSource = {
  models: async () => [],
  close: async () => {},
  run: async ({ input, model: sha256 }: Job) => {
    if (input.kind !== 'sound') throw new Error('no sound')
    const shift = sha256 === SOLD_HEX ? 0 : 1
    const words = Array.from({ length: input.pcm16.length / 2 }, (_, i) => ({
      text: WORDS[((input.pcm16[2 * i] ?? 0) + shift) % WORDS.length] ?? '',
      startSeconds: i,
      endSeconds: i + 1,
      confidence: 1,
    }))
    const text = words.map((word) => word.text).join(' ')
    return { output: { kind: 'transcription', text, words, language: null }, runSeconds: 0 }
  },
}

const secret = new Uint8Array(32).fill(9)
secret[0] = 1
const START = 1_900_000_000
const beacon = localBeacon(secret, { genesisTimeSeconds: START - 1000, periodSeconds: 3 })
const rounds = new Map<number, Uint8Array>()
const randomness = async (round: number): Promise<Uint8Array> => {
  const known = rounds.get(round)
  if (known !== undefined) return known
  const random = verifyRound(beacon, round, signRound(secret, round))
  if (random === false) throw new Error('the round is not signed')
  rounds.set(round, random)
  return random
}

const directories: string[] = []
const desks: EvidenceDesk[] = []
afterAll(async () => {
  for (const each of desks) await each.stop()
  for (const each of directories) await rm(each, { recursive: true })
})

/** Undefined: as an honest one. */
type Answer = 'none' | 'busy' | 'denied' | 'away' | 'broken' | undefined
const honestly = (): Answer => undefined

interface World {
  readonly provider: Identity
  readonly auditor: Identity
  readonly findings: readonly Finding[]
  /** Numbers from which on receipts were asked for. */
  readonly asked: readonly number[]
  readonly desk: EvidenceDesk
  /** Moves the clock, and lets the auditor do what it can. */
  at(seconds: number): Promise<void>
  /** The auditor goes, and comes again with what it has on its disk. */
  restart(): Promise<void>
  now(): number
  sell(jobs: number): Promise<void>
  /** The newest voucher, or one that says what no honest payee accepts. */
  redeem(receipts?: number): void
  /** What the auditor keeps against providers. */
  contradictions(): Contradictions
  /** Outputs that are owed go, as in a crash: the provider credits them. */
  credit(): Promise<void>
}

interface Scene {
  readonly behaviour?: ProviderBehaviour
  /** Of each job's terms. */
  readonly isAudited?: boolean
  /** Who may have evidence. */
  readonly isAuditor?: boolean
  /** Whether the auditor has a seat; true unless given. */
  readonly isSeated?: boolean
  /** What the provider answers to who asks for evidence, and for receipts, instead of what it keeps. */
  readonly evidence?: () => Answer
  readonly receipts?: () => Answer
  /** Receipts that the provider keeps, and the auditor knows that it keeps. */
  readonly keptReceipts?: number
  /** The provider's clock is so much behind. */
  readonly behindSeconds?: number
  /** Whether the provider reaches its beacon. */
  readonly hasBeacon?: () => boolean
  /** Whether the voucher is redeemed; true unless given. */
  readonly redeem?: boolean
  /** Whether the auditor has a disk, so that it may be started again. */
  readonly isRestarted?: boolean
  /** What auditors are shown instead of the chain that was sold. */
  readonly shown?: ChainAttack
  /** That are sold at first; JOBS unless given. */
  readonly jobs?: number
  /** Drawn jobs that the auditor has room for. */
  readonly mostDrawnJobs?: number
  /** Whether clients say that they have their outputs; true unless given. */
  readonly isAcknowledged?: () => boolean
}

/** JOBS jobs are sold and paid; the voucher is redeemed a second later. */
async function world(scene: Scene = {}): Promise<World> {
  const {
    receipts: receiptsAnswer = honestly,
    keptReceipts,
    behindSeconds = 0,
    hasBeacon = () => true,
  } = scene
  const {
    behaviour = honestProvider,
    isAudited = true,
    isAuditor = true,
    evidence = honestly,
    redeem = true,
    isSeated = true,
    jobs: firstJobs = JOBS,
    isAcknowledged = () => true,
  } = scene
  // Fixed keys: digests, and with them the draws, are the same in every run.
  const [provider, payer, auditor] = [11, 12, 13].map((n) => Identity.fromSecret(new Uint8Array(32).fill(n)))
  if (provider === undefined || payer === undefined || auditor === undefined) throw new Error('no keys')
  let now = START
  const id = CHANNEL.channelId
  const channel = { ...CHANNEL, depositWei: 10n ** 9n, endsAt: START + 10_000_000 }
  const limits = { exposureWei: 10n ** 6n, maxJobs: 8, leastRemainingSeconds: 1 }
  const books = (): MemoryBooks => new MemoryBooks(true)
  const seller = await Payee.open(
    { domain: DOMAIN, signer: provider, books: books(), now: () => now, keptReceipts },
    limits,
  )
  const buyer = await Payer.open({ domain: DOMAIN, signer: payer, books: books() }, limits)
  await seller.setChannel(payer.address, channel)
  await buyer.setChannel(provider.address, channel)
  const directory = await mkdtemp(join(tmpdir(), 'desk-'))
  directories.push(directory)
  const shelf = await EvidenceShelf.open({ directory, mostBytes: 2 ** 24, keptSeconds: 86_400, log })
  const clock = () => now * 1000
  const desk = new EvidenceDesk({
    shelf,
    beacon,
    randomness: (round) =>
      hasBeacon()
        ? randomness(round)
        : Promise.reject(new UserError('the beacon is away', { code: 'UNAVAILABLE' })),
    isAuditor: async () => isAuditor,
    log,
    now: () => clock() - behindSeconds * 1000,
  })
  desks.push(desk)
  let sold = 0
  const sellOne = async (): Promise<void> => {
    const n = ++sold
    now += 1
    const pcm16 = Uint8Array.from({ length: 6 + 2 * (n % 5) }, (_, i) => (n * 31 + i * 17) % 251)
    const job: Job = {
      task: 'transcribe',
      model: SOLD_HEX,
      input: { kind: 'sound', sampleRate: 100, pcm16 },
      parameters: {},
    }
    const input = encodeInput(job.input)
    const price = { units: 1, priceWeiPerUnit: 3n }
    const terms = encodeTerms({ task: 'transcribe', unit: 'audio-second', ...price, audit: isAudited })
    const asked = { jobId: bytes32(n), model: MODEL, input: hashOf(input), terms: hashOf(terms) }
    await buyer.begin(id, { ...asked, maxPriceWei: 3n })
    seller.admit(id, { jobId: asked.jobId, maxPriceWei: 3n })
    const run = async (instead = SOLD_HEX) =>
      encodeOutput((await model.run({ ...job, model: instead })).output)
    const output = await behaviour.output({ model: SOLD_HEX, input, terms, sold: SOLD }, run)
    const work = { ...asked, output: hashOf(output), units: 1, priceWei: 3n }
    const receipt = await seller.issue(id, behaviour.work(work))
    await seller.accept(await buyer.receive(receipt))
    await buyer.deliver(id, asked.jobId, hashOf(output))
    if (isAcknowledged()) seller.acknowledge(id, asked.jobId)
    if (behaviour.producesReceipt(receipt, now))
      await desk.keep({ receipt, terms, input, output, provider: provider.publicKey, domain: DOMAIN })
  }
  const sell = async (jobs: number): Promise<void> => {
    for (let i = 0; i < jobs; i++) await sellOne()
  }
  await sell(firstJobs)
  const hex = (bytes: Uint8Array): `0x${string}` => `0x${bytesToHex(bytes)}`
  const opened = [
    { channelId: hex(id), payer: payer.address, payee: provider.address, endsAt: channel.endsAt },
  ]
  let events: ChannelEvents = { opened, redeemed: [], closed: [] }
  const redeemNow = (receipts?: number): void => {
    const { voucher } = seller.account(id)
    if (voucher === null) throw new Error('nothing was paid')
    const { receiptsHead } = voucher
    const redemption = {
      ...{
        channelId: hex(id),
        payee: provider.address,
        receipts: receipts ?? voucher.receipts,
        receiptsHead: hex(receiptsHead),
        at: now,
      },
    }
    events = { ...events, redeemed: [...events.redeemed, redemption] }
  }
  if (redeem) redeemNow()
  const offer = {
    addresses: ['/ip4/127.0.0.1/tcp/1'],
    models: [],
    queue: 1,
    keptSeconds: 86_400,
    audited: true,
  }
  const offers = [readOffer(signOffer(provider, offer, now * 1000))]
  const remote: Remote = {
    ...auditor,
    peerId: auditor.peerId,
    publicKey: auditor.publicKey,
    address: '',
    limited: false,
  }
  // What auditors are shown may be another matter than what is sold.
  const auditing = scene.shown === undefined ? behaviour : forkingProvider(scene.shown, provider)
  const asked: number[] = []
  const host = {
    request: async (_target: unknown, message: { readonly name: string }, request: never) => {
      const answer = message.name === RECEIPTS_MESSAGE.name ? receiptsAnswer() : evidence()
      if (answer === 'away') throw new UserError('nobody there', { code: 'UNREACHABLE' })
      if (answer === 'broken') throw new UserError('it answered internal', { code: 'UNAVAILABLE' })
      if (message.name === RECEIPTS_MESSAGE.name) {
        const modules: ShownReceiptsModules = {
          payerOf: (channelId) => seller.find(channelId)?.payer,
          receipts: async (channelId, from) => {
            asked.push(from)
            return seller.receipts(channelId, from, 100)
          },
          isAuditor: async () => isAuditor,
          shown: (receipts) =>
            auditing.shownReceipts(
              receipts.filter((each) => behaviour.producesReceipt(each, now)),
              DOMAIN,
            ),
        }
        return showReceipts(modules, request, remote)
      }
      if (message.name !== EVIDENCE_MESSAGE.name) throw new Error(`nobody asks for ${message.name}`)
      if (answer !== undefined) return { kind: 'refused', code: CODES[answer], message: 'what?' }
      const { receipt } = request as { readonly receipt: Uint8Array }
      return auditing.evidence(receipt, () => desk.answer(remote, receipt))
    },
  } as unknown as NetworkAuditModules['host']
  const findings: Finding[] = []
  let before: ChannelEvents = { opened: [], redeemed: [], closed: [] }
  const modules: Omit<NetworkAuditModules, 'refusals'> = {
    beacon,
    randomness,
    openExecutions: async () => [model, model],
    signer: auditor,
    onFinding: async (message) => void findings.push(readFinding(message)),
    log,
    now: clock,
    host,
    domain: DOMAIN,
    events: async () => {
      const found = events
      before = {
        opened: [...before.opened, ...found.opened],
        redeemed: [...before.redeemed, ...found.redeemed],
        closed: [...before.closed, ...found.closed],
      }
      events = { opened: [], redeemed: [], closed: [] }
      return found
    },
    offers: () => offers,
    ...(keptReceipts === undefined ? {} : { keptReceipts }),
    ...(scene.mostDrawnJobs === undefined ? {} : { mostDrawnJobs: scene.mostDrawnJobs }),
    isSeated: async () => isSeated,
    isFound: () => false,
    keep: async () => {},
  }
  let contradictions = Contradictions.passing()
  const open = async () => {
    if (scene.isRestarted) contradictions = await Contradictions.open(join(directory, 'contradictions.json'))
    return new NetworkAudit({
      ...modules,
      contradictions,
      ...(scene.isRestarted && {
        refusals: await Refusals.open(join(directory, 'refusals.json')),
        answers: await LastAnswers.open(join(directory, 'answers.json')),
      }),
    })
  }
  let audit = await open()
  /** As a new process of the same node: it reads the chain from the beginning. */
  const restart = async (): Promise<void> => {
    events = before
    before = { opened: [], redeemed: [], closed: [] }
    audit = await open()
  }
  const at = async (seconds: number): Promise<void> => {
    now = seconds
    await audit.round(new AbortController().signal)
  }
  const credit = async (): Promise<void> => {
    for (const each of await seller.creditAllLost()) await buyer.receive(each)
  }
  return {
    ...{ provider, auditor, findings, asked, desk, at, restart, sell, redeem: redeemNow, now: () => now },
    ...{ contradictions: () => contradictions, credit },
  }
}

const CODES = { none: 'NOT_FOUND', busy: 'BUSY', denied: 'DENIED' } as const
const verdicts = (findings: readonly Finding[]) => [...new Set(findings.map(({ verdict }) => verdict))]
/** All rounds that draw its receipts are over. */
const LATER = START + JOBS + 3 * epochSeconds(beacon)

describe('an auditor of the network', () => {
  it('acquits an honest provider, of a share of its jobs', async () => {
    const { findings, at, provider, auditor } = await world()
    await at(LATER)
    expect(verdicts(findings)).toEqual(['good'])
    expect(findings.length).toBeGreaterThan(0)
    expect(findings.length).toBeLessThan(JOBS / 5)
    for (const each of findings) {
      expect(each.provider).toEqual(provider.publicKey)
      expect(each.auditor).toEqual(auditor.publicKey)
    }
    // What was judged is not judged again.
    const before = findings.length
    await at(LATER + 1000)
    expect(findings.length).toBe(before)
  })

  it.each(PROVIDER_ATTACKS)('finds %s', async (attack) => {
    const { findings, at } = await world({ behaviour: corruptProvider(attack) })
    await at(LATER)
    const failed = findings.filter(({ verdict }) => verdict !== 'good')
    expect(failed.length).toBeGreaterThan(0)
    expect(verdicts(failed)).toEqual([/receipts$/.test(attack) ? 'missing' : 'bad'])
  })

  it.each(CHAIN_ATTACKS)('finds %s: nothing of it counts for its signature alone', async (attack) => {
    const { findings, at, now, provider } = await world({ shown: attack, jobs: MANY })
    const round = drawingRound(beacon, now())
    await at(LATER + MANY)
    const missing = findings.filter(({ verdict }) => verdict === 'missing').map(({ index }) => index)
    const random = await randomness(round)
    const places = Array.from({ length: MANY }, (_, i) => i + 1)
    const drawn = places.filter((place) => isPlaceSampled(random, CHANNEL.channelId, place))
    expect(drawn.length).toBeGreaterThan(3)
    expect(missing).toEqual(lowestDrawn(random, CHANNEL.channelId, drawn, 3))
    for (const each of findings) expect(each.provider).toEqual(provider.publicKey)
  })

  it('blames without a draw who shows another receipt than it redeemed, once, and keeps what proves it', async () => {
    const { findings, at, now, restart, contradictions, provider } = await world({
      ...{ shown: 'forked-chain', jobs: 3, isRestarted: true },
    })
    // No place of three is drawn, and the beacon need not have spoken.
    await at(now())
    expect(findings).toMatchObject([{ verdict: 'bad', index: 3, provider: provider.publicKey }])
    expect(findings[0]?.reason).toMatch(/another receipt 3 than the one that it redeemed on the chain/)
    await at(now() + 3 * epochSeconds(beacon))
    await restart()
    await at(now())
    expect(findings.filter(({ verdict }) => verdict === 'bad')).toHaveLength(1)
    const [proof, ...more] = contradictions().all()
    if (proof === undefined) throw new Error('nothing is kept')
    expect(more).toEqual([])
    expect(receiptDigest(DOMAIN, proof.receipt)).toEqual(findings[0]?.receipt)
    expect(proof.provider).toEqual(provider.publicKey)
  })

  it('knows nothing before the round that decides', async () => {
    const { findings, at } = await world({ behaviour: corruptProvider('wrong-model') })
    await at(drawnFrom(beacon, START + 1) - 1)
    expect(findings).toEqual([])
  })

  it('takes a provider that has no evidence for one that cheated, and one that is away for neither', async () => {
    const none = await world({ evidence: () => 'none' })
    await none.at(LATER)
    expect(verdicts(none.findings)).toEqual(['missing'])
    const away = await world({ evidence: () => 'away' })
    await away.at(LATER)
    expect(away.findings).toEqual([])
    // Not for ever: evidence is kept for a day.
    await away.at(LATER + 90_000)
    expect(away.findings).toEqual([])
  })

  it('brings drawn jobs again that found no room, until each is judged', async () => {
    const roomy = await world()
    await roomy.at(LATER)
    const full = await world({ mostDrawnJobs: 1 })
    for (let round = 0; round < 2 * roomy.findings.length; round++) await full.at(LATER + 30 * round)
    expect(roomy.findings.length).toBeGreaterThan(1)
    expect(full.findings.map(({ index }) => index).sort()).toEqual(
      roomy.findings.map(({ index }) => index).sort(),
    )
    expect(verdicts(full.findings)).toEqual(['good'])
  })

  it('hears no job whose payer opted out, and nothing where it is no auditor', async () => {
    const optedOut = await world({ isAudited: false, behaviour: corruptProvider('wrong-model') })
    await optedOut.at(LATER)
    expect(optedOut.findings).toEqual([])
    const stranger = await world({ isAuditor: false, behaviour: corruptProvider('wrong-model') })
    await stranger.at(LATER)
    expect(stranger.findings).toEqual([])
  })

  it('asks of a redemption for no receipts but those before it', async () => {
    const { findings, at } = await world({ redeem: false, behaviour: corruptProvider('omitted-receipts') })
    await at(LATER)
    expect(findings).toEqual([])
  })
})

/** Rounds of an auditor until nothing needs to be kept any more. */
async function watch({ at, now }: World): Promise<void> {
  for (let seconds = Math.max(now(), LATER); seconds < LATER + 90_000; seconds += 2500) await at(seconds)
}

describe('an honest provider', () => {
  it('is asked again where it does not know the draw yet: its clock is behind, or its beacon is away', async () => {
    const behind = await world({ behindSeconds: 6 * epochSeconds(beacon) })
    await behind.at(LATER)
    expect(behind.findings).toEqual([])
    await behind.at(LATER + 7 * epochSeconds(beacon))
    expect(verdicts(behind.findings)).toEqual(['good'])
    let hasBeacon = false
    const cut = await world({ hasBeacon: () => hasBeacon })
    await cut.at(LATER)
    expect(cut.findings).toEqual([])
    hasBeacon = true
    await cut.at(LATER + 4 * epochSeconds(beacon))
    expect(verdicts(cut.findings)).toEqual(['good'])
  })

  it('is not held to receipts that it need not keep after an auditor was cut off, and audited from there on', async () => {
    const kept = 30
    const scene = { redeem: false, keptReceipts: kept }
    const { findings, asked, at, now, sell, redeem } = await world(scene)
    await at(now())
    // More than are kept pass while nobody looks.
    await sell(3 * kept)
    redeem()
    await at(now())
    await sell(kept)
    redeem()
    await at(now() + 3 * epochSeconds(beacon))
    expect(verdicts(findings)).toEqual(['good'])
    // It goes on after what it got, and does not ask for what is gone for ever.
    expect(asked.at(-1)).toBe(JOBS + 3 * kept + 1)
  })

  it('is not held to what made room where its newer receipts are not all read yet', async () => {
    const kept = 150
    let requests = 0
    // Its answers come one a round: it is read in parts.
    const scene = {
      keptReceipts: kept,
      isRestarted: true,
      receipts: () => (requests++ % 2 === 1 ? 'away' : undefined),
    } as const
    const { findings, at, now, sell, restart } = await world(scene)
    await at(now())
    await sell(2 * kept)
    await restart()
    for (let round = 1; round <= 10; round++) await at(now() + epochSeconds(beacon))
    expect(verdicts(findings)).toEqual(['good'])
  })

  it('is blamed for nothing by credits, by several redemptions in any moment, or by restarts on either side', async () => {
    let isAcknowledged = true
    const scene = {
      ...{ redeem: false, keptReceipts: 40, isRestarted: true, jobs: 5 },
      isAcknowledged: () => isAcknowledged,
    }
    const { findings, at, now, sell, redeem, restart, credit, contradictions } = await world(scene)
    // Numbers that look thrown, and are the same in each run.
    let seed = 7
    const pick = (n: number): number => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31
      return Math.floor((seed / 2 ** 31) * n)
    }
    for (let step = 0; step < 120; step++) {
      const what = pick(6)
      if (what === 0) await sell(pick(60) + 1)
      if (what === 1) redeem()
      if (what === 2) {
        isAcknowledged = false
        await sell(pick(3) + 1)
        isAcknowledged = true
        await at(now())
        await credit()
        // The next voucher commits to the credits.
        await sell(1)
      }
      if (what === 3) await restart()
      await at(now() + pick(2 * epochSeconds(beacon)))
      if (step % 10 === 9) redeem()
    }
    for (let round = 0; round < 5; round++) await at(now() + epochSeconds(beacon))
    expect(verdicts(findings)).toEqual(['good'])
    expect(contradictions().all()).toEqual([])
  })

  it('is blamed for nothing by a redemption with a number of receipts that cannot be', async () => {
    const { findings, at, redeem } = await world({ redeem: false })
    for (const receipts of [2 ** 60, Number.MAX_SAFE_INTEGER, 2 ** 41]) redeem(receipts)
    await at(LATER)
    expect(verdicts(findings)).toEqual(['good'])
  })

  it('may be away, or refuse strangers, and put off for a while', async () => {
    let answer: Answer = 'busy'
    const recovers = await world({ evidence: () => answer })
    for (let minute = 0; minute < 50; minute++) await recovers.at(LATER + 60 * minute)
    answer = 'away'
    await watch(recovers)
    expect(recovers.findings).toEqual([])
    const stranger = await world({ evidence: () => 'denied', isSeated: false })
    await watch(stranger)
    expect(stranger.findings).toEqual([])
    const away = await world({ receipts: () => 'away' })
    await watch(away)
    expect(away.findings).toEqual([])
  })
})

describe('a provider that is there, and keeps back what was drawn for as long as it must keep it,', () => {
  it.each(['busy', 'denied', 'broken'] as const)('has failed: its evidence is %s', async (answer) => {
    const impolite = await world({ evidence: () => answer })
    await impolite.at(LATER)
    await impolite.at(LATER + 40_000)
    expect(impolite.findings).toEqual([])
    await watch(impolite)
    expect(verdicts(impolite.findings)).toEqual(['missing'])
    expect(impolite.findings[0]?.reason).toMatch(/refused/)
  })

  it.each(['evidence', 'receipts'] as const)(
    'has failed where the auditor is started again and again meanwhile: its %s',
    async (what) => {
      const impolite = await world({ [what]: () => 'broken', isRestarted: true })
      const { at, now, restart } = impolite
      for (let round = 0; now() < LATER + 90_000; round++) {
        // In no run are there refusals enough.
        if (round % 4 === 3) await restart()
        await at(Math.max(now(), LATER) + 2500)
      }
      expect(verdicts(impolite.findings)).toEqual(['missing'])
    },
  )

  it('has failed where it gives no receipts, either', async () => {
    const impolite = await world({ receipts: () => 'broken' })
    await impolite.at(LATER)
    expect(impolite.findings).toEqual([])
    await watch(impolite)
    expect(verdicts(impolite.findings)).toEqual(['missing'])
  })
})

/** Longer than evidence is kept, and than the laboratory's cheat hides receipts, which is so long. */
const A_DAY = 100_000
const HIDDEN = 90_000

describe('receipts that come after a day', () => {
  /** The auditor asks for a day; the provider is paid only then. */
  async function paidLate(scene: Scene, isRestarted = false): Promise<World> {
    const sold = await world({ ...scene, redeem: false, isRestarted })
    for (let seconds = LATER; seconds < LATER + A_DAY; seconds += 5000) {
      // The new run has not heard itself that there was nothing.
      if (isRestarted && seconds === LATER + HIDDEN) await sold.restart()
      await sold.at(seconds)
    }
    sold.redeem()
    for (let seconds = LATER + A_DAY; seconds < LATER + 2 * A_DAY; seconds += 5000) await sold.at(seconds)
    return sold
  }

  it('were hidden, and are audited, where the provider had none of their date: also over a restart', async () => {
    for (const isRestarted of [false, true]) {
      const { findings } = await paidLate({ behaviour: corruptProvider('late-receipts') }, isRestarted)
      expect(verdicts(findings)).toEqual(['missing'])
      expect(findings[0]?.reason).toMatch(/does not have what belongs to the receipt/)
    }
  })

  it('were hidden, too, where it puts off to the end what belongs to them', async () => {
    const { findings } = await paidLate({
      behaviour: corruptProvider('late-receipts'),
      evidence: () => 'busy',
    })
    expect(verdicts(findings)).toEqual(['missing'])
    expect(findings[0]?.reason).toMatch(/refused/)
  })

  it('are nobody’s fault where the provider could not be reached, or refused, meanwhile', async () => {
    for (const answer of ['away', 'broken'] as const) {
      let isOver = false
      let isGone = false
      const sold = await world({
        redeem: false,
        receipts: () => (isOver ? undefined : answer),
        evidence: () => (isGone ? 'none' : undefined),
      })
      // It had shown all that there was before.
      isOver = true
      await sold.at(sold.now())
      await sold.sell(JOBS)
      isOver = false
      for (let seconds = LATER; seconds < LATER + A_DAY; seconds += 2500) await sold.at(seconds)
      isOver = true
      isGone = true
      sold.redeem()
      await sold.at(LATER + A_DAY)
      await sold.at(LATER + A_DAY + 3 * epochSeconds(beacon))
      expect(verdicts(sold.findings).filter((verdict) => verdict !== 'good')).toEqual([])
    }
  })

  it('were shown before, to a former run of the auditor', async () => {
    let isGone = false
    const scene = { redeem: false, isRestarted: true, evidence: () => (isGone ? 'none' : undefined) } as const
    const { findings, restart, at, sell, now, redeem } = await world(scene)
    for (let seconds = LATER; seconds < LATER + A_DAY; seconds += 10_000) await at(seconds)
    // What belongs to them need not be there any more.
    isGone = true
    redeem()
    await restart()
    await at(LATER + A_DAY)
    await at(LATER + A_DAY + 3 * epochSeconds(beacon))
    expect(verdicts(findings)).toEqual(['good'])
    const before = findings.length
    isGone = false
    await sell(JOBS)
    await at(now() + 3 * epochSeconds(beacon))
    expect(findings.length).toBeGreaterThan(before)
    expect(verdicts(findings)).toEqual(['good'])
  })
})

it('a receipt of another hand, or out of its place, is not followed', async () => {
  const { WatchedChannel } = await import('../../../../src/inference/audit/watched-channel.js')
  const [payee, other] = [Identity.generate(), Identity.generate()]
  const make = (index: number, previous: Uint8Array, signer: Identity): SignedReceipt =>
    signReceipt(
      DOMAIN,
      {
        ...{ channelId: CHANNEL.channelId, index, previous, kind: ReceiptKind.job, jobId: bytes32(index) },
        ...{ model: MODEL, input: MODEL, terms: MODEL, output: MODEL, units: 1, priceWei: 1n },
        ...{ totalWei: BigInt(index), issuedAt: START },
      },
      signer,
    )
  const { receiptDigest } = await import('../../../../src/inference/payment/index.js')
  const first = make(1, new Uint8Array(32), payee)
  const second = make(2, receiptDigest(DOMAIN, first), payee)
  const channel = new WatchedChannel(CHANNEL.channelId, payee.address, DOMAIN)
  expect(channel.take([make(1, new Uint8Array(32), other)])).toBe(0)
  expect(channel.take([first, first])).toBe(1)
  expect(channel.take([make(2, bytes32(5), payee)])).toBe(0)
  expect(channel.take([second])).toBe(1)
  expect(channel.next).toBe(3)
  expect(channel.take([make(2, receiptDigest(DOMAIN, first), payee)])).toBe(0)
})
