/** Deployment: with and without EIP-2537, its file, and a local chain that ends with whoever started it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { concat, type Hex, numberToHex, toFunctionSelector, toHex } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Chain,
  type ChainConnection,
  chooseSnapshot,
  connectChain,
  DEVELOPMENT_TERMS,
  type Deployment,
  type DevChain,
  deployContracts,
  deploymentPath,
  depositBond,
  deregisterNode,
  findDeployment,
  fixCommittee,
  openChain,
  openChallenge,
  parseAmount,
  readChallenge,
  readDeployment,
  readNode,
  registerNode,
  settleChallenge,
  signConsent,
  startAnvil,
  startDevChain,
  termsProblem,
  wellKnownAccount,
  withdrawStake,
  writeDeployment,
} from '../../src/chain/index.js'
import type { Address } from '../../src/crypto/address.js'
import { Identity } from '../../src/crypto/identity.js'
import { acceptanceDigest, digestsOf, Profile, type Request } from '../../src/pob/request.js'
import { resultDigest } from '../../src/pob/result.js'
import { fundedChain, testClientOf, whyNoAnvil } from './support.js'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'plumbline-deploy-'))
})
afterAll(() => rm(directory, { recursive: true, force: true }))

const signedConsent = (hot: Identity, owner: Address, deployment: Deployment) =>
  signConsent(hot, {
    chainId: deployment.chainId,
    stakeRegistry: deployment.contracts.stakeRegistry,
    owner,
    expiry: 4_000_000_000,
  })
const endpoint = (host: string) => ({ host, udpPort: 4022, uplinkKbps: 500_000, addresses: [] })

describe.skipIf(whyNoAnvil !== undefined)('a deployment', () => {
  let dev: DevChain
  beforeAll(async () => {
    dev = await startDevChain({ blockTimeSeconds: 0 })
  })
  afterAll(async () => dev?.stop())

  it('reads its own terms back, and knows its beacons', async () => {
    const chain = await openChain({ rpcUrls: [dev.rpcUrl], deployment: dev.deployment })
    expect(chain.terms).toEqual(DEVELOPMENT_TERMS)
    expect(dev.deployment.beacons.map(({ kind }) => kind)).toEqual(['drand', 'local'])
    await chain.close()
  })

  it('is kept in a file per chain, whole, and never overwritten', async () => {
    const path = deploymentPath(directory, dev.chainId)
    await writeDeployment(path, dev.deployment)
    expect(await readDeployment(path)).toEqual(dev.deployment)
    expect(await findDeployment({ dataDir: directory, chainId: dev.chainId })).toEqual(dev.deployment)
    await expect(writeDeployment(path, dev.deployment)).rejects.toMatchObject({ code: 'EXISTS' })
    await expect(findDeployment({ dataDir: directory, chainId: 5 })).rejects.toThrow(
      'no addresses are known for chain 5',
    )
    await expect(findDeployment({ path, dataDir: directory, chainId: 5 })).rejects.toThrow(
      /is of chain 31337/,
    )
  })

  it('refuses a file that is none, naming what is wrong', async () => {
    const path = join(directory, 'bad.json')
    const text = await readFile(deploymentPath(directory, dev.chainId), 'utf8')
    for (const [content, message] of [
      ['{', 'is not JSON'],
      ['{}', 'is no addresses file: format'],
      [text.replace(dev.deployment.contracts.disputeGame, '0x1234'), 'contracts.disputeGame: no EVM address'],
      [text.replace('"version": 1', '"version": 2'), 'version'],
    ] as const) {
      await writeFile(path, content)
      await expect(readDeployment(path)).rejects.toThrow(message)
    }
  })

  it('is refused where the addresses hold no contract', async () => {
    const contracts = { ...dev.deployment.contracts, disputeGame: Identity.generate().address }
    const deployment = { ...dev.deployment, contracts }
    await expect(openChain({ rpcUrls: [dev.rpcUrl], deployment })).rejects.toThrow(
      /there is no contract at 0x\S+ \(disputeGame\) on chain 31337/,
    )
  })

  it('asks for money by have and need, and refuses terms that do not fit together', async () => {
    const identity = Identity.generate()
    await dev.fund(identity.address, parseAmount('0.001'))
    const chain = await connectChain({ rpcUrls: [dev.rpcUrl], identity })
    await expect(deployContracts(chain, { terms: DEVELOPMENT_TERMS })).rejects.toThrow(
      /not enough money at 0x\S+ for value and gas: have 0\.001 ETH, need 0\.00\d+ ETH/,
    )
    const terms = { ...DEVELOPMENT_TERMS, quarantineSeconds: 60 }
    expect(termsProblem(terms)).toMatch(/quarantineSeconds must be at least 1560/)
    await expect(deployContracts(chain, { terms })).rejects.toThrow(/quarantineSeconds must be at least 1560/)
    await chain.close()
  })
})

/** An `IBeaconRegistry` whose round r is due at second r; a call of (round, value) sets a round. */
const SET_BEACON: Hex = concat([
  '0x60003560e01c80',
  concat(['0x63', toFunctionSelector('roundTime(bytes32,uint64)'), '0x14602157']),
  concat(['0x63', toFunctionSelector('randomness(bytes32,uint64)'), '0x14602d57']),
  '0x6020356000355500',
  '0x5b60243560005260206000f3',
  '0x5b6024355460005260206000f3',
])

