/** Several RPC servers: one dead, one silent, one of another chain, one that comes back as another chain. */
import type { Server } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Anvil, startAnvil } from '../../src/chain/anvil.js'
import { connectChain } from '../../src/chain/chain.js'
import { RpcPool } from '../../src/chain/rpc-pool.js'
import { type Answer, startProxy, whyNoAnvil } from './support.js'

describe.skipIf(whyNoAnvil !== undefined)('several RPC servers', () => {
  let anvil: Anvil
  let other: Anvil
  const servers: Server[] = []

  beforeAll(async () => {
    ;[anvil, other] = await Promise.all([startAnvil(), startAnvil({ chainId: 1337 })])
  })
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections()
      server.close()
    }
  })
  afterAll(async () => {
    await Promise.all([anvil?.stop(), other?.stop()])
  })

  async function proxy(answer: Answer) {
    const { url, server } = await startProxy(anvil.url, answer)
    servers.push(server)
    return { url, server }
  }
  const dead = 'http://127.0.0.1:1'

  it('goes on with the others where one is dead, and asks it last from then on', async () => {
    let asked = 0
    const { url } = await proxy(async (_, __, pass) => {
      asked++
      return pass()
    })
    const chain = await connectChain({ rpcUrls: [dead, url] })
    expect(chain.chainId).toBe(31337)
    for (let i = 0; i < 5; i++) await chain.client.getBlockNumber({ cacheTime: 0 })
    expect(asked).toBeGreaterThanOrEqual(6)
    await chain.close()
  })

  it('falls back when the first one stops answering in the middle', async () => {
    const { url, server } = await proxy((_, __, pass) => pass())
    const chain = await connectChain({ rpcUrls: [url, anvil.url] })
    await chain.client.getBlockNumber({ cacheTime: 0 })
    server.closeAllConnections()
    server.close()
    expect(await chain.client.getBlockNumber({ cacheTime: 0 })).toBeTypeOf('bigint')
    await chain.close()
  })

  it('does not wait for a silent one longer than its limit', async () => {
    const { url } = await proxy(() => new Promise(() => {}))
    const pool = await RpcPool.open({ urls: [url, anvil.url], timeoutMs: 200 })
    expect(await pool.request({ method: 'eth_blockNumber', params: [] })).toMatch(/^0x/)
  })

  it('refuses servers of two chains, and names the one that is wrong', async () => {
    await expect(connectChain({ rpcUrls: [anvil.url, other.url] })).rejects.toMatchObject({
      code: 'BAD_CONFIG',
      message: `the RPC ${new URL(other.url).host} is on chain 1337, not on chain 31337`,
    })
    await expect(connectChain({ rpcUrls: [anvil.url], chainId: 1 })).rejects.toThrow(
      /is on chain 31337, not on chain 1/,
    )
  })

  it('does not use a server that comes back as another chain', async () => {
    let state: 'well' | 'away' | 'other' = 'well'
    const { url } = await proxy(async (method, _, pass) => {
      if (state === 'well') return pass()
      if (state === 'away') return 'a gateway says: bad gateway'
      return JSON.stringify({ jsonrpc: '2.0', id: 1, result: method === 'eth_chainId' ? '0x539' : '0x7777' })
    })
    const alone = await RpcPool.open({ urls: [url] })
    const pool = await RpcPool.open({ urls: [url, anvil.url] })
    state = 'away'
    expect(await pool.request({ method: 'eth_blockNumber', params: [] })).not.toBe('0x7777')
    await expect(alone.request({ method: 'eth_blockNumber', params: [] })).rejects.toThrow(/no RPC server/)
    state = 'other'
    expect(await pool.request({ method: 'eth_blockNumber', params: [] })).not.toBe('0x7777')
    await expect(alone.request({ method: 'eth_blockNumber', params: [] })).rejects.toThrow(
      /is on chain 1337, not on chain 31337/,
    )
  })

  it('says what is wrong with each where none answers, without the key in the URL', async () => {
    const error = await connectChain({ rpcUrls: [`${dead}/v3/very-secret-key`] }).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringMatching(/127\.0\.0\.1:1: E?[A-Za-z]+/),
    })
    expect(String(error)).not.toContain('secret')
  })

  it('tries the next server where one is over its limit, and hands on what the chain says', async () => {
    const { url } = await proxy(async (method, _, pass) =>
      method === 'eth_blockNumber'
        ? JSON.stringify({ jsonrpc: '2.0', id: 1, error: { code: -32005, message: 'limit exceeded' } })
        : pass(),
    )
    const pool = await RpcPool.open({ urls: [url, anvil.url] })
    expect(await pool.request({ method: 'eth_blockNumber', params: [] })).toMatch(/^0x/)
    await expect(pool.request({ method: 'eth_noSuchThing', params: [] })).rejects.toMatchObject({
      name: 'RpcRequestError',
    })
  })

  it('refuses what is no URL', async () => {
    for (const url of ['127.0.0.1:8545', 'ws://127.0.0.1:8545', 'nonsense'])
      await expect(connectChain({ rpcUrls: [url] })).rejects.toThrow(/not an http or https URL/)
    await expect(connectChain({ rpcUrls: [] })).rejects.toThrow(/0 RPC servers/)
  })
})
