/**
 * The draw in TypeScript against `StakeRegistry.draw` on a real chain, over random registries with random histories:
 * registrations, changes, leaving, slashing, compaction, several in one block and in one second.
 */
import { encodeDeployData, encodeFunctionData, getContractAddress, type Hex, toHex } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { signConsent } from '../../src/chain/actions/consent.js'
import { toChainEndpoint } from '../../src/chain/actions/endpoint.js'
import type { Chain } from '../../src/chain/chain.js'
import { openChain } from '../../src/chain/chain.js'
import { type DevChain, startDevChain } from '../../src/chain/dev-chain.js'
import { parseAmount } from '../../src/chain/ether.js'
import { stakeRegistryBytecode } from '../../src/chain/generated/bytecode.js'
import { stakeRegistryAbi } from '../../src/chain/generated/stake-registry.js'
import { seatPrefix } from '../../src/chain/host.js'
import { openSeatCache, type SeatCache } from '../../src/chain/seat-cache.js'
import { type Address, checksumAddress } from '../../src/crypto/address.js'
import { Identity } from '../../src/crypto/identity.js'
import { Random, testClientOf, whyNoAnvil } from './support.js'

const HISTORIES = 56
const STEPS = 18
const DRAWS = 6
const QUARANTINE_SECONDS = 40
const SLASHER: Address = '0x000000000000000000000000000000000000dEaD'
const GAS = 2_000_000n
/** Keys cost 2 ms each. */
const KEYS = Array.from({ length: 40 }, () => Identity.generate())
const OWNERS = Array.from({ length: 24 }, (_, i) => checksumAddress(new Uint8Array(20).fill(0x41 + i)))

interface Node {
  readonly id: number
  readonly owner: Address
  seats: number
}

