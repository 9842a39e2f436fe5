import type { Socket } from 'node:net'
import type { Stream } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { type CborValue, encode } from '../../../src/crypto/cbor.js'
import { bytes, text } from '../../../src/crypto/cbor-schema.js'
import { PAY_MESSAGE } from '../../../src/inference/network/messages.js'
import { ANSWER_OVERHEAD_BYTES, decodeAnswer, RemoteError } from '../../../src/p2p/answer.js'
import { AnswerRoom, mostEncodedBytes, UNCOUNTED_ANSWER_BYTES } from '../../../src/p2p/answer-room.js'
import { frame, readMessage } from '../../../src/p2p/framing.js'
import { type Exchange, type Host, protocolId } from '../../../src/p2p/index.js'
import { Lane, laneOf, unsentOf } from '../../../src/p2p/lane.js'
import { requestPayload, SharedFrameReader, sharedFrame } from '../../../src/p2p/shared-stream/frames.js'
import { SHARED_PROTOCOL } from '../../../src/p2p/shared-stream/limits.js'
import { addressOf, eventually, startHost } from './hosts.js'

const MEBIBYTE = 2 ** 20
/** Of 15 MiB, as the longest output of a job: two fit into a peer's share, three into a network's. */
const LONG = new Uint8Array(15 * MEBIBYTE)
const fast = { perSecond: 10_000, burst: 10_000 }

const long: Exchange<string, Uint8Array> = {
  name: 'long',
  request: text({ max: 100 }),
  response: bytes({ max: LONG.length }),
  maxRequestBytes: 256,
  maxResponseBytes: LONG.length + 1024,
  deadlineMs: 60_000,
  ratePerPeer: fast,
  rateTotal: fast,
  maxStreams: 64,
}
const longShared: Exchange<string, Uint8Array> = { ...long, name: 'long-shared', sharesStream: true }
const capture: Exchange<string, Uint8Array> = { ...long, name: 'capture', answersIn: 'challenge' }
const paid: Exchange<string, Uint8Array> = { ...long, name: 'paid', answersIn: 'paid' }

/** Answers with as many bytes as it is asked for. */
async function startServer(): Promise<Host> {
  const server = await startHost()
  for (const exchange of [long, longShared, capture, paid])
    await server.handle(exchange, async (request) => LONG.subarray(0, Number(request)))
  return server
}

const ask = (from: Host, to: Host, exchange = long, size = LONG.length): Promise<number | string> =>
  from.request(addressOf(to), exchange, String(size)).then(
    ({ length }) => length,
    (error: unknown) => (error instanceof RemoteError ? error.status : String(error)),
  )

/** A request whose answer is not read yet. */
async function unread(from: Host, to: Host, size = LONG.length): Promise<Stream> {
  const stream = await from.node.dialProtocol(to.node.peerId, protocolId(long.name), {
    maxOutboundStreams: 100,
    negotiateFully: false,
  })
  stream.pause()
  stream.send(frame(encode(String(size))))
  await stream.close()
  return stream
}

const statusOn = async (stream: Stream): Promise<string> => {
  const reading = readMessage(stream, LONG.length + 4096, AbortSignal.timeout(60_000))
  stream.resume()
  return decodeAnswer(await reading).status
}

const count = (all: readonly unknown[], one: unknown): number => all.filter((each) => each === one).length

/** @returns what is answered, once a peer holds as much as it may */
async function fill(from: Host, to: Host, streams = 24): Promise<readonly Stream[]> {
  await from.connect(addressOf(to))
  const all: Stream[] = []
  for (let i = 0; i < streams; i++) all.push(await unread(from, to))
  await eventually(async () => (await ask(from, to)) === 'busy')
  return all
}

