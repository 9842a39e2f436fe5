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
import { type Doom, LocalNetwork, type Member, TCP_PORT } from './local-network.js'
import type { NodeProcess } from './node-process.js'

type Settings = Readonly<Record<string, unknown>>

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

export interface ServeOptions extends StartOptions {
  /** The first one unless given. */
  readonly provider?: Member
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
    readonly buyerSettings: Settings,
    readonly sellerSettings: Settings,
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
        const sellerSettings = { ...common, inference: { provider: { models, ...provider } } }
        await network.configure(seller.dataDir, seller.host, sellerSettings)
        const buyerSettings = { ...common, network: { listen: [] }, inference: { client } }
        await network.configure(buyer.dataDir, buyer.host, buyerSettings)
        return new Market(network, dev, chain, seller, buyer, buyerSettings, sellerSettings)
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

  /** Another one, which joins the network by the first. */
  async addProvider(name: string, host: string, models: readonly string[]): Promise<Member> {
    const network = { listen: [`/ip4/${host}/tcp/${TCP_PORT}`], bootstrap: [this.provider.address] }
    const settings = { ...this.sellerSettings, network, inference: { provider: { models } } }
    const seller = await this.network.addMember(name, host, settings)
    await this.dev.fund(seller.identity.address, FUNDS)
    return seller
  }

  /** A provider's daemon, when it has started. */
  async serve({ doom, provider = this.provider }: ServeOptions = {}): Promise<NodeProcess> {
    const args = ['provider', '--data-dir', provider.dataDir, '--json-stream']
    const process = this.network.start(args, doom === undefined ? {} : { doom })
    await process.event('started')
    return process
  }

  /** A gateway that buys from the provider, with the client's key. */
  sell({ doom }: StartOptions = {}): Promise<RunningGateway> {
    const source = ['--provider', this.provider.address, '--data-dir', this.client.dataDir]
    return this.#gateway(source, doom)
  }

  /** The same, which finds providers by itself, and knows none but the first to ask. */
  search(): Promise<RunningGateway> {
    return this.#gateway(['--bootstrap', this.provider.address, '--data-dir', this.client.dataDir])
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
  channel(buyer: Member = this.client, seller: Member = this.provider): Promise<ChannelState> {
    const [payer, payee] = [buyer.identity.address, seller.identity.address]
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
