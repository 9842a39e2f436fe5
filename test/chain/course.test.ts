/** The life of nodes and challenges through the client: register, stake, open, fix, settle, claim, fault, leave. */
import { toBytes, toHex } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  announceFault,
  type Chain,
  chooseRound,
  chooseSnapshot,
  claimFees,
  closeChallenge,
  compactSeats,
  DEVELOPMENT_TERMS,
  type DevChain,
  depositBond,
  deregisterNode,
  expireChallenge,
  findClaims,
  fixCommittee,
  openChain,
  openChallenge,
  openSeatCache,
  parseAmount,
  proveAckLists,
  proveResults,
  proveSeed,
  proveTestimonies,
  quoteChallenge,
  readChallenge,
  readCommittee,
  readCredits,
  readNode,
  readOpening,
  readProverAccount,
  readSettlement,
  registerNode,
  rotateNode,
  settleChallenge,
  signConsent,
  startDevChain,
  submitRound,
  toChainRequest,
  updateNode,
  withdrawDeposit,
  withdrawRefund,
  withdrawReward,
  withdrawStake,
} from '../../src/chain/index.js'
import { type Address, addressBytes } from '../../src/crypto/address.js'
import { signRound } from '../../src/crypto/beacon.js'
import { Identity } from '../../src/crypto/identity.js'
import { raiseDispute } from '../../src/node/chain/dispute.js'
import { acceptanceDigest, challengeIdOf, digestsOf, Profile, type Request } from '../../src/pob/request.js'
import { type ResultValue, resultDigest } from '../../src/pob/result.js'
import { seatCommittee, seatQueryOf } from '../../src/pob/seat-draw.js'
import {
  ackListDigest,
  type Commitment,
  commitmentDigest,
  seedHashOf,
  type Testimony,
  testimonyDigest,
} from '../../src/pob/slot.js'
import { eventually } from '../support/chain-network.js'
import { fundedChain, whyNoAnvil } from './support.js'

/** Three tests below lose four of them to proven faults. */
const MEMBERS = 13
const EVIDENCE = new Uint8Array(32).fill(7)

interface Member {
  readonly hot: Identity
  readonly cold: Chain & { readonly identity: Identity }
}

