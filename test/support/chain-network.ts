/**
 * A network of real daemons that settle on a real chain of their own: anvil with the contracts, every node registered by
 * a cold wallet, the prover with a deposit. No registry file: the chain is the registry.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Chain,
  type DeploymentTerms,
  type DevChain,
  depositBond,
  openChain,
  parseAmount,
  registerNode,
  signConsent,
  startDevChain,
  writeDeployment,
} from '../../src/chain/index.js'
import { Identity } from '../../src/crypto/identity.js'
import { CLAIM_MBPS, LocalNetwork, type Member, TCP_PORT, UDP_PORT } from './local-network.js'
import { SwitchedRpc } from './switched-rpc.js'

const UPLINK_MBPS = 100
/** A node must be registered for a second before a snapshot; blocks come once a second. */
const ACTIVATION_MS = 2_500
export const DEPOSIT = parseAmount('1')

export class ChainNetwork {
  readonly cold = new Map<string, Identity>()
  readonly #rpcs = new Map<string, SwitchedRpc>()
  readonly #chains: Chain[] = []

  private constructor(
    readonly network: LocalNetwork,
    readonly dev: DevChain,
    readonly addresses: string,
  ) {}

  static async create(options: {
    readonly challengers: number
    readonly terms?: Partial<DeploymentTerms>
    /** How far the chain's clock is behind everybody's. */
    readonly lagSeconds?: number
  }): Promise<ChainNetwork> {
    const network = await LocalNetwork.create({ challengers: options.challengers })
    try {
      const { genesisTimeSeconds, periodSeconds } = network.beacon
      const beacon = { secret: network.beaconSecret, genesisTimeSeconds, periodSeconds }
      const startsAtSeconds = Math.floor(Date.now() / 1000) - (options.lagSeconds ?? 0)
      const dev = await startDevChain({ beacon, terms: options.terms, startsAtSeconds })
      const made = new ChainNetwork(network, dev, join(network.directory, 'addresses.json'))
      await made.#prepare()
      return made
    } catch (error) {
      await network.close()
      throw error
    }
  }

  async #prepare(): Promise<void> {
    const { challengers, prover, payer } = this.network
    await writeDeployment(this.addresses, this.dev.deployment)
    await Promise.all(
      challengers.map(async (member) => {
        await this.#configure(member, {
          dataPlane: { host: member.host, udpPort: UDP_PORT },
          challenger: { uplinkMbps: UPLINK_MBPS },
        })
        await this.#register(member, 1)
      }),
    )
    await this.#configure(prover, { prover: { claimMbps: CLAIM_MBPS, minIntervalSeconds: 0 } })
    const chain = await this.#register(prover, 0)
    await depositBond(chain, { prover: prover.identity.address, amountWei: DEPOSIT })
    await this.#configure(payer, { network: { listen: [] } })
    await this.dev.fund(payer.identity.address, parseAmount('10'))
    await sleep(ACTIVATION_MS)
  }

  async #configure(member: Member, settings: Readonly<Record<string, unknown>>): Promise<void> {
    const rpc = await SwitchedRpc.create(this.dev.rpcUrl)
    this.#rpcs.set(member.name, rpc)
    const chain = { rpcUrls: [rpc.url], addresses: this.addresses }
    await this.network.configure(member.dataDir, member.host, { registry: {}, chain, ...settings })
  }

  /** From a cold wallet of its own, with the hot key's consent; both have ether for gas. */
  async #register({ name, identity, host }: Member, seats: number): Promise<Chain> {
    const cold = Identity.generate()
    this.cold.set(name, cold)
    await this.dev.fund(cold.address, parseAmount('100'))
    await this.dev.fund(identity.address, parseAmount('1'))
    const chain = await this.chainOf(cold)
    const { timestamp } = await chain.clock()
    const consent = signConsent(identity, {
      chainId: chain.chainId,
      stakeRegistry: chain.deployment.contracts.stakeRegistry,
      owner: cold.address,
      expiry: timestamp + 3600,
    })
    const endpoint = {
      host,
      udpPort: UDP_PORT,
      uplinkKbps: UPLINK_MBPS * 1000,
      addresses: [`/ip4/${host}/tcp/${TCP_PORT}`],
    }
    await registerNode(chain, { consent, endpoint, seats })
    return chain
  }

  /** The chain as that key sees it, past every switch. */
  async chainOf(identity?: Identity): Promise<Chain> {
    const { rpcUrl, deployment } = this.dev
    const chain = await openChain({ rpcUrls: [rpcUrl], deployment, identity })
    this.#chains.push(chain)
    return chain
  }

  rpcOf({ name }: Member): SwitchedRpc {
    const rpc = this.#rpcs.get(name)
    if (rpc === undefined) throw new Error(`${name} has no RPC server`)
    return rpc
  }

  coldOf({ name }: Member): Identity {
    const cold = this.cold.get(name)
    if (cold === undefined) throw new Error(`${name} has no cold wallet`)
    return cold
  }

  async close(): Promise<void> {
    await this.network.close()
    await Promise.all(this.#chains.map((chain) => chain.close()))
    await Promise.all([...this.#rpcs.values()].map((rpc) => rpc.close()))
    await this.dev.stop()
  }
}

/** Looks until it is so. @throws where it does not come about in time */
export async function eventually(
  what: string,
  isSo: () => Promise<boolean>,
  withinMs = 45_000,
): Promise<void> {
  const deadline = Date.now() + withinMs
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${withinMs / 1000} s`)
    await sleep(250)
  }
}
