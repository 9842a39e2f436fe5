/**
 * Follows our contracts' events from where it was, across restarts and re-organisations. Batches arrive in the chain's
 * order, each at least once: the cursor moves only after the handler is done. Events of blocks that a re-organisation took
 * back come again as `removed`, the newest first, before what took their place.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Abi, decodeEventLog, type Hex } from 'viem'
import type { Address } from '../crypto/address.js'
import type { Chain } from './chain.js'
import { type Block, type Cursor, decodeCursor, encodeCursor, type StoredLog } from './cursor.js'
import { challengeManagerAbi } from './generated/challenge-manager.js'
import { disputeGameAbi } from './generated/dispute-game.js'
import { paymentChannelsAbi } from './generated/payment-channels.js'
import { stakeRegistryAbi } from './generated/stake-registry.js'
import { type Journal, MemoryJournal } from './journal.js'
import { isRangeLimit } from './logs.js'
import { rpcMessage } from './reverts.js'

const EVENT_ABI: Abi = [...challengeManagerAbi, ...disputeGameAbi, ...paymentChannelsAbi, ...stakeRegistryAbi]
/** Blocks whose events are remembered, so that they can be taken back: deeper re-organisations start over. */
const REMEMBERED_BLOCKS = 128
/** Events remembered at most; the oldest go first. */
const MAX_REMEMBERED = 10_000
const FIRST_RANGE = 2000n
const MAX_RANGE = 20_000n
const MAX_BACK_OFF_MS = 60_000

export interface WatchedEvent {
  readonly eventName: string
  /** By the names of the contract's event. */
  readonly args: Readonly<Record<string, unknown>>
  readonly address: Address
  readonly blockNumber: bigint
  readonly blockHash: Hex
  readonly transactionHash: Hex
  readonly logIndex: number
}

export interface EventBatch {
  /** Taken back by a re-organisation, the newest first. */
  readonly removed: readonly WatchedEvent[]
  readonly events: readonly WatchedEvent[]
  /** Everything up to this block has been delivered with this batch. */
  readonly toBlock: bigint
}

export interface WatchOptions {
  /** Names the cursor; two watchers of one store need two names. */
  readonly name: string
  /** Where a watcher without a cursor begins; the deployment unless given. */
  readonly fromBlock?: bigint | undefined
  readonly addresses?: readonly Address[] | undefined
  /** Batches without events come, too: they say how far the chain was read. A rejection repeats the batch. */
  readonly onBatch: (batch: EventBatch) => Promise<void> | void
  readonly pollMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ChainWatcher {
  /** Last block delivered; undefined before the first. */
  readonly blockNumber: bigint | undefined
  /** Ends with the current batch. */
  close(): Promise<void>
}

export function watchChain(chain: Chain, options: WatchOptions): ChainWatcher {
  const watcher = new Watcher(chain, options)
  watcher.start()
  return watcher
}

class Watcher implements ChainWatcher {
  readonly #chain: Chain
  readonly #options: WatchOptions
  readonly #journal: Journal
  readonly #key: string
  readonly #stop = new AbortController()
  #cursor: Cursor | undefined
  #range = FIRST_RANGE
  #running: Promise<void> = Promise.resolve()

  constructor(chain: Chain, options: WatchOptions) {
    this.#chain = chain
    this.#options = options
    this.#journal = chain.store?.chainCursors ?? new MemoryJournal()
    const { challengeManager } = chain.deployment.contracts
    this.#key = `${chain.scope}:${challengeManager.toLowerCase()}:${options.name}`
  }

  get blockNumber(): bigint | undefined {
    return this.#cursor?.number
  }

  start(): void {
    this.#running = this.#follow()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  get #isStopped(): boolean {
    return this.#stop.signal.aborted || this.#options.signal?.aborted === true
  }

  async #follow(): Promise<void> {
    const pollMs = this.#options.pollMs ?? this.#chain.pollMs
    let failures = 0
    let isLoaded = false
    while (!this.#isStopped) {
      let isBehind = false
      try {
        if (!isLoaded) this.#cursor = await this.#load()
        isLoaded = true
        isBehind = await this.#next()
        failures = 0
      } catch (error) {
        failures++
        this.#chain.log?.warn(
          { watcher: this.#options.name, reason: rpcMessage(error) },
          'following the chain failed',
        )
      }
      if (isBehind) continue
      const pause = Math.min(MAX_BACK_OFF_MS, pollMs * 2 ** Math.min(failures, 16))
      const { signal } = this.#options
      const signals = signal === undefined ? [this.#stop.signal] : [this.#stop.signal, signal]
      await sleep(pause, undefined, { signal: AbortSignal.any(signals) }).catch(() => {})
    }
  }

