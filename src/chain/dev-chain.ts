/** A chain of one's own on loopback: anvil, funded accounts, the contracts, a local beacon's key. For tests and the demo. */
import { createTestClient, http, numberToHex, publicActions } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import type { Address } from '../crypto/address.js'
import { type BeaconInfo, localBeacon } from '../crypto/beacon.js'
import { generateBlsSecret } from '../crypto/bls.js'
import { Identity } from '../crypto/identity.js'
import type { Logger } from '../telemetry/logger.js'
import { type AnvilOptions, startAnvil } from './anvil.js'
import { connectChain } from './chain.js'
import { type DeployStep, deployContracts } from './deploy.js'
import type { Deployment } from './deployment.js'
import { DEVELOPMENT_TERMS, type DeploymentTerms } from './deployment-terms.js'

/** Foundry's and hardhat's: known to the whole world, worth nothing outside development chains. */
export const WELL_KNOWN_MNEMONIC = 'test test test test test test test test test test test junk'
/** Anvil funds so many with 10,000 ETH each. */
const ACCOUNTS = 10
const DEFAULT_BEACON_PERIOD_SECONDS = 1
const DEFAULT_BLOCK_TIME_SECONDS = 1

export interface DevChainOptions extends AnvilOptions {
  readonly terms?: Partial<DeploymentTerms> | undefined
  /** The local beacon's key and times; made here unless given. */
  readonly beacon?:
    | { readonly secret: Uint8Array; readonly genesisTimeSeconds: number; readonly periodSeconds: number }
    | undefined
  readonly log?: Logger | undefined
  readonly signal?: AbortSignal | undefined
  readonly onStep?: (step: DeployStep) => void
}

export interface DevChain {
  readonly rpcUrl: string
  readonly chainId: number
  readonly deployment: Deployment
  /** Registered with the beacon contract; undefined on a chain without EIP-2537. */
  readonly beacon: BeaconInfo | undefined
  /** 32 bytes, for a beacon server: whoever has it knows every round. */
  readonly beaconSecret: Uint8Array
  /** Funded, by the well-known mnemonic; the first one deployed. */
  readonly accounts: readonly Identity[]
  readonly deploySteps: readonly DeployStep[]
  /** Sets the balance of any address. */
  fund(address: Address, wei: bigint): Promise<void>
  /** Moves the chain's clock ahead and mines a block. */
  increaseTime(seconds: number): Promise<void>
  mine(blocks?: number): Promise<void>
  /** Resolves when the chain ended by itself. */
  readonly exited: Promise<void>
  stop(): Promise<void>
}

/** @throws UserError NOT_FOUND where anvil is not installed, UNAVAILABLE where it does not start */
export async function startDevChain(options: DevChainOptions = {}): Promise<DevChain> {
  const anvil = await startAnvil({ blockTimeSeconds: DEFAULT_BLOCK_TIME_SECONDS, ...options })
  try {
    const { chainId = 31337 } = options
    const accounts = Array.from({ length: ACCOUNTS }, (_, i) => wellKnownAccount(i))
    const secret = options.beacon?.secret ?? generateBlsSecret()
    const times = options.beacon ?? {
      genesisTimeSeconds: Math.floor(Date.now() / 1000),
      periodSeconds: DEFAULT_BEACON_PERIOD_SECONDS,
    }
    const beacon = localBeacon(secret, times)
    const chain = await connectChain({
      rpcUrls: [anvil.url],
      chainId,
      identity: accounts[0],
      log: options.log,
      signal: options.signal,
    })
    const deployed = await deployContracts(chain, {
      terms: { ...DEVELOPMENT_TERMS, ...options.terms },
      localBeacons: [beacon],
      allowWithoutBeacon: true,
      signal: options.signal,
      ...(options.onStep === undefined ? {} : { onStep: options.onStep }),
    }).finally(() => chain.close())
    const { deployment } = deployed
    const client = createTestClient({ mode: 'anvil', transport: http(anvil.url) }).extend(publicActions)
    return {
      rpcUrl: anvil.url,
      chainId,
      deployment,
      beacon: deployment.contracts.beaconRegistry === null ? undefined : beacon,
      beaconSecret: secret,
      accounts,
      deploySteps: deployed.steps,
      fund: (address, value) => client.setBalance({ address, value }),
      increaseTime: async (seconds) => {
        await client.increaseTime({ seconds })
        await client.mine({ blocks: 1 })
      },
      mine: async (blocks = 1) => {
        await client.request({ method: 'anvil_mine', params: [numberToHex(blocks), undefined] })
      },
      exited: anvil.exited,
      stop: anvil.stop,
    }
  } catch (error) {
    await anvil.stop()
    throw error
  }
}

/** One of anvil's funded accounts. */
export function wellKnownAccount(index: number): Identity {
  const secret = mnemonicToAccount(WELL_KNOWN_MNEMONIC, { addressIndex: index }).getHdKey().privateKey
  if (secret === null) throw new Error('the mnemonic gives no key')
  return Identity.fromSecret(Uint8Array.from(secret))
}
