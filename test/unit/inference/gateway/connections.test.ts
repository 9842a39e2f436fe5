/** Who may hold connections, and who makes room for others: real sockets, several of this machine's own addresses. */
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiKeys, Gateway } from '../../../../src/inference/gateway/index.js'
import { answerOf, ask, open, recording, tone } from './http-client.js'
import { ScriptedSource, untilCancelled } from './scripted-source.js'

const KEY = 'a-key-of-some-thirty-characters'
const authorization = `Bearer ${KEY}`
const MOST = 8

const source = new ScriptedSource()
let gateway: Gateway
let port: number
const sockets: Socket[] = []

beforeAll(async () => {
  source.answer = untilCancelled
  gateway = await Gateway.start(
    {
      ...{ host: '127.0.0.1', port: 0, keys: new ApiKeys([KEY]) },
      limits: { connections: MOST, connectionsPerAddress: MOST / 2 },
    },
    { source },
  )
  port = Number(new URL(gateway.url).port)
})
afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  await gateway.stop()
})

/** Connects and begins a request that it never ends. */
function stranger(localAddress: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress }, () =>
      socket.write('G', () => resolve()),
    )
    socket.on('error', () => undefined)
    sockets.push(socket)
  })
}
const models = (localAddress: string) => {
  const asked = request(`${gateway.url}/v1/models`, {
    headers: { authorization },
    agent: false,
    localAddress,
  })
  asked.end()
  return answerOf(asked)
}
/** A job that is under way until its client goes. */
async function working(localAddress: string) {
  const { body, headers, method } = recording(tone(1))
  const before = source.jobs.length
  const asked = request(`${gateway.url}/v1/audio/transcriptions`, {
    ...{ method, headers: { ...headers, authorization }, agent: false, localAddress },
  })
  const closed = new Promise<void>((resolve) => asked.on('error', () => undefined).on('close', resolve))
  asked.end(body)
  for (let tries = 0; tries < 600 && source.jobs.length === before; tries++)
    await new Promise((tick) => setTimeout(tick, 50))
  expect(source.jobs).toHaveLength(before + 1)
  return { asked, closed }
}

describe('a stranger without a key', () => {
  it('holds every connection, and shuts nobody out', async () => {
    for (const address of ['127.0.0.1', '127.0.0.2', '127.0.0.3'])
      for (let i = 0; i < MOST; i++) await stranger(address)
    for (const address of ['127.0.0.1', '127.0.0.2', '127.0.0.9'])
      expect((await models(address)).status).toBe(200)
    // A key that is none keeps no place either.
    expect((await ask(`${gateway.url}/v1/models`)).status).toBe(401)
  })

  it('ends no request that was let in', async () => {
    const { asked, closed } = await working('127.0.0.1')
    let isClosed = false
    void closed.then(() => {
      isClosed = true
    })
    for (let i = 0; i < 3 * MOST; i++) await stranger('127.0.0.1')
    expect((await models('127.0.0.1')).status).toBe(200)
    expect(isClosed).toBe(false)
    asked.destroy()
    await closed
  })
})

it('one address has its share, with a key as well, and others have the rest', async () => {
  const all = []
  for (let i = 0; i < MOST / 2; i++) all.push(await working('127.0.0.4'))
  await expect(models('127.0.0.4')).rejects.toThrow()
  expect((await models('127.0.0.5')).status).toBe(200)
  for (const { asked, closed } of all) {
    asked.destroy()
    await closed
  }
  const again = open(`${gateway.url}/v1/models`, { headers: { authorization } })
  again.end()
  expect((await answerOf(again)).status).toBe(200)
})
