/**
 * Replay across chains, at its worst: a second chain with another id that has the first one's whole state, as after a
 * split. The same contracts are at the same addresses and hold the same challenge; only the chain id tells them apart.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Anvil, startAnvil } from '../../src/chain/anvil.js'
import {
  type Chain,
  chooseRound,
  chooseSnapshot,
  type DevChain,
  depositBond,
  fixCommittee,
  openChain,
  openChallenge,
  openChallengeCall,
  parseAmount,
  readChallenge,
  readNode,
  readSnapshotHash,
  registerNode,
  settleChallenge,
  signConsent,
  startDevChain,
  submitRound,
} from '../../src/chain/index.js'
import { signRound } from '../../src/crypto/beacon.js'
import { Identity } from '../../src/crypto/identity.js'
import { acceptanceDigest, digestsOf, Profile, type Request } from '../../src/pob/request.js'
import { resultDigest } from '../../src/pob/result.js'
import { fundedChain, testClientOf, whyNoAnvil } from './support.js'

const COMMITTEE = 3
const OTHER_CHAIN_ID = 1337
/** The round must still be ahead when a busy machine gets to the opening. */
const INCLUSION_SECONDS = 40

describe.skipIf(whyNoAnvil !== undefined)('a chain that split off with the whole state', () => {
  let dev: DevChain
  let split: Anvil
  let payer: Chain & { readonly identity: Identity }
  let there: Chain
  const opened: Chain[] = []
  const prover = Identity.generate()
  const members = Array.from({ length: COMMITTEE }, () => Identity.generate())

  beforeAll(async () => {
    dev = await startDevChain({ blockTimeSeconds: 0 })
    payer = await fundedChain(dev)
    opened.push(payer)
    for (const [i, hot] of [prover, ...members].entries()) {
      const cold = await fundedChain(dev)
      opened.push(cold)
      const seats = hot === prover ? 0 : 1
      await registerNode(cold, { consent: await consentTo(cold, hot), endpoint: endpoint(i), seats })
      if (hot === prover) await depositBond(cold, { prover: hot.address, amountWei: parseAmount('1') })
    }
    await dev.increaseTime(5)
  }, 60_000)
  afterAll(async () => {
    await Promise.all(opened.map((chain) => chain.close()))
    await split?.stop()
    await dev?.stop()
  })

  const endpoint = (i: number) => {
    const host = `127.0.${i + 1}.1`
    return { host, udpPort: 4022, uplinkKbps: 500_000, addresses: [`/ip4/${host}/tcp/4021`] }
  }
  async function consentTo(cold: Chain & { readonly identity: Identity }, hot: Identity) {
    return signConsent(hot, {
      chainId: cold.chainId,
      stakeRegistry: cold.deployment.contracts.stakeRegistry,
      owner: cold.identity.address,
      expiry: (await cold.clock()).timestamp + 3600,
    })
  }

  /** A request, and all that the prover signs for it. */
  async function accepted() {
    if (dev.beacon === undefined) throw new Error('no beacon')
    await dev.increaseTime(2)
    const { snapshot, registryHash } = await chooseSnapshot(payer)
    const { round, expiresAt } = await chooseRound(payer, dev.beacon, { inclusionSeconds: INCLUSION_SECONDS })
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
      committeeSize: COMMITTEE,
      faulty: 1,
      teams: COMMITTEE,
      betaMillionths: 0,
      deltaMillionths: 0,
      registryHash,
      beaconChain: dev.beacon.chainHash,
      beaconRound: round,
      expiresAt,
      salt: Identity.generate().publicKey.slice(1),
    }
    const acceptedAt = (await payer.clock()).timestamp
    const acceptance = prover.sign(acceptanceDigest(digestsOf(request), acceptedAt))
    return { request, snapshot, acceptedAt, acceptance, refundTo: payer.identity.address }
  }

  it('takes no settlement, no acceptance and no consent of the first one, which takes each', async () => {
    const first = await accepted()
    const challenge = await openChallenge(payer, first)
    const { challengeId } = challenge
    const { beaconChain, beaconRound: round } = first.request
    await submitRound(payer, { beaconChain, round, signature: signRound(dev.beaconSecret, round) })
    const fixed = await fixCommittee(payer, { request: first.request, ...challenge })
    if (fixed.status !== 'fixed') throw new Error('void')
    const { committee } = fixed
    const owed = new Uint8Array(32)
    owed[31] = 2 ** COMMITTEE - 1
    const evidenceHash = new Uint8Array(32).fill(7)
    const result = { evidenceHash, guaranteedKbps: 90_000, estimateKbps: 99_000, owed }
    const digest = resultDigest(digestsOf(first.request), result)
    const signatures = committee.map((address) => {
      const signer = members.find((hot) => hot.address === address)
      if (signer === undefined) throw new Error(`${address} is no member`)
      return signer.sign(digest)
    })
    const settlement = { challengeId, committee, result, signatures }
    const newcomer = Identity.generate()
    const consent = await consentTo(payer, newcomer)
    const registration = { consent, endpoint: endpoint(100), seats: 1 }
    // The prover's last draw is the first request's: this one needs a later round.
    const second = await accepted()

    const { timestamp: startsAtSeconds } = await payer.clock()
    split = await startAnvil({ chainId: OTHER_CHAIN_ID, startsAtSeconds })
    const state = await testClientOf(dev.rpcUrl).dumpState()
    await testClientOf(split.url).loadState({ state })
    there = await openChain({
      rpcUrls: [split.url],
      deployment: { ...dev.deployment, chainId: OTHER_CHAIN_ID },
      identity: payer.identity,
    })
    opened.push(there)

    expect((await readChallenge(there, challengeId)).status).toBe('fixed')
    await expect(settleChallenge(there, settlement)).rejects.toThrow('a signature is not')
    await expect(registerNode(there, registration)).rejects.toThrow('not by the hot key')
    // The registry's name has the chain in it, too: with the name it has there the acceptance is still another chain's.
    const renamed = { ...second.request, registryHash: await readSnapshotHash(there, second.snapshot) }
    const replayed = (request: Request) =>
      there.queue?.preview(openChallengeCall(there, { ...second, request }))
    await expect(replayed(second.request)).rejects.toThrow('the registry changed its name')
    await expect(replayed(renamed)).rejects.toThrow('the acceptance is signed by')
    expect((await readChallenge(there, challengeId)).status).toBe('fixed')
    expect(await readNode(there, newcomer.address)).toBeUndefined()

    expect((await settleChallenge(payer, settlement)).status).toBe('settled')
    await registerNode(payer, registration)
    expect((await readNode(payer, newcomer.address))?.seats).toBe(1)
    await openChallenge(payer, second)
  }, 60_000)
})
