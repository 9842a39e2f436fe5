/** What beacon servers answer: a verified round or a refusal in one line, from a real server. FUZZ_RUNS for more. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { bytesToHex } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { signRound } from '../../src/crypto/beacon.js'
import { BeaconClient } from '../../src/p2p/beacon-client.js'
import { testBeacon } from '../support/challenge-builder.js'
import { hostileJson } from '../support/json-mutations.js'
import { fewRuns, settleOrRefuse } from '../support/mutations.js'

const { info, secret } = testBeacon('answers')
const ROUND = 900
const answer = { round: ROUND, signature: bytesToHex(signRound(secret, ROUND)), randomness: 'ab'.repeat(32) }
const description = {
  public_key: bytesToHex(info.publicKey),
  genesis_time: info.genesisTimeSeconds,
  period: info.periodSeconds,
  hash: bytesToHex(info.chainHash),
}

describe('a beacon server', () => {
  let next = { status: 200, body: '' }
  let server: Server
  let client: BeaconClient
  beforeAll(async () => {
    server = createServer((_, response) => {
      response.writeHead(next.status, next.status === 302 ? { location: '/elsewhere' } : {})
      response.end(next.body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    client = new BeaconClient({ info, urls: [url] })
  })
  afterAll(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  it('is believed where its round verifies, and refused in one line otherwise', async () => {
    next = { status: 200, body: JSON.stringify(answer) }
    expect(await client.latestRound()).toBe(ROUND)
    const status = fc.constantFrom(200, 200, 200, 200, 204, 302, 404, 500)
    await fc.assert(
      fc.asyncProperty(status, hostileJson(answer), async (code, body) => {
        next = { status: code, body }
        const round = await settleOrRefuse(() => client.latestRound())
        if (round !== 'refused') expect(round).toBe(ROUND)
      }),
      { numRuns: fewRuns(0.02) },
    )
  })

  it('describes the beacon that was configured, or is refused in one line', async () => {
    next = { status: 200, body: JSON.stringify(description) }
    await client.checkServers()
    await fc.assert(
      fc.asyncProperty(hostileJson(description), async (body) => {
        next = { status: 200, body }
        const checked = await settleOrRefuse(() => client.checkServers())
        if (checked === 'refused') return
        const said = JSON.parse(body) as typeof description
        expect([said.public_key, said.genesis_time, said.period]).toEqual([
          description.public_key,
          description.genesis_time,
          description.period,
        ])
      }),
      { numRuns: fewRuns(0.02) },
    )
  })

  it('cannot answer without end', async () => {
    next = { status: 200, body: JSON.stringify({ ...answer, padding: 'x'.repeat(1_000_000) }) }
    expect(await settleOrRefuse(() => client.latestRound())).toBe('refused')
  })
})