describe('answers that are not read', () => {
  it('are held up to the share of a peer; others have theirs, and what is read makes room', async () => {
    const [server, greedy, other] = [await startServer(), await startHost(), await startHost()]
    const streams = await fill(greedy, server)
    expect(await ask(greedy, server, longShared)).toBe('busy')
    // Short ones are no burden.
    expect(await ask(greedy, server, long, UNCOUNTED_ANSWER_BYTES - 4096)).toBe(UNCOUNTED_ANSWER_BYTES - 4096)
    expect([await ask(other, server), await ask(other, server, longShared)]).toEqual([
      LONG.length,
      LONG.length,
    ])
    const statuses = await Promise.all(streams.map(statusOn))
    expect([count(statuses, 'ok'), count(statuses, 'busy')]).toEqual([2, 22])
    expect(await ask(greedy, server)).toBe(LONG.length)
  })

  it('make room where they are given up, or their peer is gone', async () => {
    const [server, greedy] = [await startServer(), await startHost()]
    const streams = await fill(greedy, server, 3)
    for (const stream of streams) stream.abort(new Error('enough'))
    await eventually(async () => (await ask(greedy, server)) === LONG.length)
    const gone = await startHost()
    await fill(gone, server, 3)
    await gone.stop()
    // A peer's share more would not fit into the network's.
    await fill(greedy, server, 3)
  })

  it('of one network leave room for those of no network that fresh keys could take', async () => {
    const server = await startServer()
    const keys = [await startHost(), await startHost()]
    for (const key of keys) {
      await key.connect(addressOf(server))
      for (let i = 0; i < 3; i++) await unread(key, server)
    }
    const fresh = await startHost()
    await eventually(async () => (await ask(fresh, server)) === 'busy')
  })

  it('do not stand in the way of a challenge, nor of what was paid for', async () => {
    const [server, greedy] = [await startServer(), await startHost()]
    await fill(greedy, server)
    expect(await ask(greedy, server, capture)).toBe(LONG.length)
    expect(await ask(greedy, server, paid)).toBe(LONG.length)
    expect(PAY_MESSAGE.answersIn).toBe('paid')
    expect(await ask(greedy, server)).toBe('busy')
  })

  it('are held up to the same share where they come on a shared stream', async () => {
    const [server, greedy] = [await startServer(), await startHost()]
    await greedy.connect(addressOf(server))
    const stream = await greedy.node.dialProtocol(server.node.peerId, SHARED_PROTOCOL)
    const statuses: string[] = []
    const reader = new SharedFrameReader({
      onHead: () => true,
      onFrame: (_, payload) => void statuses.push(decodeAnswer(payload).status),
    })
    stream.addEventListener('message', ({ data }) => reader.push(data.subarray()))
    stream.pause()
    const request = requestPayload(longShared.name, encode(String(LONG.length)))
    for (let i = 1; i <= 24; i++) stream.send(sharedFrame('request', i, request))
    await eventually(async () => (await ask(greedy, server)) === 'busy')
    stream.resume()
    await eventually(() => statuses.length === 24)
    expect([count(statuses, 'ok'), count(statuses, 'busy')]).toEqual([2, 22])
    expect(await ask(greedy, server)).toBe(LONG.length)
  })

  it('stay with us, whatever windows the peer gives', async () => {
    const [server, greedy] = [await startServer(), await startHost()]
    await greedy.connect(addressOf(server))
    await eventually(() => server.peerCount() === 1)
    const [theirs] = server.node.getConnections()
    if (theirs === undefined) throw new Error('no connection')
    let most = 0
    const windows: (() => void)[] = []
    // It takes a little at a time, and gives windows all the time.
    const { socket } = (greedy.node.getConnections()[0] as unknown as { maConn: { socket: Socket } }).maConn
    socket.on('data', () => socket.pause())
    const trickle = setInterval(() => {
      most = Math.max(most, unsentOf(theirs))
      for (let i = 0; i < 5; i++) for (const grow of windows) grow()
      socket.resume()
    }, 10)
    const open = async (): Promise<Stream> => {
      const stream = await unread(greedy, server, 500_000)
      // What libp2p's streams have besides their interface.
      const inner = stream as unknown as {
        streamId: number
        recvWindow: number
        recvWindowCapacity: number
        sendFrame: (head: { type: number; flag: number; streamID: number; length: number }) => void
      }
      inner.recvWindow = 2 ** 31
      inner.recvWindowCapacity = 2 ** 31
      stream.maxReadBufferLength = 2 ** 31
      inner.sendFrame({ type: 1, flag: 0, streamID: inner.streamId, length: 2 ** 30 })
      windows.push(() => inner.sendFrame({ type: 1, flag: 0, streamID: inner.streamId, length: 1 }))
      return stream
    }
    const streams = await Promise.all(Array.from({ length: 60 }, open))
    await new Promise((resolve) => setTimeout(resolve, 2000))
    clearInterval(trickle)
    expect(most).toBeGreaterThan(0)
    // Of each stream no more than what it was given at once.
    expect(most).toBeLessThan(5 * MEBIBYTE)
    for (const stream of streams) stream.abort(new Error('enough'))
  })
})

