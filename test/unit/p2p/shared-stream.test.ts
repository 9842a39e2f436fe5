import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Stream } from '@libp2p/interface'
import { describe, expect, it, vi } from 'vitest'
import { decode, encode } from '../../../src/crypto/cbor.js'
import { text } from '../../../src/crypto/cbor-schema.js'
import { UserError } from '../../../src/errors.js'
import { decodeAnswer, RemoteError } from '../../../src/p2p/answer.js'
import { ByteBudget } from '../../../src/p2p/byte-budget.js'
import { orAbort } from '../../../src/p2p/deadline.js'
import { type Exchange, type Host, protocolId } from '../../../src/p2p/index.js'
import { Lane } from '../../../src/p2p/lane.js'
import { Outbox } from '../../../src/p2p/outbox.js'
import { answerShared, type MessageAnswerer } from '../../../src/p2p/shared-stream/answering.js'
import { SharedStream } from '../../../src/p2p/shared-stream/asking.js'
import {
  type FrameHead,
  requestPayload,
  SharedFrameReader,
  sharedFrame,
} from '../../../src/p2p/shared-stream/frames.js'
import {
  MAX_SHARED_REQUEST_BYTES,
  MOST_UNDER_WAY,
  SHARED_PROTOCOL,
} from '../../../src/p2p/shared-stream/limits.js'
import { silentLogger } from '../../../src/telemetry/logger.js'
import { addressOf, echo, eventually, startHost } from './hosts.js'

const often: Exchange<string, string> = {
  ...echo,
  name: 'often',
  request: text({ max: 400_000 }),
  response: text({ max: 400_000 }),
  maxRequestBytes: 410_000,
  maxResponseBytes: 410_000,
  deadlineMs: 60_000,
  ratePerPeer: { perSecond: 10_000, burst: 10_000 },
  rateTotal: { perSecond: 10_000, burst: 10_000 },
  maxStreams: 64,
  sharesStream: true,
}
const NOTHING = new Uint8Array(0)

const failure = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => new Error('no error'),
    (error: unknown) => error as Error,
  )
const codeOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await failure(work)
  if (error instanceof RemoteError) return error.status
  return error instanceof UserError ? error.code : error.message
}
const streamsOf = (host: Host, protocol: string): Stream[] =>
  host.node.getConnections().flatMap(({ streams }) => streams.filter((each) => each.protocol === protocol))

/** A shared stream without our asking end's good manners: what it is answered, by number. */
async function rawStream(from: Host, to: Host, protocol = SHARED_PROTOCOL) {
  await from.connect(addressOf(to))
  const stream = await from.node.dialProtocol(to.node.peerId, protocol)
  const frames: { readonly head: FrameHead; readonly payload: Uint8Array }[] = []
  const reader = new SharedFrameReader({
    onHead: () => true,
    onFrame: (head, payload) => void frames.push({ head, payload }),
  })
  stream.addEventListener('message', ({ data }) => reader.push(data.subarray()))
  return {
    stream,
    ask: (number: number, text: string) =>
      stream.send(sharedFrame('request', number, requestPayload(often.name, encode(text)))),
    answer: async (number: number) => {
      const find = () => frames.find(({ head }) => head.number === number)
      await eventually(() => find() !== undefined)
      const found = find()
      return found === undefined || found.payload.length === 0
        ? `${found?.head.kind}, empty`
        : decodeAnswer(found.payload)
    },
  }
}

