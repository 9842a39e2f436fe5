/**
 * A market on loopback, all of it real: a chain with the contracts, a provider's daemon, and a client that buys from it
 * through gateways and commands.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Chain,
  type ChannelState,
  type DevChain,
  openChain,
  parseAmount,
  readChannel,
  startDevChain,
  writeDeployment,
} from '../../src/chain/index.js'
import { Identity } from '../../src/crypto/identity.js'
import { type Doom, LocalNetwork, type Member } from './local-network.js'
import type { NodeProcess } from './node-process.js'

export interface MarketOptions {
  /** Of asr-small, for each second of sound. */
  readonly priceWei: bigint
  /** Of `inference.provider`. */
  readonly provider?: Readonly<Record<string, unknown>>
  /** Of `inference.client`. */
  readonly client?: Readonly<Record<string, unknown>>
}

export interface StartOptions {
  readonly doom?: Doom
}

export interface CommandOptions extends StartOptions {
  /** The client unless given. */
  readonly buyer?: Member
}

export interface RunningGateway {
  readonly process: NodeProcess
  readonly baseUrl: string
}

const FUNDS = parseAmount('10 ETH')

export class Market {
  private constructor(
    readonly network: LocalNetwork,
    readonly dev: DevChain,
    readonly chain: Chain,
    readonly provider: Member,
    readonly client: Member,
    readonly buyerSettings: Readonly<Record<string, unknown>>,
  ) {}

  static async open({ priceWei, provider = {}, client = {} }: MarketOptions): Promise<Market> {
    const network = await LocalNetwork.create({ challengers: 0 })
    try {
      const { genesisTimeSeconds, periodSeconds } = network.beacon
      const dev = await startDevChain({
        beacon: { secret: network.beaconSecret, genesisTimeSeconds, periodSeconds },
      })
      try {
        const addresses = join(network.directory, 'addresses.json')
        await writeDeployment(addresses, dev.deployment)
        const { prover: seller, payer: buyer } = network
        for (const { identity } of [seller, buyer]) await dev.fund(identity.address, FUNDS)
        const { rpcUrl, deployment } = dev
        const chain = await openChain({ rpcUrls: [rpcUrl], deployment, identity: Identity.generate() })
        const common = { registry: {}, chain: { rpcUrls: [rpcUrl], addresses } }
        const models = [`asr-small=${priceWei} wei`]
        await network.configure(seller.dataDir, seller.host, {
          ...common,
          inference: { provider: { models, ...provider } },
        })
        const buyerSettings = { ...common, network: { listen: [] }, inference: { client } }
        await network.configure(buyer.dataDir, buyer.host, buyerSettings)
        return new Market(network, dev, chain, seller, buyer, buyerSettings)
      } catch (error) {
        await dev.stop()
        throw error
      }
    } catch (error) {
      await network.close()
      throw error
    }
  }

  /** Another one, with a key and money of its own. */
  async addBuyer(name: string): Promise<Member> {
    const buyer = await this.network.addMember(name, this.client.host, this.buyerSettings)
    await this.dev.fund(buyer.identity.address, FUNDS)
    return buyer
  }

  /** The provider's daemon, when it takes paid jobs. */
  async serve({ doom }: StartOptions = {}): Promise<NodeProcess> {
    const args = ['provider', '--data-dir', this.provider.dataDir, '--json-stream']
    const process = this.network.start(args, doom === undefined ? {} : { doom })
    await process.event('started')
    return process
  }

  /** A gateway that buys from the provider, with the client's key. */
  sell({ doom }: StartOptions = {}): Promise<RunningGateway> {
    const source = ['--provider', this.provider.address, '--data-dir', this.client.dataDir]
    return this.#gateway(source, doom)
  }

  /** A gateway that runs the model itself. */
  async own(): Promise<RunningGateway> {
    const dataDir = join(this.network.directory, 'own')
    mkdirSync(dataDir, { recursive: true })
    return this.#gateway(['--local', '--models', 'asr-small', '--data-dir', dataDir])
  }

  /** One recording bought by the command line. */
  start(recording: string, { doom, buyer = this.client }: CommandOptions = {}): NodeProcess {
    const args = ['transcribe', recording, '--provider', this.provider.address]
    const options = doom === undefined ? {} : { doom }
    return this.network.start([...args, '--data-dir', buyer.dataDir, '--json'], options)
  }

  /** A buyer's channel as the chain has it. */
  channel(buyer: Member = this.client): Promise<ChannelState> {
    const [payer, payee] = [buyer.identity.address, this.provider.identity.address]
    return readChannel(this.chain, { payer, payee })
  }

  async close(): Promise<void> {
    await this.chain.close()
    await this.network.close()
    await this.dev.stop()
  }

  async #gateway(source: readonly string[], doom?: Doom): Promise<RunningGateway> {
    const args = ['gateway', ...source, '--listen', '127.0.0.1:0', '--json-stream']
    const process = this.network.start(args, doom === undefined ? {} : { doom })
    const { baseUrl } = await process.event('started')
    return { process, baseUrl: String(baseUrl) }
  }
}
