/** A real anvil for the tests of src/chain, and the reason where there is none. */
import { createTestClient, http, publicActions, walletActions } from 'viem'
import { anvilBinary } from '../../src/chain/anvil.js'
import { type Chain, openChain, type SenderOptions } from '../../src/chain/chain.js'
import type { DevChain } from '../../src/chain/dev-chain.js'
import { parseAmount } from '../../src/chain/ether.js'
import { Identity } from '../../src/crypto/identity.js'

/** Why the tests here cannot run; undefined where they can. */
export const whyNoAnvil: string | undefined = (() => {
  try {
    anvilBinary()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
})()
if (whyNoAnvil !== undefined) process.stderr.write(`chain tests: skipped: ${whyNoAnvil}\n`)

/** Anvil's own methods, and any account as sender. */
export function testClientOf(url: string) {
  return createTestClient({ mode: 'anvil', transport: http(url), cacheTime: 0 })
    .extend(publicActions)
    .extend(walletActions)
}

/** The dev chain as a fresh account with 100 ETH sees it. */
export async function fundedChain(
  dev: DevChain,
  options: SenderOptions & { readonly rpcUrls?: readonly string[] } = {},
): Promise<Chain & { readonly identity: Identity }> {
  const identity = Identity.generate()
  await dev.fund(identity.address, parseAmount('100'))
  const chain = await openChain({ rpcUrls: [dev.rpcUrl], deployment: dev.deployment, identity, ...options })
  return { ...chain, identity }
}

/** Deterministic: a failing case is named by its seed. */
export class Random {
  #state: number
  constructor(readonly seed: number) {
    this.#state = (seed * 2_654_435_761) >>> 0 || 1
  }
  /** 0 <= n < below. */
  integer(below: number): number {
    // xorshift32
    this.#state ^= this.#state << 13
    this.#state >>>= 0
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    this.#state >>>= 0
    return this.#state % below
  }
  pick<T>(from: readonly T[]): T {
    const found = from[this.integer(from.length)]
    if (found === undefined) throw new RangeError('nothing to pick from')
    return found
  }
  chance(percent: number): boolean {
    return this.integer(100) < percent
  }
  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.integer(256))
  }
}