describe('requests that share a stream', () => {
  it('go over one, at once, and have their answers in whatever order these come', async () => {
    const [server, client] = [await startHost(), await startHost()]
    const order: string[] = []
    await server.handle(often, async (request, { peerId }) => {
      expect(peerId).toBe(client.peerId)
      if (request === 'slow') await sleep(300)
      order.push(request.slice(0, 6))
      return `${request}!`
    })
    const requests = [
      'slow',
      'one',
      'x'.repeat(90_000),
      '',
      ...Array.from({ length: 40 }, (_, i) => `no ${i}`),
    ]
    const answers = await Promise.all(requests.map((each) => client.request(addressOf(server), often, each)))
    expect(answers).toEqual(requests.map((each) => `${each}!`))
    expect(order.at(-1)).toBe('slow')
    expect([server, client].map((host) => streamsOf(host, SHARED_PROTOCOL).length)).toEqual([1, 1])
    expect([server, client].map((host) => streamsOf(host, protocolId('often')).length)).toEqual([0, 0])
    const [first] = streamsOf(client, SHARED_PROTOCOL)
    // More than the windows of both directions hold, little by little.
    for (let i = 0; i < 40; i++) await client.request(server.peerId, often, 'y'.repeat(20_000))
    expect(streamsOf(client, SHARED_PROTOCOL)).toEqual([first])
  })

  it('have streams of their own where they are long, or where too many are under way', async () => {
    const [server, client] = [await startHost(), await startHost()]
    let waiting = 0
    const gate = Promise.withResolvers<void>()
    await server.handle(often, async (request) => {
      if (request === 'wait') {
        waiting++
        await gate.promise
      }
      return String(request.length)
    })
    expect(await client.request(addressOf(server), often, 'z'.repeat(MAX_SHARED_REQUEST_BYTES + 1))).toBe(
      String(MAX_SHARED_REQUEST_BYTES + 1),
    )
    expect(streamsOf(client, SHARED_PROTOCOL)).toHaveLength(0)
    const all = Array.from({ length: MOST_UNDER_WAY + 3 }, () =>
      client.request(addressOf(server), often, 'wait'),
    )
    await eventually(() => waiting === MOST_UNDER_WAY + 3)
    expect(streamsOf(server, SHARED_PROTOCOL)).toHaveLength(1)
    expect(streamsOf(server, protocolId('often'))).toHaveLength(3)
    gate.resolve()
    expect(new Set(await Promise.all(all))).toEqual(new Set(['4']))
    await eventually(() => streamsOf(server, protocolId('often')).length === 0)
  })

  it('are given up one by one: the work ends, the place is free, and the rest goes on', async () => {
    const [server, client] = [await startHost(), await startHost()]
    let [begun, ended] = [0, 0]
    const never = { ...often, name: 'never' }
    await server.handle(
      never,
      (_request, _remote, signal) =>
        new Promise((_resolve, reject) => {
          begun++
          signal.addEventListener('abort', () => {
            ended++
            reject(signal.reason)
          })
        }),
      { isCancelled: true },
    )
    await server.handle(often, async (request) => request)
    await client.request(addressOf(server), often, 'open')
    for (let round = 0; round < 3; round++) {
      const controller = new AbortController()
      setMaxListeners(0, controller.signal)
      const asked = Array.from({ length: MOST_UNDER_WAY }, () =>
        failure(client.request(server.peerId, never, 'x', { signal: controller.signal })),
      )
      // Where those of the round before are still being given up, who finds no place has a stream of its own.
      await eventually(() => begun === (round + 1) * MOST_UNDER_WAY)
      controller.abort(new Error('changed my mind'))
      expect(new Set((await Promise.all(asked)).map(({ message }) => message))).toEqual(
        new Set(['changed my mind']),
      )
    }
    await eventually(() => ended === 3 * MOST_UNDER_WAY)
    const late = client.request(server.peerId, never, 'x', { deadlineMs: 150 })
    expect(await codeOf(late)).toBe('TIMEOUT')
    await eventually(() => ended === 3 * MOST_UNDER_WAY + 1)
    expect(await client.request(server.peerId, often, 'still here')).toBe('still here')
    expect(server.scores.points(client.peerId)).toBe(0)
  })

  it('wait for what must be on the disk before, and are never sent where that fails', async () => {
    const [server, client] = [await startHost(), await startHost()]
    const seen: string[] = []
    await server.handle(often, async (request) => {
      seen.push(request)
      return request
    })
    const gate = Promise.withResolvers<void>()
    const asked = client.request(addressOf(server), often, 'kept', { until: gate.promise })
    const refused = client.request(addressOf(server), often, 'not kept', {
      until: Promise.reject(new Error('the disk is full')),
    })
    await expect(refused).rejects.toThrow('the disk is full')
    await client.request(addressOf(server), often, 'another')
    expect(seen).toEqual(['another'])
    gate.resolve()
    expect(await asked).toBe('kept')
  })

  it('fail together where the peer is lost, and find another stream when it is back', async () => {
    const [server, client] = [await startHost(), await startHost()]
    let waiting = 0
    await server.handle(often, (request) => {
      waiting++
      return request === 'wait' ? new Promise(() => {}) : Promise.resolve(request)
    })
    const asked = ['wait', 'wait', 'wait'].map((each) =>
      codeOf(client.request(addressOf(server), often, each)),
    )
    await eventually(() => waiting === 3)
    await server.disconnect(client.peerId)
    expect(await Promise.all(asked)).toEqual(['UNREACHABLE', 'UNREACHABLE', 'UNREACHABLE'])
    await eventually(() => !client.isConnected(server.peerId))
    expect(await client.request(addressOf(server), often, 'again')).toBe('again')
    // A peer that stops tells it.
    const stopping = codeOf(client.request(addressOf(server), often, 'wait'))
    await eventually(() => waiting === 5)
    await server.stop()
    expect(await stopping).toBe('UNREACHABLE')
  })

  it('are told who does not answer them, and go to older nodes over streams of their own', async () => {
    const [server, client] = [await startHost(), await startHost()]
    expect(await codeOf(client.request(addressOf(server), often, 'x'))).toBe('UNAVAILABLE')
    await server.handle(often, async (request) => request)
    expect(await client.request(addressOf(server), often, 'x')).toBe('x')
    await server.unhandle(often)
    expect(await codeOf(client.request(addressOf(server), often, 'x'))).toBe('UNAVAILABLE')

    const older = await startHost()
    await older.node.unhandle(SHARED_PROTOCOL)
    await older.handle(often, async (request) => request)
    for (const each of ['a', 'b']) expect(await client.request(addressOf(older), often, each)).toBe(each)
    expect(streamsOf(older, SHARED_PROTOCOL)).toHaveLength(0)
  })

  it('count towards the same limits as those with a stream of their own', async () => {
    const [server, client] = [await startHost(), await startHost()]
    const limited = { ...often, ratePerPeer: { perSecond: 0.01, burst: 4 } }
    await server.handle(limited, async (request) => request)
    const own = { ...limited, sharesStream: undefined } as unknown as typeof limited
    for (const exchange of [limited, own, limited, own])
      expect(await client.request(addressOf(server), exchange, 'x')).toBe('x')
    for (const exchange of [limited, own])
      expect(await codeOf(client.request(addressOf(server), exchange, 'x'))).toBe('rate_limited')
    expect(server.scores.points(client.peerId)).toBeGreaterThan(0)
  })

  it('hand over no answer that is too long, and none to nothing', async () => {
    const [server, client] = [await startHost(), await startHost()]
    const answers: Record<string, Uint8Array> = {
      'too long': sharedFrame('answer', 1, new Uint8Array(often.maxResponseBytes + 5000)),
      'to nothing': sharedFrame('answer', 7, encode({ status: 'ok', body: 'x' })),
      'a request': sharedFrame('request', 1, requestPayload('often', encode('x'))),
      'no answer': Uint8Array.of(1, 1, 3, 0xff, 0xff, 0xff),
      'no frame': new Uint8Array(20).fill(0xff),
    }
    const codes: Record<string, string> = {}
    for (const [name, bytes] of Object.entries(answers)) {
      await server.node.unhandle(SHARED_PROTOCOL)
      await server.node.handle(SHARED_PROTOCOL, (stream) =>
        stream.addEventListener('message', () => stream.send(bytes)),
      )
      codes[name] = await codeOf(client.request(addressOf(server), often, 'x'))
      await eventually(() => streamsOf(client, SHARED_PROTOCOL).length === 0 || name === 'no answer')
      if (name === 'no answer')
        for (const each of streamsOf(client, SHARED_PROTOCOL)) each.abort(new Error('next'))
    }
    expect(codes).toEqual({
      'too long': 'BAD_MESSAGE',
      'to nothing': 'UNREACHABLE',
      'a request': 'UNREACHABLE',
      'no answer': 'BAD_MESSAGE',
      'no frame': 'UNREACHABLE',
    })
    expect(client.scores.points(server.peerId)).toBeGreaterThan(0)
  })
})