describe.skipIf(whyNoAnvil !== undefined)('the draw, TypeScript against Solidity', () => {
  let dev: DevChain
  let base: Chain
  let client: ReturnType<typeof testClientOf>

  beforeAll(async () => {
    dev = await startDevChain({ blockTimeSeconds: 0 })
    client = testClientOf(dev.rpcUrl)
    base = await openChain({ rpcUrls: [dev.rpcUrl], deployment: dev.deployment })
    await client.setAutomine(false)
    await client.request({ method: 'anvil_autoImpersonateAccount', params: [true] } as never)
    for (const address of [...OWNERS, SLASHER])
      await client.setBalance({ address, value: parseAmount('100000') })
  })
  afterAll(async () => dev?.stop())

  /** A registry of its own, as deep in a chain's life as the others. */
  async function freshRegistry(): Promise<Chain> {
    const [deployer = SLASHER] = OWNERS
    const nonce = await client.getTransactionCount({ address: deployer })
    const data = encodeDeployData({
      abi: stakeRegistryAbi,
      bytecode: stakeRegistryBytecode,
      args: [
        SLASHER,
        {
          seatStake: 1n,
          unbonding: QUARANTINE_SECONDS + 1,
          quarantine: QUARANTINE_SECONDS,
          slashPermille: 500,
          rewardPermille: 200,
        },
      ],
    })
    const at = Number(await client.getBlockNumber())
    await client.sendTransaction({ account: deployer, chain: null, data, gas: 10_000_000n })
    await client.mine({ blocks: 1 })
    const stakeRegistry = getContractAddress({ from: deployer, nonce: BigInt(nonce) })
    const { contracts } = dev.deployment
    const deployment = { ...dev.deployment, deployedAtBlock: at, contracts: { ...contracts, stakeRegistry } }
    const terms = { ...base.terms, quarantineSeconds: QUARANTINE_SECONDS }
    return { ...base, deployment, terms }
  }

  /** Sends without waiting for a block; a refusal of the contract is part of the history. */
  async function send(chain: Chain, from: Address, data: Hex, value = 0n): Promise<void> {
    const to = chain.deployment.contracts.stakeRegistry
    await client.sendTransaction({ account: from, chain: null, to, data, value, gas: GAS })
  }

  const endpointOf = (random: Random) => ({
    // Few prefixes, so that members collide.
    host: random.chance(70)
      ? `10.0.${random.integer(12)}.${random.integer(250)}`
      : `fd00:${random.integer(6)}::${1 + random.integer(9)}`,
    udpPort: 4022,
    uplinkKbps: random.pick([100, 1000, 10_000, 100_000]),
    addresses: random.chance(50) ? [`/ip4/10.0.0.1/tcp/${1 + random.integer(60_000)}`] : [],
  })

  async function step(
    chain: Chain,
    random: Random,
    nodes: Node[],
    known: number,
    isLate: boolean,
  ): Promise<void> {
    // Late in a history nodes leave rather than come, so that the registry shrinks.
    const kind = isLate ? 60 + random.integer(40) : random.integer(100)
    const node = nodes.length === 0 || kind < 55 ? undefined : random.pick(nodes)
    const call = (functionName: string, args: readonly unknown[]): Hex =>
      encodeFunctionData({ abi: stakeRegistryAbi, functionName, args } as never)
    if (node === undefined) {
      const owner = random.pick(OWNERS)
      const seats = random.pick([0, 1, 1, 1, 2, 3, 8])
      const consent = signConsent(random.pick(KEYS), {
        chainId: chain.chainId,
        stakeRegistry: chain.deployment.contracts.stakeRegistry,
        owner,
        expiry: 4_000_000_000,
      })
      const data = call('register', [consent, toChainEndpoint(endpointOf(random)), seats])
      await send(chain, owner, data, BigInt(seats))
      // A guess: calls for another's node are refused, and that is part of the history.
      nodes.push({ id: known + 1, owner, seats })
    } else if (kind < 75) {
      const seats = random.pick([0, 1, 2, 4])
      const data = call('update', [node.id, toChainEndpoint(endpointOf(random)), seats])
      await send(chain, node.owner, data, BigInt(Math.max(0, seats - node.seats)))
      node.seats = seats
    } else if (kind < 83) await send(chain, node.owner, call('deregister', [node.id]))
    else if (kind < 87) await send(chain, SLASHER, call('slash', [random.pick(KEYS).address]))
    else {
      const holes = Array.from({ length: 30 }, (_, i) => BigInt(i))
      // From the end, seats are dropped; from the start, the last ones move.
      await send(chain, node.owner, call('compact', [random.chance(50) ? holes.reverse() : holes]))
    }
  }

  const registered = (chain: Chain) =>
    client.readContract({
      address: chain.deployment.contracts.stakeRegistry,
      abi: stakeRegistryAbi,
      functionName: 'nodeCount',
    })

  async function history(chain: Chain, random: Random): Promise<void> {
    const nodes: Node[] = []
    let known = 0
    for (let i = 0; i < STEPS; i++) {
      if (random.chance(30))
        await client.increaseTime({ seconds: 1 + random.integer(2 * QUARANTINE_SECONDS) })
      // Some blocks hold several transactions.
      const steps = random.chance(20) ? 1 + random.integer(4) : 1
      for (let k = 0; k < steps; k++) await step(chain, random, nodes, known, i > 0.6 * STEPS)
      await client.mine({ blocks: 1 })
      known = await registered(chain)
      while ((nodes.at(-1)?.id ?? 0) > known) nodes.pop()
    }
  }

  async function countEvents(chain: Chain, happened: Map<string, number>): Promise<void> {
    const logs = await client.getContractEvents({
      address: chain.deployment.contracts.stakeRegistry,
      abi: stakeRegistryAbi,
      fromBlock: BigInt(chain.deployment.deployedAtBlock),
    })
    for (const { eventName } of logs) happened.set(eventName, (happened.get(eventName) ?? 0) + 1)
  }

  async function compareDraw(chain: Chain, cache: SeatCache, random: Random, now: number): Promise<number> {
    const snapshot = now - 1 - random.integer(QUARANTINE_SECONDS - 1)
    const query = {
      seed: random.bytes(32),
      snapshot,
      size: 1 + random.integer(8),
      minUplinkKbps: random.pick([1, 1, 500, 5000]),
      proverPrefix: seatPrefix(toChainEndpoint({ ...endpointOf(random) }).host),
      excluded: [random.pick(OWNERS), random.pick(OWNERS), checksumAddress(new Uint8Array(20))] as const,
    }
    const contract = { address: chain.deployment.contracts.stakeRegistry, abi: stakeRegistryAbi } as const
    const theirs = await client.readContract({
      ...contract,
      functionName: 'draw',
      args: [{ ...query, seed: toHex(query.seed), size: BigInt(query.size) }],
    })
    expect(cache.draw(query)).toEqual(theirs)
    const hash = await client.readContract({ ...contract, functionName: 'snapshotHash', args: [snapshot] })
    expect(toHex(cache.snapshotHash(snapshot))).toBe(hash)
    return theirs.length
  }

  it(`is the same over ${HISTORIES} histories, and so is the snapshot's name`, {
    timeout: 240_000,
  }, async () => {
    let drawn = 0
    let most = 0
    const happened = new Map<string, number>()
    for (let seed = 1; seed <= HISTORIES; seed++) {
      const random = new Random(seed)
      const chain = await freshRegistry()
      await history(chain, random)
      await client.increaseTime({ seconds: 2 })
      await client.mine({ blocks: 1 })
      const cache = await openSeatCache(chain)
      const { timestamp } = await client.getBlock()
      await countEvents(chain, happened)
      for (let k = 0; k < DRAWS; k++) {
        const size = await compareDraw(chain, cache, random, Number(timestamp))
        drawn += size
        most = Math.max(most, size)
      }
    }
    for (const name of ['NodeSeated', 'RecordEnded', 'SeatMoved', 'SeatRemoved', 'Slashed'])
      expect(happened.get(name) ?? 0, name).toBeGreaterThan(10)
    // Draws of nobody would be equal, too.
    expect(drawn).toBeGreaterThan(HISTORIES * DRAWS)
    expect(most).toBeGreaterThanOrEqual(5)
  })
})
