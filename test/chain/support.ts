/** A real anvil for the tests of src/chain, and the reason where there is none. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
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

/** What a server in the way answers; `pass` asks the one behind it. */
export type Answer = (method: string, params: unknown, pass: () => Promise<string>) => Promise<string>

/** A JSON-RPC server in front of another, with whatever behaviour. */
export async function startProxy(
  behind: string,
  answer: Answer,
): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', async () => {
      const body = Buffer.concat(chunks).toString('utf8')
      const { method, params } = JSON.parse(body) as { method: string; params: unknown }
      const headers = { 'content-type': 'application/json' }
      const pass = async () => (await fetch(behind, { method: 'POST', headers, body })).text()
      response.setHeader('content-type', 'application/json')
      response.end(await answer(method, params, pass))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server }
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