describe.skipIf(whyNoAnvil !== undefined)('on a chain without EIP-2537', () => {
  let url: string
  let stop: () => Promise<void>
  let deployer: ChainConnection
  beforeAll(async () => {
    const anvil = await startAnvil({ hardfork: 'cancun' })
    ;({ url, stop } = anvil)
    deployer = await connectChain({ rpcUrls: [url], identity: wellKnownAccount(0) })
  })
  afterAll(async () => {
    await deployer?.close()
    await stop?.()
  })

  it('refuses the beacon contract with the reason, before anything was sent', async () => {
    await expect(deployContracts(deployer, { terms: DEVELOPMENT_TERMS })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/^BeaconRegistry cannot be deployed: this chain lacks .* EIP-2537/),
      remedy: expect.stringContaining('--without-beacon'),
    })
    expect(await deployer.client.getBlockNumber({ cacheTime: 0 })).toBe(0n)
  })

  it('registers, stakes and unstakes without a beacon, and says why no challenge opens', async () => {
    const { deployment, steps } = await deployContracts(deployer, {
      terms: DEVELOPMENT_TERMS,
      allowWithoutBeacon: true,
    })
    expect(deployment.contracts.beaconRegistry).toBeNull()
    expect(steps.find(({ name }) => name === 'BeaconRegistry')?.reason).toMatch(/EIP-2537/)
    const chain = await openChain({ rpcUrls: [url], deployment, identity: wellKnownAccount(1) })
    const hot = Identity.generate()
    const consent = signedConsent(hot, wellKnownAccount(1).address, deployment)
    const { nodeId } = await registerNode(chain, { consent, endpoint: endpoint('127.0.0.1'), seats: 1 })
    expect(await readNode(chain, hot.address)).toMatchObject({ seats: 1, stakeWei: chain.terms.seatStakeWei })
    await deregisterNode(chain, { nodeId })
    await testClientOf(url).increaseTime({ seconds: chain.terms.unbondingSeconds + 1 })
    await withdrawStake(chain, { nodeId })
    const request = requestOf(chain, hot, hot, 0, new Uint8Array(32))
    const opening = {
      request,
      snapshot: 1,
      acceptedAt: 1,
      acceptance: new Uint8Array(65),
      refundTo: hot.address,
    }
    await expect(openChallenge(chain, opening)).rejects.toThrow(/this deployment has no beacon: .* EIP-2537/)
    await chain.close()
  })

  const requestOf = (
    chain: Chain,
    prover: Identity,
    payer: Identity,
    round: number,
    registryHash: Uint8Array,
  ): Request => ({
    version: 1,
    chainId: chain.chainId,
    verifyingContract: chain.domain.verifyingContract,
    prover: prover.publicKey,
    payer: payer.publicKey,
    coordinator: payer.publicKey,
    direction: 0,
    profile: Profile.quick,
    claimKbps: 100_000,
    committeeSize: 3,
    faulty: 1,
    teams: 1,
    betaMillionths: 0,
    deltaMillionths: 0,
    registryHash,
    beaconChain: new Uint8Array(32).fill(1),
    beaconRound: round,
    expiresAt: round + 300,
    salt: payer.publicKey.slice(1),
  })

  it('settles challenges with another beacon contract', async () => {
    const client = testClientOf(url)
    const beaconContract = Identity.generate().address
    await client.setCode({ address: beaconContract, bytecode: SET_BEACON })
    const { deployment } = await deployContracts(deployer, { terms: DEVELOPMENT_TERMS, beaconContract })
    expect(deployment.contracts.beaconRegistry).toBe(beaconContract)
    const dev = {
      rpcUrl: url,
      deployment,
      fund: (address: Address, value: bigint) => client.setBalance({ address, value }),
    }
    const payer = await fundedChain(dev as DevChain)
    const hots = [0, 1, 2, 3].map(() => Identity.generate())
    for (const [i, hot] of hots.entries()) {
      const cold = await fundedChain(dev as DevChain)
      const consent = signedConsent(hot, cold.identity.address, deployment)
      await registerNode(cold, { consent, endpoint: endpoint(`127.0.${i}.1`), seats: i === 0 ? 0 : 1 })
      await cold.close()
    }
    const [prover = payer.identity] = hots
    await depositBond(payer, { prover: prover.address, amountWei: parseAmount('1') })
    await client.increaseTime({ seconds: 5 })
    await client.mine({ blocks: 1 })
    const { snapshot, registryHash } = await chooseSnapshot(payer)
    const { timestamp } = await payer.clock()
    const request = requestOf(payer, prover, payer.identity, timestamp + 30, registryHash)
    const acceptance = prover.sign(acceptanceDigest(digestsOf(request), timestamp))
    const refundTo = payer.identity.address
    const opened = await openChallenge(payer, {
      request,
      snapshot,
      acceptedAt: timestamp,
      acceptance,
      refundTo,
    })
    const value = concat([numberToHex(request.beaconRound, { size: 32 }), toHex(new Uint8Array(32).fill(9))])
    await payer.queue?.submit({ to: beaconContract, data: value, valueWei: 0n, what: 'setting a round' })
    const fixed = await fixCommittee(payer, { request, terms: opened.terms })
    if (fixed.status !== 'fixed') throw new Error('void')
    const owed = new Uint8Array(32)
    owed[31] = 0b111
    const result = { evidenceHash: new Uint8Array(32).fill(5), guaranteedKbps: 1, estimateKbps: 2, owed }
    const digest = resultDigest(digestsOf(request), result)
    const signatures = fixed.committee.map(
      (member) => hots.find(({ address }) => address === member)?.sign(digest) ?? null,
    )
    const { challengeId } = opened
    await settleChallenge(payer, { challengeId, committee: fixed.committee, result, signatures })
    expect(await readChallenge(payer, challengeId)).toMatchObject({ status: 'settled', guaranteedKbps: 1 })
    await payer.close()
  })
})

describe.skipIf(whyNoAnvil !== undefined || process.platform === 'win32')('the local chain', () => {
  it('ends with the process that started it, also where that is killed', { timeout: 120_000 }, async () => {
    const script = fileURLToPath(new URL('./doomed-chain.ts', import.meta.url))
    const child = spawn(process.execPath, ['--import', 'tsx', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [chunk] = (await once(child.stdout, 'data')) as [Buffer]
    const url = chunk.toString('utf8').trim()
    const answers = () =>
      fetch(url, { method: 'POST', body: '{}' }).then(
        () => true,
        () => false,
      )
    expect(await answers()).toBe(true)
    child.kill('SIGKILL')
    await once(child, 'exit')
    for (let i = 0; i < 100 && (await answers()); i++) await sleep(50)
    expect(await answers()).toBe(false)
  })
})