describe('who answers over a shared stream', () => {
  it('answers what is wrong in band where it can, and breaks off what is no frame', async () => {
    const server = await startHost()
    await server.handle(often, async (request) => request)
    const polite = await rawStream(await startHost({ listen: [] }), server)
    polite.stream.send(sharedFrame('request', 1, requestPayload('nothing', encode('x'))))
    polite.stream.send(sharedFrame('request', 2, requestPayload('often', Uint8Array.of(0xff))))
    polite.ask(3, 'fine')
    expect(await polite.answer(1)).toBe('unknown, empty')
    expect(await polite.answer(2)).toMatchObject({ status: 'bad_request' })
    expect(await polite.answer(3)).toMatchObject({ status: 'ok', body: 'fine' })
    // What is over can be given up.
    polite.stream.send(sharedFrame('cancel', 3, NOTHING))
    polite.ask(4, 'fine still')
    expect(await polite.answer(4)).toMatchObject({ status: 'ok', body: 'fine still' })

    const broken: Record<string, Uint8Array> = {
      'an unknown kind': Uint8Array.of(9, 1, 0),
      'an answer': sharedFrame('answer', 1, NOTHING),
      'a cancellation with a payload': sharedFrame('cancel', 1, Uint8Array.of(1)),
      'a huge length': Uint8Array.of(0, 1, 0xff, 0xff, 0xff, 0xff, 0x7f),
      'an endless number': new Uint8Array(30).fill(0xff).fill(0, 0, 1),
      'a number that is not minimal': Uint8Array.of(0, 0x81, 0, 0),
      'no name': sharedFrame('request', 1, NOTHING),
      'a name beyond the end': sharedFrame('request', 1, Uint8Array.of(200, 97)),
    }
    for (const [name, bytes] of Object.entries(broken)) {
      const client = await startHost({ listen: [] })
      const { stream } = await rawStream(client, server)
      stream.send(bytes)
      await eventually(() => stream.status !== 'open')
      await eventually(() => server.scores.points(client.peerId) > 0).catch(() => {
        throw new Error(`nothing is held against ${name}`)
      })
    }
    polite.ask(5, 'others')
    expect(await polite.answer(5)).toMatchObject({ status: 'ok', body: 'others' })
  }, 120_000)

  it('does not take one number twice, nor more at once than it has places for', async () => {
    const server = await startHost()
    await server.handle(often, () => new Promise(() => {}))
    const twice = await rawStream(await startHost({ listen: [] }), server)
    twice.ask(1, 'x')
    twice.ask(1, 'x')
    await eventually(() => twice.stream.status !== 'open')
    const many = await rawStream(await startHost({ listen: [] }), server)
    for (let number = 1; number <= MOST_UNDER_WAY + 1; number++) many.ask(number, 'x')
    expect(await many.answer(MOST_UNDER_WAY + 1)).toMatchObject({ status: 'busy' })
    expect(many.stream.status).toBe('open')
  })

  it('lets go of a peer that asks on and reads nothing', async () => {
    const server = await startHost()
    await server.handle(often, async () => 'a'.repeat(100_000))
    const client = await startHost({ listen: [] })
    await client.connect(addressOf(server))
    const stream = await client.node.dialProtocol(server.node.peerId, SHARED_PROTOCOL)
    stream.addEventListener('message', () => {})
    stream.pause()
    // So that it is the other side that ends it.
    stream.maxReadBufferLength = Number.POSITIVE_INFINITY
    let number = 1
    await eventually(() => {
      if (stream.status === 'open')
        for (let i = 0; i < 10; i++)
          stream.send(sharedFrame('request', number++, requestPayload(often.name, encode('x'))))
      return stream.status !== 'open'
    })
    await eventually(() => streamsOf(server, SHARED_PROTOCOL).length === 0)
  })

  /** A server of our own making, whose limits are short. */
  async function shortServer(limits: { readonly frameDeadlineMs?: number }) {
    const server = await startHost()
    const limit = { total: 1000, perPeer: 1000 }
    const [budget, large] = [new ByteBudget(limit), new ByteBudget(limit)]
    const reports: string[] = []
    const gate = Promise.withResolvers<void>()
    const onMessage: MessageAnswerer = async (message) => {
      const text = decode(message)
      if (text === 'wait') await gate.promise
      const bytes = encode({ status: 'ok', body: text === 'long' ? 'y'.repeat(600_000) : 'x' })
      return { bytes, release: () => {} }
    }
    const protocol = protocolId('short-shared')
    await server.node.handle(
      protocol,
      answerShared({
        log: silentLogger,
        stopping: new AbortController().signal,
        report: (_peerId: string, misdeed: string) => void reports.push(misdeed),
        budget,
        servedBy: () => ({ budget: large, onMessage }),
        ...limits,
      }),
    )
    const raw = await rawStream(await startHost({ listen: [] }), server, protocol)
    return { ...raw, budget, large, reports, gate }
  }

  it('does not wait for the rest of a frame for ever, and gives back the room', async () => {
    const { stream, ask, answer, budget, reports } = await shortServer({ frameDeadlineMs: 300 })
    ask(1, 'x')
    expect(await answer(1)).toMatchObject({ status: 'ok' })
    // Frames that end are no such thing, wherever their bytes are cut.
    const many = Buffer.concat(
      Array.from({ length: 20 }, (_, i) =>
        sharedFrame('request', 10 + i, requestPayload(often.name, encode('x'.repeat(20)))),
      ),
    )
    for (let at = 0; at < many.length; at += 29) {
      stream.send(many.subarray(at, at + 29))
      await sleep(20)
    }
    expect(await answer(29)).toMatchObject({ status: 'ok' })
    expect(reports).toEqual([])
    const frame = sharedFrame('request', 2, new Uint8Array(600))
    stream.send(frame.subarray(0, 300))
    await eventually(() => budget.total === 600)
    await eventually(() => stream.status !== 'open')
    expect(reports).toEqual(['timeout'])
    expect(budget.total).toBe(0)
  })

  it('counts what takes long as its exchange does, and leaves the room for what is read', async () => {
    const { ask, answer, budget, large, gate } = await shortServer({})
    ask(1, 'wait')
    await eventually(() => large.total > 0)
    expect(budget.total).toBe(0)
    gate.resolve()
    await answer(1)
    await eventually(() => large.total === 0)
  })

  it('lets a long answer take its time beside others', async () => {
    const { stream, ask, answer } = await shortServer({})
    // Most of them lies at the server while the peer pauses.
    stream.pause()
    for (let number = 10; number < 16; number++) ask(number, 'long')
    await sleep(200)
    for (const number of [3, 4, 5]) ask(number, 'x')
    await sleep(100)
    stream.resume()
    for (const number of [3, 4, 5]) expect(await answer(number)).toMatchObject({ body: 'x' })
    expect(await answer(15)).toMatchObject({ status: 'ok' })
    expect(stream.status).toBe('open')
  })
})

