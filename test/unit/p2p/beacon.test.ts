import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { bytesToHex } from '@noble/hashes/utils.js'
import { afterEach, describe, expect, it } from 'vitest'
import { localBeacon, roundAt, signRound, timeOfRound, verifyRound } from '../../../src/crypto/beacon.js'
import { generateBlsSecret } from '../../../src/crypto/bls.js'
import { UserError } from '../../../src/errors.js'
import { BeaconClient, fetchLatestRound } from '../../../src/p2p/beacon-client.js'
import { type BeaconServer, startBeaconServer } from '../../../src/p2p/beacon-server.js'

const secret = generateBlsSecret()
const info = localBeacon(secret, {
  genesisTimeSeconds: Math.floor(Date.now() / 1000) - 100,
  periodSeconds: 1,
})
const chain = bytesToHex(info.chainHash)

const running: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((close) => close()))
})
const serve = async (now?: () => number): Promise<BeaconServer> => {
  const server = await startBeaconServer({
    info,
    secret,
    host: '127.0.0.1',
    port: 0,
    ...(now === undefined ? {} : { now }),
  })
  running.push(() => server.close())
  return server
}
/** A server that answers everything with the same bytes. */
const fake = async (status: number, body: string | ((server: Server) => string)): Promise<string> => {
  const server = createServer((_, response) => {
    response.writeHead(status, { location: 'http://127.0.0.1:1/' })
    response.end(typeof body === 'string' ? body : body(server))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  running.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
const client = (urls: readonly string[], deadlineMs = 3000): BeaconClient =>
  new BeaconClient({ info, urls, deadlineMs })
const hex = (bytes: Uint8Array): string => bytesToHex(bytes)

describe('the local beacon server', () => {
  it("speaks drand's HTTP API", async () => {
    const { url } = await serve()
    const get = async (path: string): Promise<unknown> => (await fetch(`${url}${path}`)).json()
    expect(await get(`/${chain}/info`)).toMatchObject({
      public_key: hex(info.publicKey),
      period: 1,
      genesis_time: info.genesisTimeSeconds,
      hash: chain,
      schemeID: 'bls-unchained-g1-rfc9380',
    })
    const round = (await get(`/${chain}/public/7`)) as {
      round: number
      signature: string
      randomness: string
    }
    expect(round).toMatchObject({ round: 7, signature: hex(signRound(secret, 7)) })
    const randomness = verifyRound(info, 7, Buffer.from(round.signature, 'hex'))
    expect(randomness && hex(randomness)).toBe(round.randomness)
    expect(await get('/chains')).toEqual([chain])
  })

  it('never serves a round before its time', async () => {
    let now = timeOfRound(info, 50) * 1000 - 1
    const { url } = await serve(() => now)
    const ask = async (round: number | string): Promise<number> =>
      (await fetch(`${url}/${chain}/public/${round}`)).status
    expect(await ask(49)).toBe(200)
    expect(await ask(50)).toBe(425)
    expect(await ask('latest')).toBe(200)
    now++
    expect(await ask(50)).toBe(200)
    expect([await ask(51), await ask('999999999999999')]).toEqual([425, 425])
    now = (info.genesisTimeSeconds - 10) * 1000
    expect([await ask(1), await ask('latest')]).toEqual([425, 425])
  })

  it('refuses other paths, chains and methods', async () => {
    const { url } = await serve()
    const status = async (path: string, method = 'GET'): Promise<number> =>
      (await fetch(`${url}${path}`, { method })).status
    for (const path of [
      '/',
      '/x',
      `/${chain}/public/0`,
      `/${chain}/public/-1`,
      `/${chain}/public/1.5`,
      `/${chain}/public/01`,
      `/${'00'.repeat(32)}/public/1`,
    ])
      expect(await status(path), path).toBe(404)
    expect(await status(`/${chain}/info`, 'POST')).toBe(405)
  })

  it('says in one line that its port is taken', async () => {
    const { port } = await serve()
    await expect(startBeaconServer({ info, secret, host: '127.0.0.1', port })).rejects.toThrow(UserError)
  })
})

describe('the beacon client', () => {
  it('fetches and verifies past rounds, waits for coming ones, and knows the latest', async () => {
    const { url } = await serve()
    expect(await client([url]).round(3)).toEqual(signRound(secret, 3))
    const next = roundAt(info, Date.now() / 1000) + 1
    expect(verifyRound(info, next, await client([`${url}/`]).round(next))).not.toBe(false)
    expect(Date.now() / 1000).toBeGreaterThanOrEqual(timeOfRound(info, next))
    expect(await fetchLatestRound({ info, urls: [url] })).toBeGreaterThanOrEqual(next)
    await client([url]).checkServers()
  })

  it('passes over servers that are down, wrong, slow, huge or lying', async () => {
    const { url } = await serve()
    const other = generateBlsSecret()
    const bad = [
      'http://127.0.0.1:1',
      await fake(500, 'oops'),
      await fake(302, ''),
      await fake(200, 'not JSON'),
      await fake(200, JSON.stringify({ round: 3, signature: hex(signRound(other, 3)) })),
      await fake(200, JSON.stringify({ round: 3, signature: hex(signRound(secret, 4)) })),
      await fake(200, JSON.stringify({ round: 4, signature: hex(signRound(secret, 4)) })),
      await fake(200, 'x'.repeat(100_000)),
    ]
    for (const each of bad) {
      expect(await client([each, url]).round(3), each).toEqual(signRound(secret, 3))
      const alone = client([each], 400).round(3)
      await expect(alone).rejects.toThrow(/no beacon server gave round 3/)
      await expect(client([each], 400).checkServers()).rejects.toThrow(UserError)
    }
  })

  it('says what to do where a server knows no such beacon', async () => {
    const other = localBeacon(secret, { genesisTimeSeconds: info.genesisTimeSeconds - 500, periodSeconds: 1 })
    const { url } = await serve()
    const asked = new BeaconClient({ info: other, urls: [url], deadlineMs: 400 })
    await expect(asked.round(3)).rejects.toMatchObject({
      line: expect.stringMatching(
        /round 3 \(.*HTTP status 404\); the beacon there has another chainHash or genesis/,
      ),
      details: { problems: `${url}: HTTP status 404` },
    })
    const away = client(['http://127.0.0.1:1'], 400).round(3)
    await expect(away).rejects.toThrow(UserError)
    await expect(away).rejects.toMatchObject({ remedy: expect.stringMatching(/^check beacon\.urls/) })
  })

  it('does not hang on a server that says nothing', async () => {
    const silent = createServer(() => {})
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    running.push(
      () =>
        new Promise((resolve) => {
          silent.close(() => resolve())
          silent.closeAllConnections()
        }),
    )
    const { url } = await serve()
    const silentUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    expect(await client([silentUrl, url]).round(5)).toEqual(signRound(secret, 5))
    await expect(client([silentUrl], 300).round(5)).rejects.toThrow(UserError)
  })

  it('stops when its caller aborts, also while it waits for a far round', async () => {
    const { url } = await serve()
    const controller = new AbortController()
    const waiting = client([url]).round(10_000_000, controller.signal)
    setTimeout(() => controller.abort(new Error('changed my mind')), 30)
    await expect(waiting).rejects.toThrow('changed my mind')
  })
})
