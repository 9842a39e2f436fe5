/**
 * Finding peers without a chain: the addresses of a known peer, and the peers that provide a role. Over our own
 * Kademlia DHT (kad-dht under /plumbline/kad/1). What it says is a hint: a peer proves itself when it is dialled.
 */
import type { Libp2p } from '@libp2p/interface'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { UserError } from '../errors.js'
import { shortPeer } from './answer.js'
import { DeadlineError, withDeadline } from './deadline.js'
import { resolveTarget } from './target.js'

export interface FindOptions {
  readonly signal?: AbortSignal
  readonly deadlineMs?: number
}

export interface FoundPeer {
  readonly peerId: string
  readonly addresses: readonly string[]
}

const DEADLINE_MS = 15_000
const MAX_PROVIDERS = 200
const MAX_ADDRESSES = 16

export class Dht {
  readonly #node: Libp2p
  readonly #stopping: AbortSignal

  constructor(node: Libp2p, stopping: AbortSignal) {
    this.#node = node
    this.#stopping = stopping
  }

  /** The addresses of a peer. @throws UserError NOT_FOUND */
  async findPeer(peerId: string, options: FindOptions = {}): Promise<FoundPeer> {
    const target = resolveTarget(peerId).peerId
    try {
      return await withDeadline(options.deadlineMs ?? DEADLINE_MS, this.#parents(options), async (signal) => {
        const found = await this.#node.peerRouting.findPeer(target, { signal })
        return { peerId, addresses: found.multiaddrs.slice(0, MAX_ADDRESSES).map(String) }
      })
    } catch (cause) {
      if (options.signal?.aborted) throw cause
      throw new UserError(`nobody knows where ${shortPeer(peerId)} is`, {
        code: 'NOT_FOUND',
        remedy: 'give its address, ending with /p2p/ and its id, or a bootstrap peer',
        cause,
      })
    }
  }

  /** Tells the DHT that this node provides `name` (e.g. a role). Lasts a day; libp2p repeats it while the node runs. */
  async provide(name: string, options: FindOptions = {}): Promise<void> {
    const key = await keyOf(name)
    await withDeadline(options.deadlineMs ?? DEADLINE_MS, this.#parents(options), (signal) =>
      this.#node.contentRouting.provide(key, { signal }),
    )
  }

  /** Peers that provide `name`, as many as turn up before the deadline. */
  async *findProviders(
    name: string,
    options: FindOptions & { readonly limit?: number } = {},
  ): AsyncGenerator<FoundPeer> {
    const key = await keyOf(name)
    const limit = Math.min(options.limit ?? MAX_PROVIDERS, MAX_PROVIDERS)
    const controller = new AbortController()
    const timer = setTimeout(
      () => controller.abort(new DeadlineError('enough')),
      options.deadlineMs ?? DEADLINE_MS,
    )
    const signal = AbortSignal.any([controller.signal, ...this.#parents(options)])
    const seen = new Set<string>()
    try {
      for await (const { id, multiaddrs } of this.#node.contentRouting.findProviders(key, { signal })) {
        const peerId = id.toString()
        if (seen.has(peerId) || peerId === this.#node.peerId.toString()) continue
        seen.add(peerId)
        yield { peerId, addresses: multiaddrs.slice(0, MAX_ADDRESSES).map(String) }
        if (seen.size >= limit) return
      }
    } catch (error) {
      // The deadline, and a DHT without peers, end the search; what was found stands.
      if (options.signal?.aborted) throw error
    } finally {
      clearTimeout(timer)
      controller.abort()
    }
  }

  #parents(options: FindOptions): AbortSignal[] {
    return options.signal === undefined ? [this.#stopping] : [this.#stopping, options.signal]
  }
}

async function keyOf(name: string): Promise<CID> {
  return CID.createV1(raw.code, await sha256.digest(new TextEncoder().encode(`plumbline/provide/${name}`)))
}