describe('who asks over a shared stream', () => {
  it('hears of one that breaks while it is written to, and nobody else does', async () => {
    const unheard: unknown[] = []
    const onUnheard = (reason: unknown): void => void unheard.push(reason)
    process.on('unhandledRejection', onUnheard)
    const listeners = new Map<string, ((event: unknown) => void)[]>()
    const stream = {
      status: 'open',
      writeStatus: 'writable',
      addEventListener: (kind: string, listener: (event: unknown) => void) =>
        listeners.set(kind, [...(listeners.get(kind) ?? []), listener]),
      abort: () => {},
      close: async () => {},
      // As libp2p's do where the connection underneath is gone.
      send: () => {
        for (const listener of listeners.get('close') ?? []) listener({ error: new Error('gone') })
        throw new Error('cannot write')
      },
    }
    const shared = new SharedStream(stream as unknown as Stream, () => {})
    await expect(shared.ask('often', NOTHING, 100, new AbortController().signal)).rejects.toThrow(
      'cannot write',
    )
    // Nor of one whose asker was gone before it failed.
    const late = Promise.withResolvers<never>()
    await expect(orAbort(AbortSignal.abort(new Error('gone before')), late.promise)).rejects.toThrow(
      'gone before',
    )
    late.reject(new Error('and then it failed'))
    await sleep(20)
    process.off('unhandledRejection', onUnheard)
    expect(unheard).toEqual([])
  })
})

