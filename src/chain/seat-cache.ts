/** A copy of the registry's seats that follows the chain, checked against the contract's own name for its state. */
import { getAbiItem } from 'viem'
import type { Address } from '../crypto/address.js'
import { UserError } from '../errors.js'
import { sameBytes } from '../pob/party.js'
import type { RegistryEntry } from '../pob/registry.js'
import { drawSeats, type SeatQuery } from '../pob/seat-draw.js'
import type { Chain } from './chain.js'
import { stakeRegistryAbi } from './generated/stake-registry.js'
import { readLogs } from './logs.js'
import { explainChainError } from './reverts.js'
import { type SeatEvent, SeatState } from './seat-state.js'

const EVENTS = [
  getAbiItem({ abi: stakeRegistryAbi, name: 'HotKeyBound' }),
  getAbiItem({ abi: stakeRegistryAbi, name: 'NodeSeated' }),
  getAbiItem({ abi: stakeRegistryAbi, name: 'RecordEnded' }),
  getAbiItem({ abi: stakeRegistryAbi, name: 'SeatMoved' }),
  getAbiItem({ abi: stakeRegistryAbi, name: 'SeatRemoved' }),
] as const
/** Block times asked at once. */
const BATCH = 16

interface Reached {
  readonly number: bigint
  readonly hash: string
}

export interface SyncOptions {
  readonly signal?: AbortSignal | undefined
}

/** Reads every event of the registry. @throws UserError UNREACHABLE; VERIFICATION_FAILED where events are missing */
export async function openSeatCache(chain: Chain, options: SyncOptions = {}): Promise<SeatCache> {
  const cache = new SeatCache(chain)
  await cache.sync(options)
  return cache
}

export class SeatCache {
  readonly #chain: Chain
  #state: SeatState
  #reached: Reached | undefined
  #syncing: Promise<void> | undefined

  constructor(chain: Chain) {
    this.#chain = chain
    this.#state = this.#empty()
  }

  /** Number of the last block that was read. */
  get blockNumber(): bigint | undefined {
    return this.#reached?.number
  }

  /** Seats now, ended ones that were not cleared included. */
  get seatCount(): number {
    return this.#state.seats.length
  }

  /**
   * Reads what is new, and everything again after a re-organisation; then compares the result with the contract.
   * Blocks that may still be taken back (the chain's confirmations) are left for later.
   */
  sync(options: SyncOptions = {}): Promise<void> {
    this.#syncing ??= this.#read(options).finally(() => {
      this.#syncing = undefined
    })
    return this.#syncing
  }

  /** 32 bytes, computed from the events. */
  snapshotHash(snapshot: number): Uint8Array {
    return this.#state.snapshotHash(snapshot)
  }

  /** As `StakeRegistry.draw` draws it. */
  draw(query: SeatQuery): Address[] {
    return drawSeats(this.#state, query)
  }

  entryOf(hotKey: Address): RegistryEntry | undefined {
    return this.#state.entryOf(hotKey)
  }

  /** Entries of a committee, in its order; undefined where one is not known. */
  entriesOf(committee: readonly Address[]): RegistryEntry[] | undefined {
    const entries = committee.map((hotKey) => this.#state.entryOf(hotKey))
    return entries.every((entry) => entry !== undefined) ? entries : undefined
  }

  /** Nodes with seats that were held at a snapshot. */
  entriesAt(snapshot: number): readonly RegistryEntry[] {
    return this.#state.entriesAt(snapshot)
  }

  /** Seats that `compactSeats` can clear now. */
  clearable(timestamp: number): readonly number[] {
    return this.#state.clearable(timestamp, this.#chain.terms.quarantineSeconds)
  }

  #empty(): SeatState {
    const { chainId, deployment } = this.#chain
    return new SeatState({ chainId, stakeRegistry: deployment.contracts.stakeRegistry })
  }

  async #read({ signal }: SyncOptions): Promise<void> {
    const { client, confirmations, deployment } = this.#chain
    try {
      const head = await client.getBlockNumber({ cacheTime: 0 })
      const first = BigInt(deployment.deployedAtBlock)
      const last = head - BigInt(confirmations - 1)
      if (last < first || last === this.#reached?.number) return
      const to = await client.getBlock({ blockNumber: last })
      if (this.#reached !== undefined && !(await this.#isStillThere(this.#reached))) {
        this.#chain.log?.warn({ block: Number(this.#reached.number) }, 'the registry is read again')
        this.#state = this.#empty()
        this.#reached = undefined
      }
      const fromBlock = this.#reached === undefined ? first : this.#reached.number + 1n
      const logs = await readLogs(client, {
        address: deployment.contracts.stakeRegistry,
        events: EVENTS,
        fromBlock,
        toBlock: last,
        signal,
      })
      const times = await this.#timesOf(logs.map(({ blockNumber }) => blockNumber))
      for (const log of logs)
        this.#state.apply({ ...log, timestamp: times.get(log.blockNumber) ?? 0 } as SeatEvent)
      this.#reached = { number: last, hash: to.hash }
      await this.#compare(last, Number(to.timestamp))
    } catch (error) {
      if (!(error instanceof Error && error.name === 'AbortError')) {
        // What was applied may be half a batch.
        this.#state = this.#empty()
        this.#reached = undefined
      }
      throw explainChainError(error, 'reading the registry')
    }
  }

  async #isStillThere(reached: Reached): Promise<boolean> {
    const block = await this.#chain.client.getBlock({ blockNumber: reached.number }).catch(() => undefined)
    return block?.hash === reached.hash
  }

  async #timesOf(numbers: readonly bigint[]): Promise<ReadonlyMap<bigint, number>> {
    const times = new Map<bigint, number>()
    const wanted = [...new Set(numbers)]
    for (let at = 0; at < wanted.length; at += BATCH)
      await Promise.all(
        wanted.slice(at, at + BATCH).map(async (blockNumber) => {
          const { timestamp } = await this.#chain.client.getBlock({ blockNumber })
          times.set(blockNumber, Number(timestamp))
        }),
      )
    return times
  }

  /** The contract's name for the second before the last block, against ours. */
  async #compare(blockNumber: bigint, timestamp: number): Promise<void> {
    const snapshot = timestamp - 1
    const { client, deployment } = this.#chain
    const theirs = await client.readContract({
      address: deployment.contracts.stakeRegistry,
      abi: stakeRegistryAbi,
      functionName: 'snapshotHash',
      args: [snapshot],
      blockNumber,
    })
    if (sameBytes(this.snapshotHash(snapshot), Buffer.from(theirs.slice(2), 'hex'))) return
    throw new UserError("the registry's events do not add up to its state", {
      code: 'VERIFICATION_FAILED',
      remedy: 'the RPC server leaves events out: use another --rpc',
    })
  }
}