describe.skipIf(whyNoAnvil !== undefined)('a deployment in use', () => {
  let dev: DevChain
  let payer: Chain & { readonly identity: Identity }
  let proverCold: Chain & { readonly identity: Identity }
  const prover = Identity.generate()
  const members: Member[] = []

  beforeAll(async () => {
    dev = await startDevChain({ blockTimeSeconds: 0 })
    payer = await fundedChain(dev)
    proverCold = await fundedChain(dev)
    await enroll(proverCold, prover, '127.0.0.1', 0)
    await depositBond(proverCold, { prover: prover.address, amountWei: parseAmount('1') })
    for (let i = 0; i < MEMBERS; i++) {
      const cold = await fundedChain(dev)
      const hot = Identity.generate()
      await enroll(cold, hot, `127.0.${i + 1}.1`, 1)
      members.push({ hot, cold })
    }
    await dev.increaseTime(5)
  }, 60_000)
  afterAll(async () => {
    await Promise.all([payer, proverCold, ...members.map(({ cold }) => cold)].map((chain) => chain?.close()))
    await dev?.stop()
  })

  async function consentOf(hot: Identity, chain: Chain & { readonly identity: Identity }) {
    const { timestamp } = await chain.clock()
    return signConsent(hot, {
      chainId: chain.chainId,
      stakeRegistry: dev.deployment.contracts.stakeRegistry,
      owner: chain.identity.address,
      expiry: timestamp + 3600,
    })
  }

  const endpoint = (host: string) => ({
    host,
    udpPort: 4022,
    uplinkKbps: 500_000,
    addresses: [`/ip4/${host}/tcp/4021`],
  })

  async function enroll(
    chain: Chain & { readonly identity: Identity },
    hot: Identity,
    host: string,
    seats: number,
  ) {
    return registerNode(chain, { consent: await consentOf(hot, chain), endpoint: endpoint(host), seats })
  }

  async function requestOf(change: Partial<Request> = {}): Promise<{ request: Request; snapshot: number }> {
    if (dev.beacon === undefined) throw new Error('no beacon')
    // Blocks come with transactions alone here: without a later second the round would be the last challenge's.
    await dev.increaseTime(2)
    const { snapshot, registryHash } = await chooseSnapshot(payer)
    const { round, expiresAt } = await chooseRound(payer, dev.beacon)
    const request: Request = {
      version: 1,
      chainId: payer.chainId,
      verifyingContract: payer.domain.verifyingContract,
      prover: prover.publicKey,
      payer: payer.identity.publicKey,
      coordinator: payer.identity.publicKey,
      direction: 0,
      profile: Profile.standard,
      claimKbps: 100_000,
      committeeSize: 6,
      faulty: 1,
      teams: 3,
      betaMillionths: 0,
      deltaMillionths: 0,
      registryHash,
      beaconChain: dev.beacon.chainHash,
      beaconRound: round,
      expiresAt,
      salt: Identity.generate().publicKey.slice(1),
      ...change,
    }
    return { request, snapshot }
  }

  async function opened(change: Partial<Request> = {}) {
    const { request, snapshot } = await requestOf(change)
    const { timestamp } = await payer.clock()
    const acceptedAt = timestamp
    const acceptance = prover.sign(acceptanceDigest(digestsOf(request), acceptedAt))
    const refundTo = payer.identity.address
    const opening = await openChallenge(payer, { request, snapshot, acceptedAt, acceptance, refundTo })
    return { request, ...opening }
  }

  /** The local beacon's key is ours: no need to wait for the round. */
  async function fixed(change: Partial<Request> = {}) {
    const challenge = await opened(change)
    const { beaconChain, beaconRound: round } = challenge.request
    const signature = signRound(dev.beaconSecret, round)
    const { randomness } = await submitRound(payer, { beaconChain, round, signature })
    const outcome = await fixCommittee(payer, challenge)
    if (outcome.status !== 'fixed') throw new Error('void')
    return { ...challenge, committee: outcome.committee, quorum: outcome.quorum, randomness }
  }

  const hotOf = (address: Address): Identity => {
    const found = members.find(({ hot }) => hot.address === address)
    if (found === undefined) throw new Error(`${address} is no member`)
    return found.hot
  }
  const owedAll = (size: number): Uint8Array => {
    const owed = new Uint8Array(32)
    owed[31] = 2 ** size - 1
    return owed
  }
  const resultOf = (size: number, change: Partial<ResultValue> = {}): ResultValue => ({
    evidenceHash: EVIDENCE,
    guaranteedKbps: 90_000,
    estimateKbps: 99_000,
    owed: owedAll(size),
    ...change,
  })
  const signed = (
    request: Request,
    committee: readonly Address[],
    result: ResultValue,
    silent: readonly number[],
  ) =>
    committee.map((address, i) =>
      silent.includes(i) ? null : hotOf(address).sign(resultDigest(digestsOf(request), result)),
    )

  it('runs a challenge from its opening to the payouts', async () => {
    const quote = await quoteChallenge(payer, { committeeSize: 6 })
    const before = await payer.client.getBalance({ address: payer.identity.address })
    const { request, challengeId, committee, quorum, terms, randomness, escrowWei } = await fixed()
    expect(challengeId).toBe(toHex(challengeIdOf(request)))
    expect(escrowWei).toBe(quote.feeWei)
    expect(quorum).toBe(5)
    const cache = await openSeatCache(payer)
    expect(cache.draw(seatQueryOf(request, terms, Buffer.from(randomness.slice(2), 'hex')))).toEqual(
      committee,
    )
    expect(toHex(cache.snapshotHash(terms.snapshot))).toBe(toHex(request.registryHash))
    const entries = cache.entriesOf(committee)
    expect(entries?.map(({ publicKey }) => toHex(publicKey))).toEqual(
      committee.map((address) => toHex(hotOf(address).publicKey)),
    )
    expect(entries?.[0]).toMatchObject({ udpPort: 4022, uplinkKbps: 500_000 })
    expect(seatCommittee(request, entries ?? [])).toMatchObject({
      teamSize: 2,
      teams: 3,
      faulty: 1,
      cleanTeams: 2,
    })
    expect(await readOpening(payer, challengeId)).toMatchObject({ request: toChainRequest(request), terms })
    expect(await readCommittee(payer, challengeId)).toMatchObject({ committee, quorum })

    const result = resultOf(committee.length)
    const two = signed(request, committee, result, [0, 1])
    await expect(settleChallenge(payer, { challengeId, committee, result, signatures: two })).rejects.toThrow(
      'settling the challenge: 4 members signed the result, 5 are needed',
    )
    const signatures = signed(request, committee, result, [2])
    const settled = await settleChallenge(payer, { challengeId, committee, result, signatures })
    expect(settled).toMatchObject({ status: 'settled', signers: 0b111011n })
    const state = await readChallenge(payer, challengeId)
    expect(state).toMatchObject({ status: 'settled', guaranteedKbps: 90_000, estimateKbps: 99_000 })
    expect(state.evidenceHash).toEqual(EVIDENCE)
    expect(await readSettlement(payer, challengeId)).toMatchObject({ transactionHash: settled.hash })

    // Everything the payer spent is inside the quote.
    const spent = before - (await payer.client.getBalance({ address: payer.identity.address }))
    expect(spent).toBeLessThan(quote.totalWei)

    const [first] = committee
    if (first === undefined) throw new Error('nobody was drawn')
    expect((await findClaims(payer, first)).map(({ isDue }) => isDue)).toEqual([false])
    await dev.increaseTime(DEVELOPMENT_TERMS.disputeWindowSeconds + 2)
    const items = await findClaims(payer, first)
    expect(items).toMatchObject([{ isDue: true, amountWei: payer.terms.minSlotFeeWei, index: 0 }])
    const owner = (await readNode(payer, first))?.owner ?? first
    const ownerBefore = await payer.client.getBalance({ address: owner })
    const claimed = await claimFees(payer, { member: first, items })
    expect(claimed).toMatchObject({ amountWei: payer.terms.minSlotFeeWei, challenges: 1 })
    expect((await payer.client.getBalance({ address: owner })) - ownerBefore).toBe(claimed.amountWei)
    expect(await findClaims(payer, first)).toEqual([])
    await expect(claimFees(payer, { member: first, items })).rejects.toThrow('claiming fees: nothing is due')
    const free = (await readProverAccount(payer, prover.address)).freeWei
    await closeChallenge(payer, { challengeId })
    expect((await readProverAccount(payer, prover.address)).freeWei).toBeGreaterThan(free)
  })

  it('answers from the chain where somebody else was first', async () => {
    const { request, terms, committee } = await fixed()
    const other = members[0]?.cold
    if (other === undefined) throw new Error('no members')
    expect(await fixCommittee(other, { request, terms })).toEqual({
      status: 'fixed',
      committee,
      quorum: 5,
      mined: undefined,
    })
    const { beaconChain, beaconRound: round } = request
    const again = await submitRound(other, {
      beaconChain,
      round,
      signature: signRound(dev.beaconSecret, round),
    })
    expect(again.alreadyThere).toBe(true)
  })

  it('punishes a member that signs two results, and pays the reporter', async () => {
    const { request, challengeId, committee } = await fixed()
    const culprit = committee.at(-1) ?? '0x'
    const digests = digestsOf(request)
    const results = [resultOf(6), resultOf(6, { guaranteedKbps: 1000 })].map((value) => ({
      value,
      signature: hotOf(culprit).sign(resultDigest(digests, value)),
    }))
    const [a, b] = results
    if (a === undefined || b === undefined) throw new Error('two results')
    const salt = toHex(new Uint8Array(32).fill(3))
    const reporter = await fundedChain(dev)
    const report = { challengeId, accused: culprit, salt, committee }
    await expect(proveResults(reporter, { report, results: [a, b] })).rejects.toThrow(
      'this report was not announced',
    )
    await announceFault(reporter, report)
    await expect(proveResults(reporter, { report, results: [a, a] })).rejects.toThrow('that is no fault')
    const { rewardWei } = await proveResults(reporter, { report, results: [a, b] })
    // Half of one seat, of which a fifth.
    expect(rewardWei).toBe(payer.terms.seatStakeWei / 10n)
    expect((await readCredits(reporter, reporter.identity.address)).rewardsWei).toBe(
      rewardWei + payer.terms.reportBondWei,
    )
    await withdrawReward(reporter, { account: reporter.identity.address })
    expect(await readNode(reporter, culprit)).toMatchObject({ record: 0, seats: 0 })
    await reporter.close()
  })

  it('goes on with a report after a crash, and gives the bond back to whoever is second', async () => {
    const { request, challengeId, committee } = await fixed()
    const digests = digestsOf(request)
    const accused = committee.at(-2) ?? '0x'
    const [a, b] = [resultOf(6), resultOf(6, { guaranteedKbps: 1000 })].map((value) => ({
      value,
      signature: hotOf(accused).sign(resultDigest(digests, value)),
    }))
    if (a === undefined || b === undefined) throw new Error('two results')
    const fault = { kind: 'results' as const, accused, results: [a, b] as const }
    const search = {
      challengeId: toBytes(challengeId),
      chainId: payer.chainId,
      verifyingContract: payer.domain.verifyingContract,
    }
    const [first, second] = [await fundedChain(dev), await fundedChain(dev)]
    const { disputeGame } = dev.deployment.contracts
    const held = () => payer.client.getBalance({ address: disputeGame })
    const before = await held()
    // Stopped between announcement and proof: no later block comes by itself here.
    const stop = new AbortController()
    const stopped = raiseDispute(first, search, fault, stop.signal)
    await eventually('it is announced', async () => (await held()) > before)
    stop.abort()
    await expect(stopped).rejects.toThrow()
    await first.close()
    // The same key without anything that the first process remembered.
    const again = await openChain({
      rpcUrls: [dev.rpcUrl],
      deployment: dev.deployment,
      identity: first.identity,
    })
    const raised = await Promise.all([again, second].map((chain) => raiseDispute(chain, search, fault)))
    expect(raised[0]?.announced).toBeUndefined()
    expect(raised.filter(({ proven }) => proven !== undefined)).toHaveLength(1)
    expect(raised.filter(({ reclaimed }) => reclaimed !== undefined)).toHaveLength(1)
    // The snapshot may be older than another test's verdict on this member: then half of the stake is left.
    const rewardWei = raised.reduce((sum, { proven }) => sum + (proven?.rewardWei ?? 0n), 0n)
    expect(rewardWei).toBeGreaterThan(0n)
    const credits = await Promise.all(
      [first, second].map(async ({ identity }) => (await readCredits(payer, identity.address)).rewardsWei),
    )
    expect(credits.reduce((sum, each) => sum + each)).toBe(2n * payer.terms.reportBondWei + rewardWei)
    // Once more: told as proven, and no bond stays behind.
    const known = await held()
    expect(await raiseDispute(second, search, fault)).toMatchObject({ proven: undefined })
    expect(await held()).toBe(known)
    await Promise.all([again.close(), second.close()])
  }, 60_000)

  it('proves two testimonies, a seed off its commitment, and two ack lists of the prover', async () => {
    const { request, challengeId, committee } = await fixed()
    const reporter = await fundedChain(dev)
    const digests = digestsOf(request)
    const run = { slot: 0, attempt: 0 }
    const [first = '0x', second = '0x'] = committee
    const announced = async (accused: Address, members: readonly Address[]) => {
      const salt = toHex(Identity.generate().publicKey.slice(1))
      await announceFault(reporter, { challengeId, accused, salt })
      return { challengeId, accused, salt, committee: members }
    }
    const testimonyOf = (member: Address, seed: Uint8Array, rttMicros: number): Testimony => {
      const said = {
        seed,
        ackListHash: EVIDENCE,
        ownMicros: [1, 2, 70_000],
        rttMicros,
        latenessMicros: 0,
        sentPackets: 9,
      }
      return { ...said, signature: hotOf(member).sign(testimonyDigest(digests, run, said)) }
    }
    const seed = new Uint8Array(32).fill(1)
    const testimonies = [testimonyOf(first, seed, 5), testimonyOf(first, seed, 6)] as const
    const two = await proveTestimonies(reporter, {
      report: await announced(first, committee),
      run,
      testimonies,
    })
    expect(two.rewardWei).toBeGreaterThan(0n)

    const commitmentOf = (from: Uint8Array): Commitment => {
      const seedHash = seedHashOf(from, challengeIdOf(request), addressBytes(second), run)
      const said = { seedHash, rateKbps: 60_000, packetCount: 1000 }
      return { ...said, signature: hotOf(second).sign(commitmentDigest(digests, run, said)) }
    }
    const testimony = testimonyOf(second, seed, 5)
    const report = await announced(second, committee)
    await expect(
      proveSeed(reporter, { report, run, commitment: commitmentOf(seed), testimony }),
    ).rejects.toThrow('the seed fits its commitment: that is no fault')
    const off = commitmentOf(new Uint8Array(32).fill(2))
    expect(
      (await proveSeed(reporter, { report, run, commitment: off, testimony })).rewardWei,
    ).toBeGreaterThan(0n)

    const listOf = (roots: readonly Uint8Array[]) => ({
      value: roots,
      signature: prover.sign(ackListDigest(digests, run, roots)),
    })
    const lists = [listOf([EVIDENCE, seed]), listOf([EVIDENCE])] as const
    const { rewardWei } = await proveAckLists(reporter, {
      report: await announced(prover.address, []),
      run,
      lists,
    })
    expect(rewardWei).toBe(payer.terms.proverBondWei / 4n)
    expect(await readChallenge(payer, challengeId)).toMatchObject({ proverFaulty: true, faults: 0b11n })

    // Its registration ended with the proof; it joins again.
    const { nodeId = 0, record } = (await readNode(reporter, prover.address)) ?? {}
    expect(record).toBe(0)
    const consent = await consentOf(prover, proverCold)
    await rotateNode(proverCold, { nodeId, consent, endpoint: endpoint('127.0.0.1'), seats: 0 })
    await dev.increaseTime(5)
    await reporter.close()
  })

  it('refunds a challenge that nobody settled', async () => {
    const { challengeId, escrowWei } = await opened()
    await expect(expireChallenge(payer, { challengeId })).rejects.toThrow(/this is possible from \d{4}-/)
    await dev.increaseTime(1000)
    await expireChallenge(payer, { challengeId })
    const account = payer.identity.address
    expect((await readCredits(payer, account)).refundsWei).toBeGreaterThanOrEqual(escrowWei)
    await withdrawRefund(payer, { account })
    expect((await readCredits(payer, account)).refundsWei).toBe(0n)
  })

  it('lets a node change, leave and take its money out', async () => {
    const cold = await fundedChain(dev)
    const [first, second] = [Identity.generate(), Identity.generate()]
    const { nodeId, stakedWei } = await enroll(cold, first, '127.0.77.1', 2)
    expect(stakedWei).toBe(2n * cold.terms.seatStakeWei)
    const change = { nodeId, endpoint: endpoint('127.0.78.1'), seats: 3 }
    await expect(updateNode(cold, change)).rejects.toThrow(/may change again at/)
    await dev.increaseTime(cold.terms.quarantineSeconds + 1)
    await updateNode(cold, change)
    await dev.increaseTime(cold.terms.quarantineSeconds + 1)
    await rotateNode(cold, { ...change, consent: await consentOf(second, cold), seats: 1 })
    expect(await readNode(cold, second.address)).toMatchObject({ nodeId, seats: 1, hotKey: second.address })
    const cache = await openSeatCache(cold)
    const holes = cache.clearable((await cold.clock()).timestamp)
    expect(holes.length).toBeGreaterThanOrEqual(2)
    await compactSeats(cold, { holes })
    await cache.sync()
    expect(cache.clearable((await cold.clock()).timestamp).length).toBeLessThan(holes.length)

    await deregisterNode(cold, { nodeId })
    await expect(withdrawStake(cold, { nodeId })).rejects.toThrow(/the stake is still bonded, until \d{4}-/)
    await dev.increaseTime(cold.terms.unbondingSeconds + 1)
    const before = await cold.client.getBalance({ address: cold.identity.address })
    const { feeWei } = await withdrawStake(cold, { nodeId })
    const after = await cold.client.getBalance({ address: cold.identity.address })
    expect(after - before + feeWei).toBe(3n * cold.terms.seatStakeWei)
    // The same node joins again.
    await rotateNode(cold, {
      nodeId,
      consent: await consentOf(second, cold),
      endpoint: endpoint('127.0.79.1'),
      seats: 0,
    })
    await cold.close()
  })

  it('tells every lack of money by have and need', async () => {
    const cold = await fundedChain(dev)
    await dev.fund(cold.identity.address, parseAmount('0.5'))
    await expect(enroll(cold, Identity.generate(), '127.0.90.1', 1)).rejects.toThrow(
      /registering the node: not enough money at 0x\S+ for value and gas: have 0\.5 ETH, need 1\.000\d* ETH/,
    )
    await expect(
      withdrawDeposit(proverCold, { prover: prover.address, amountWei: parseAmount('50') }),
    ).rejects.toThrow(/the prover's free deposit is too low: have 0\.\d+ ETH, need 50 ETH/)
    const all = (await readProverAccount(proverCold, prover.address)).freeWei
    await withdrawDeposit(proverCold, { prover: prover.address, amountWei: all })
    await expect(opened()).rejects.toThrow(
      /opening the challenge: the prover's free deposit is too low: have 0 ETH, need 0\.0512 ETH/,
    )
    await cold.close()
  })
})