describe('what is written to a shared stream', () => {
  /** A stream whose peer takes what the test says. */
  function slowStream() {
    const events = new EventTarget()
    const stream = Object.assign(events, {
      writeBufferLength: 0,
      send: (bytes: Uint8Array) => {
        stream.writeBufferLength += bytes.length
        return false
      },
    })
    const take = async (bytes: number) => {
      for (let left = bytes; left > 0; ) {
        const part = Math.min(left, stream.writeBufferLength)
        if (part === 0) throw new Error('nothing is left to take')
        left -= part
        stream.writeBufferLength -= part
        stream.dispatchEvent(new Event(stream.writeBufferLength > 0 ? 'drain' : 'idle'))
        await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
      }
    }
    return { stream: stream as unknown as Stream, take, end: () => events.dispatchEvent(new Event('close')) }
  }

  it('is sent when its own last byte is taken, whatever waits behind it', async () => {
    const { stream, take, end } = slowStream()
    const outbox = new Outbox(stream, { onStuck: () => {} })
    const sent: number[] = []
    const send = (n: number, bytes: number) => outbox.send(new Uint8Array(bytes)).then(() => sent.push(n))
    for (const n of [1, 2, 3]) void send(n, 100)
    await take(99)
    expect(sent).toEqual([])
    await take(1)
    expect(sent).toEqual([1])
    await take(150)
    expect([sent, outbox.unread]).toEqual([[1, 2], 50])
    end()
    await new Promise((resolve) => setImmediate(resolve))
    expect(sent).toEqual([1, 2, 3])
  })

  it('is waited for no longer than there is a stream, whether it has its turn or not', async () => {
    const { stream, end } = slowStream()
    const blocked = new Lane(() => 2 ** 30)
    const outbox = new Outbox(stream, { onStuck: () => {}, lane: blocked })
    const sending = outbox.send(new Uint8Array(100))
    expect([outbox.unread, stream.writeBufferLength]).toEqual([100, 0])
    Object.assign(stream, { status: 'reset' })
    end()
    await sending
    expect(outbox.unread).toBe(0)
    expect(() => outbox.send(new Uint8Array(100))).toThrow('over')
  })

  it('may take as long as it moves, and no longer', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const { stream, take } = slowStream()
      let stuck = 0
      const outbox = new Outbox(stream, { onStuck: () => stuck++, lookEveryMs: 20_000 })
      void outbox.send(new Uint8Array(10 * 2 ** 20))
      for (let i = 0; i < 20; i++) {
        await take(400_000)
        vi.advanceTimersByTime(20_000)
      }
      expect(stuck).toBe(0)
      await take(1000)
      vi.advanceTimersByTime(20_000)
      expect(stuck).toBe(1)
      // Nothing waits: nobody is looked at.
      await take(outbox.unread)
      vi.advanceTimersByTime(100_000)
      expect(stuck).toBe(1)
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('frames of a shared stream', () => {
  it('are the same wherever the bytes are cut', () => {
    const sent = [
      { head: { kind: 'request', number: 1, length: 300 }, payload: new Uint8Array(300).fill(7) },
      { head: { kind: 'cancel', number: 300, length: 0 }, payload: NOTHING },
      { head: { kind: 'answer', number: 2 ** 34, length: 40_000 }, payload: new Uint8Array(40_000).fill(9) },
      { head: { kind: 'unknown', number: 0, length: 0 }, payload: NOTHING },
    ] as const
    const bytes = Buffer.concat(sent.map(({ head, payload }) => sharedFrame(head.kind, head.number, payload)))
    for (const step of [1, 2, 3, 7, 299, 4096, bytes.length]) {
      const got: unknown[] = []
      const reader = new SharedFrameReader({
        onHead: () => true,
        onFrame: (head, payload) => void got.push({ head, payload }),
      })
      for (let at = 0; at < bytes.length; at += step) reader.push(bytes.subarray(at, at + step))
      expect(got).toEqual(sent)
      expect(reader.within).toBe(undefined)
    }
  })

  it('are passed over where nobody wants them, without room for them', () => {
    const got: number[] = []
    const reader = new SharedFrameReader({
      onHead: ({ number }) => number !== 2,
      onFrame: ({ number }) => void got.push(number),
    })
    for (const number of [1, 2, 3]) reader.push(sharedFrame('answer', number, new Uint8Array(1000)))
    expect(got).toEqual([1, 3])
  })
})