  /** Delivers one batch. @returns whether there is more at once */
  async #next(): Promise<boolean> {
    const { client } = this.#chain
    const head = await client.getBlock()
    const cursor = this.#cursor
    const ancestor = cursor === undefined ? undefined : await this.#ancestor(cursor, head.number)
    const removed = cursor === undefined ? [] : takenBack(cursor, ancestor)
    const isReorganised = cursor !== undefined && ancestor?.hash !== cursor.hash
    const from =
      ancestor === undefined
        ? (this.#options.fromBlock ?? BigInt(this.#chain.deployment.deployedAtBlock))
        : ancestor.number + 1n
    if (from > head.number && !isReorganised) return false
    const last = from + this.#range - 1n < head.number ? from + this.#range - 1n : head.number
    const found = await this.#read(from, last)
    if (found === undefined) return true
    const events = found.logs.map(eventOf).filter((event) => event !== undefined)
    await this.#options.onBatch({
      removed: removed.map(eventOf).filter((event) => event !== undefined),
      events,
      toBlock: found.block.number,
    })
    await this.#save(nextCursor(cursor, ancestor, found))
    return last < head.number
  }

  /** The newest remembered block that is still on the chain; undefined where none is. */
  async #ancestor(cursor: Cursor, head: bigint): Promise<Block | undefined> {
    for (const block of [...cursor.blocks].reverse()) {
      if (block.number > head) continue
      const now = await this.#chain.client.getBlock({ blockNumber: block.number })
      if (now.hash === block.hash) return block
    }
    return undefined
  }

  /** Logs of a range, between two looks at its last block; undefined where the range must shrink or the chain moved. */
  async #read(
    from: bigint,
    to: bigint,
  ): Promise<{ readonly logs: readonly StoredLog[]; readonly block: Block } | undefined> {
    const { client, deployment } = this.#chain
    const { stakeRegistry, challengeManager, disputeGame, paymentChannels } = deployment.contracts
    const ours = [stakeRegistry, challengeManager, disputeGame]
    if (paymentChannels !== null) ours.push(paymentChannels)
    const block = await client.getBlock({ blockNumber: to < from ? from - 1n : to })
    if (to < from) return { logs: [], block }
    try {
      const address = [...(this.#options.addresses ?? ours)]
      const logs = await client.getLogs({ address, fromBlock: from, toBlock: to })
      const again = await client.getBlock({ blockNumber: to })
      if (again.hash !== block.hash) return undefined
      if (this.#range < MAX_RANGE) this.#range *= 2n
      return {
        block,
        logs: logs.map((log) => ({
          address: log.address,
          topics: [...log.topics],
          data: log.data,
          blockNumber: log.blockNumber.toString(),
          blockHash: log.blockHash,
          transactionHash: log.transactionHash,
          logIndex: log.logIndex,
        })),
      }
    } catch (error) {
      if (this.#range === 1n || !isRangeLimit(error)) throw error
      this.#range /= 2n
      return undefined
    }
  }

  async #load(): Promise<Cursor | undefined> {
    const bytes = await this.#journal.get(this.#key)
    if (bytes === undefined) return undefined
    const cursor = decodeCursor(bytes)
    if (cursor === undefined)
      this.#chain.log?.warn(
        { watcher: this.#options.name },
        'the cursor is damaged; reading from the beginning',
      )
    return cursor
  }

  async #save(cursor: Cursor): Promise<void> {
    await this.#journal.write([{ key: this.#key, value: encodeCursor(cursor) }])
    this.#cursor = cursor
  }
}

/** Remembered events that lie past the common ancestor, the newest first. */
function takenBack(cursor: Cursor, ancestor: Block | undefined): readonly StoredLog[] {
  return cursor.logs.filter((log) => BigInt(log.blockNumber) > (ancestor?.number ?? -1n)).reverse()
}

function nextCursor(
  before: Cursor | undefined,
  ancestor: Block | undefined,
  { logs, block }: { readonly logs: readonly StoredLog[]; readonly block: Block },
): Cursor {
  const { number, hash } = block
  const oldest = number - BigInt(REMEMBERED_BLOCKS)
  const keptBlocks = (before?.blocks ?? []).filter((each) => each.number <= (ancestor?.number ?? -1n))
  const keptLogs = (before?.logs ?? []).filter((log) => BigInt(log.blockNumber) <= (ancestor?.number ?? -1n))
  const eventBlocks = logs.map((log) => ({ number: BigInt(log.blockNumber), hash: log.blockHash }))
  const blocks = [...keptBlocks, ...eventBlocks, { number, hash }].filter(
    (each, i, all) => all.findIndex(({ hash: other }) => other === each.hash) === i,
  )
  const recent = blocks.filter((each) => each.number > oldest)
  return {
    number,
    hash,
    // Where nothing was recent, the last of all still tells whether the chain is the same.
    blocks: recent.slice(-REMEMBERED_BLOCKS),
    logs: [...keptLogs, ...logs].filter((log) => BigInt(log.blockNumber) > oldest).slice(-MAX_REMEMBERED),
  }
}

/** Undefined for an event that this version of the contracts does not have. */
function eventOf(log: StoredLog): WatchedEvent | undefined {
  try {
    const { eventName, args } = decodeEventLog({
      abi: EVENT_ABI,
      data: log.data as Hex,
      topics: log.topics as [Hex, ...Hex[]],
    })
    return {
      eventName: eventName ?? '',
      args: (args ?? {}) as Readonly<Record<string, unknown>>,
      address: log.address as Address,
      blockNumber: BigInt(log.blockNumber),
      blockHash: log.blockHash as Hex,
      transactionHash: log.transactionHash as Hex,
      logIndex: log.logIndex,
    }
  } catch {
    return undefined
  }
}