describe('room for answers', () => {
  const of = (peerId: string, network: number) => ({ peerId, address: `/ip4/10.0.${network}.7/tcp/1/p2p/x` })

  it('is shared out by peer and by network, and a refusal takes nothing', () => {
    const room = new AnswerRoom({ total: 900_000, perNetwork: 500_000, perPeer: 300_000 })
    const first = room.take(of('a', 1), 300_000)
    expect(room.take(of('a', 2), 20_000)).toBeUndefined()
    expect(room.take(of('b', 1), 200_001)).toBeUndefined()
    expect(room.total).toBe(300_000)
    const second = room.take(of('b', 1), 200_000)
    expect(room.take(of('c', 1), 20_000)).toBeUndefined()
    expect(room.take(of('c', 2), 300_000)).toBeDefined()
    expect(room.take(of('d', 3), 100_001)).toBeUndefined()
    first?.()
    first?.()
    second?.()
    expect(room.total).toBe(300_000)
    expect(room.take(of('a', 1), 300_000)).toBeDefined()
  })

  it('is not needed for short ones', () => {
    const room = new AnswerRoom({ total: 0, perNetwork: 0, perPeer: 0 })
    expect(room.take(of('a', 1), UNCOUNTED_ANSWER_BYTES)).toBeDefined()
    expect(room.take(of('a', 1), UNCOUNTED_ANSWER_BYTES + 1)).toBeUndefined()
  })

  it('is reckoned before an answer is encoded, and never below what it has then', () => {
    const values: CborValue[] = [
      null,
      -1,
      2n ** 63n,
      'ä'.repeat(1000),
      LONG.subarray(0, 70_000),
      { a: [1, 2, 'three'], 'a longer key': { b: true, bytes: LONG.subarray(0, 10) } },
    ]
    for (const value of values) {
      const most = mostEncodedBytes(value)
      expect(most).toBeGreaterThanOrEqual(encode(value).length)
      expect(most).toBeLessThan(encode(value).length + ANSWER_OVERHEAD_BYTES)
    }
  })
})

describe('the streams of a connection', () => {
  it('write in turns, and no further than it goes', () => {
    let unsent = 0
    const lane = new Lane(() => unsent)
    const order: string[] = []
    const user = (name: string, pieces: number) => ({
      next: () => {
        order.push(name)
        unsent += 2 ** 17
        return --pieces > 0
      },
    })
    const [a, b, c] = [user('a', 9), user('b', 2), user('c', 9)]
    lane.enter(a)
    lane.enter(b)
    lane.enter(c)
    expect(order).toEqual(['a', 'a'])
    unsent = 0
    lane.run()
    expect(order.splice(0)).toEqual(['a', 'a', 'a', 'b'])
    lane.leave(c)
    unsent = -(2 ** 18)
    lane.run()
    expect(order).toEqual(['a', 'b', 'a', 'a'])
  })

  it('have one lane together, which knows what the connection has not written', async () => {
    const [server, client] = [await startServer(), await startHost()]
    await client.connect(addressOf(server))
    const [connection] = client.node.getConnections()
    if (connection === undefined) throw new Error('no connection')
    expect(laneOf(connection)).toBe(laneOf(connection))
    // Both belong to libp2p's insides: another version may not have them.
    for (const layer of ['muxer.maConn', 'maConn'])
      expect(connection).toHaveProperty(`${layer}.writeBufferLength`, 0)
  })
})
