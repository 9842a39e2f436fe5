/** A chain with our contracts on it, open for reading and, with a key, for sending. */
import { createPublicClient, type LocalAccount, type PublicClient } from 'viem'
import { type Address, addressBytes } from '../crypto/address.js'
import type { TypedDomain } from '../crypto/eip712.js'
import type { Signer } from '../crypto/identity.js'
import { UserError } from '../errors.js'
import type { Store } from '../store/index.js'
import type { Logger } from '../telemetry/logger.js'
import { chainAccount } from './account.js'
import type { Deployment } from './deployment.js'
import { MemoryJournal } from './journal.js'
import { explainChainError } from './reverts.js'
import { RpcPool } from './rpc-pool.js'
import { type ChainTerms, readTerms } from './terms.js'
import { TransactionQueue } from './transaction-queue.js'

/** Chains of developers' machines: anvil's and geth's. */
export const DEVELOPMENT_CHAINS: readonly number[] = [31337, 1337]
const DEVELOPMENT_POLL_MS = 100
const PUBLIC_POLL_MS = 2000
/** Re-organisations of more than two blocks are rare on every chain worth settling on; raise it for money that matters. */
const PUBLIC_CONFIRMATIONS = 3

/** Of the genesis block's hash. */
const GENESIS_DIGITS = 12

export interface RpcOptions {
  /** Asked in this order; the next where one fails. */
  readonly rpcUrls: readonly string[]
  /** Refuses any other; undefined: what the servers agree on. */
  readonly chainId?: number | undefined
  readonly log?: Logger | undefined
  /** Ends retries. */
  readonly signal?: AbortSignal | undefined
}

export interface SenderOptions {
  readonly identity?: Signer | undefined
  /** Sent transactions and cursors survive in it; without it they live in memory. */
  readonly store?: Pick<Store, 'transactions' | 'chainCursors'> | undefined
  readonly maxFeePerGasWei?: bigint | undefined
  /** Blocks from a transaction's own to the newest, both counted. */
  readonly confirmations?: number | undefined
  readonly pollMs?: number | undefined
  readonly stuckAfterMs?: number | undefined
}

export interface OpenChainOptions extends RpcOptions, SenderOptions {
  readonly deployment: Deployment
}

/** A chain before any contract of ours is known on it. */
export interface ChainConnection {
  readonly chainId: number
  /** Chain id and the beginning of the genesis block's hash: what is kept locally belongs to this very chain. */
  readonly scope: string
  readonly client: PublicClient
  readonly pollMs: number
  readonly confirmations: number
  readonly store: SenderOptions['store']
  readonly log: Logger | undefined
  /** With a key only. */
  readonly account: LocalAccount | undefined
  readonly queue: TransactionQueue | undefined
  /** The newest block. */
  clock(): Promise<{ readonly blockNumber: bigint; readonly timestamp: number }>
  /** Ends the queue's loop; the store stays open. */
  close(): Promise<void>
}

export interface Chain extends ChainConnection {
  readonly deployment: Deployment
  readonly terms: ChainTerms
  /** EIP-712 domain of every protocol message that can settle here. */
  readonly domain: TypedDomain
}

/**
 * Connects to the RPC servers.
 * @throws UserError UNREACHABLE where none answers; BAD_CONFIG where one is on another chain
 */
export async function connectChain(options: RpcOptions & SenderOptions): Promise<ChainConnection> {
  const { identity, store, log } = options
  const pool = await RpcPool.open({
    urls: options.rpcUrls,
    chainId: options.chainId,
    log,
    signal: options.signal,
  })
  const { chainId } = pool
  const isDevelopment = DEVELOPMENT_CHAINS.includes(chainId)
  const pollMs = options.pollMs ?? (isDevelopment ? DEVELOPMENT_POLL_MS : PUBLIC_POLL_MS)
  const confirmations = options.confirmations ?? (isDevelopment ? 1 : PUBLIC_CONFIRMATIONS)
  const client: PublicClient = createPublicClient({
    transport: pool.transport,
    pollingInterval: pollMs,
    cacheTime: 0,
  })
  const scope = `${chainId}-${await genesisOf(client)}`
  const account = identity === undefined ? undefined : chainAccount(identity)
  const queue =
    account === undefined
      ? undefined
      : await TransactionQueue.open({
          client,
          account,
          chainId,
          scope,
          journal: store?.transactions ?? new MemoryJournal(),
          maxFeePerGasWei: options.maxFeePerGasWei,
          confirmations,
          pollMs,
          stuckAfterMs: options.stuckAfterMs,
          log,
        })
  return {
    chainId,
    scope,
    client,
    pollMs,
    confirmations,
    store,
    log,
    account,
    queue,
    clock: async () => {
      const { number, timestamp } = await client.getBlock()
      return { blockNumber: number, timestamp: Number(timestamp) }
    },
    close: async () => queue?.close(),
  }
}

async function genesisOf(client: PublicClient): Promise<string> {
  try {
    return (await client.getBlock({ blockNumber: 0n })).hash.slice(2, 2 + GENESIS_DIGITS)
  } catch (error) {
    throw explainChainError(error, 'reading the first block')
  }
}

/** Opens a chain with a deployment. @throws UserError as {@link connectChain}; BAD_CONFIG for wrong addresses */
export async function openChain(options: OpenChainOptions): Promise<Chain> {
  const { deployment } = options
  const connection = await connectChain({ ...options, chainId: options.chainId ?? deployment.chainId })
  try {
    return await withDeployment(connection, deployment)
  } catch (error) {
    await connection.close()
    throw error
  }
}

/** The same connection with contracts. @throws UserError BAD_CONFIG where they are not on this chain */
export async function withDeployment(connection: ChainConnection, deployment: Deployment): Promise<Chain> {
  const { client, chainId } = connection
  if (deployment.chainId !== chainId)
    throw new UserError(`the addresses are of chain ${deployment.chainId}, the RPC is on chain ${chainId}`, {
      code: 'BAD_CONFIG',
      remedy: 'name the addresses file of this chain, or another --rpc',
    })
  try {
    await Promise.all(
      Object.entries(deployment.contracts).map(async ([name, address]) => {
        if (address === null) return
        const code = await client.getCode({ address })
        if (code === undefined || code === '0x') throw noContract(name, address, chainId)
      }),
    )
    const terms = await readTerms(client, deployment.contracts)
    const verifyingContract = addressBytes(deployment.contracts.challengeManager)
    return { ...connection, deployment, terms, domain: { chainId, verifyingContract } }
  } catch (error) {
    throw explainChainError(error, 'reading the contracts')
  }
}

function noContract(name: string, address: Address, chainId: number): UserError {
  return new UserError(`there is no contract at ${address} (${name}) on chain ${chainId}`, {
    code: 'BAD_CONFIG',
    remedy: 'a development chain forgets when it ends: deploy again; otherwise check --addresses',
  })
}
