import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Stream } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { encode } from '../../../src/crypto/cbor.js'
import { text } from '../../../src/crypto/cbor-schema.js'
import { Identity } from '../../../src/crypto/identity.js'
import { UserError } from '../../../src/errors.js'
import { decodeAnswer, printable, RemoteError } from '../../../src/p2p/answer.js'
import { frame, readMessage } from '../../../src/p2p/framing.js'
import { type Host, protocolId, SpareStream } from '../../../src/p2p/index.js'
import { addressOf, echo, eventually, startHost } from './hosts.js'

const MEBIBYTE = 2 ** 20

const failure = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => new Error('no error'),
    (error: unknown) => error as Error,
  )
const statusOf = async (work: Promise<unknown>): Promise<string> => {
  const error = await failure(work)
  return error instanceof RemoteError
    ? error.status
    : `${error.name} ${error instanceof UserError ? error.code : ''}`
}

/** A stream of the echo protocol without our client's good manners. */
const rawStream = async (from: Host, to: Host, protocol = echo.name): Promise<Stream> =>
  from.node.dialProtocol(to.node.peerId, protocolId(protocol))
const answerOn = async (stream: Stream) =>
  decodeAnswer(await readMessage(stream, 10_000, AbortSignal.timeout(5000)))

describe('exchanges over real libp2p', () => {
  it('carry a request and its answer, and tell the handler who asked', async () => {
    const [server, client] = [await startHost(), await startHost()]
    const seen: unknown[] = []
    await server.handle(echo, async (request, remote) => {
      seen.push({ ...remote, publicKey: Buffer.from(remote.publicKey).toString('hex') })
      return `${request}!`
    })
    const answers = [
      await client.request(addressOf(server), echo, 'one'),
      await client.request(server.peerId, echo, 'two'),
      await client.request(
        { peerId: server.peerId, addresses: [addressOf(server)] },
        echo,
        'x'.repeat(90_000),
      ),
    ]
    expect(answers).toEqual(['one!', 'two!', `${'x'.repeat(90_000)}!`])
    expect(seen[0]).toMatchObject({
      peerId: client.peerId,
      limited: false,
      address: expect.stringContaining('/ip4/127.0.0.1/tcp/'),
    })
    expect(server.connections()).toMatchObject([
      { peerId: client.peerId, direction: 'inbound', limited: false },
    ])
    expect([server.peerCount(), client.isConnected(server.peerId)]).toEqual([1, true])
  })

  it('tell whose last connection has ended, whoever ended it, until nobody wants to hear it', async () => {
    const [server, client, other] = [await startHost(), await startHost(), await startHost()]
    for (const each of [server, other]) await each.handle(echo, async (request) => request)
    const gone: string[] = []
    const forget = client.onPeerGone((peerId) => gone.push(peerId))
    for (const each of [server, other]) await client.request(addressOf(each), echo, 'a')
    await server.disconnect(client.peerId)
    await eventually(() => gone.length === 1)
    await client.request(addressOf(server), echo, 'b')
    await other.stop()
    await eventually(() => gone.length === 2)
    expect(gone).toEqual([server.peerId, other.peerId])
    forget()
    await client.disconnect(server.peerId)
    await eventually(() => client.peerCount() === 0)
    expect(gone).toHaveLength(2)
  })

  it('leave no stream behind, whatever the outcome', async () => {
    const [server, client] = [await startHost(), await startHost()]
    await server.handle(echo, async (request) => {
      if (request === 'throw') throw new Error('secret detail')
      return request
    })
    for (const text of ['a', 'throw', 'b']) await failure(client.request(addressOf(server), echo, text))
    const ours = (host: Host): number =>
      host.node
        .getConnections()
        .flatMap(({ streams }) => streams.filter(({ protocol }) => protocol === protocolId('echo'))).length
    await eventually(() => ours(server) + ours(client) === 0)
  })

  it('go out on a stream that was opened ahead, on another where that is lost or old', async () => {
    const [server, client] = [await startHost(), await startHost()]
    const patient = { ...echo, name: 'patient', deadlineMs: 60_000 }
    for (const exchange of [echo, patient]) await server.handle(exchange, async (request) => request)
    const ids = (host: Host): string[] =>
      host.node
        .getConnections()
        .flatMap(({ streams }) => streams.filter(({ protocol }) => /echo|patient/.test(protocol)))
        .map(({ id }) => id)
    const ahead = client.openAhead(addressOf(server), patient)
    await eventually(() => ids(server).length === 1 && ids(client).length === 1)
    const [opened] = ids(client)
    const asked = client.request(addressOf(server), patient, 'a', { ahead })
    expect(ids(client)).toEqual([opened])
    expect(await asked).toBe('a')
    // It serves once.
    expect(await client.request(addressOf(server), patient, 'b', { ahead })).toBe('b')

    const lost = client.openAhead(addressOf(server), patient)
    await eventually(() => ids(server).length === 1)
    await client.disconnect(server.peerId)
    expect(await client.request(addressOf(server), patient, 'c', { ahead: lost })).toBe('c')

    const old = client.openAhead(addressOf(server), echo)
    await sleep(echo.deadlineMs * 1.2)
    expect(await client.request(addressOf(server), echo, 'd', { ahead: old })).toBe('d')

    const unneeded = client.openAhead(addressOf(server), patient)
    await eventually(() => ids(server).length === 1)
    unneeded.release()
    old.release()
    await eventually(() => ids(server).length + ids(client).length === 0)
  })

  it('find the stream of the next one open, for a while, where one peer is asked again and again', async () => {
    const [server, client] = [await startHost(), await startHost()]
    const patient = { ...echo, name: 'patient', deadlineMs: 60_000 }
    await server.handle(patient, async (request) => request)
    const ids = (host: Host): string[] =>
      host.node
        .getConnections()
        .flatMap(({ streams }) => streams.filter(({ protocol }) => protocol === protocolId('patient')))
        .map(({ id }) => id)
    let opened = 0
    const openAhead = () => {
      opened++
      return client.openAhead(addressOf(server), patient)
    }
    const spare = new SpareStream(openAhead, { pauseMs: 1, keptMs: 60_000 })
    const ask = async (text: string) => {
      const ahead = spare.take()
      expect(await client.request(addressOf(server), patient, text, { ahead })).toBe(text)
      ahead.release()
      spare.renew()
      spare.renew()
    }
    await ask('a')
    await eventually(() => opened === 2 && ids(server).length === 1)
    await ask('b')
    await eventually(() => opened === 3 && ids(server).length === 1)
    // Two at once: the second one opens its own.
    const both = [spare.take(), spare.take()]
    expect(opened).toBe(4)
    for (const each of both) each.release()
    spare.renew()
    await eventually(() => opened === 5 && ids(server).length === 1)
    spare.close()
    spare.renew()
    await eventually(() => ids(server).length + ids(client).length === 0)

    const short = new SpareStream(openAhead, { pauseMs: 1, keptMs: 20 })
    short.renew()
    await eventually(() => opened === 6)
    await eventually(() => ids(server).length + ids(client).length === 0)
    short.close()
    expect(opened).toBe(6)
  })

  it('hold the end of a request back until its condition is met', async () => {
    const [server, client] = [await startHost(), await startHost()]
    const heard: string[] = []
    await server.handle(echo, async (request) => {
      heard.push(request)
      return request
    })
    const { promise: until, resolve: go } = Promise.withResolvers<void>()
    const held = client.request(addressOf(server), echo, 'held', { until })
    // All but its end has come by then: the connection keeps the order.
    expect(await client.request(addressOf(server), echo, 'free')).toBe('free')
    await sleep(50)
    expect(heard).toEqual(['free'])
    go()
    expect(await held).toBe('held')

    const broken = Promise.reject(new UserError('the disk is full', { code: 'UNAVAILABLE' }))
    expect(await failure(client.request(addressOf(server), echo, 'never', { until: broken }))).toMatchObject({
      message: 'the disk is full',
    })
    expect(await client.request(addressOf(server), echo, 'after')).toBe('after')
    expect(heard).toEqual(['free', 'held', 'after'])
    // Nobody waits for the answer of a peer that is not there, and the condition's failure is nobody's either.
    const nowhere = `/ip4/127.0.0.1/tcp/1/p2p/${Identity.generate().peerId}`
    const late = Promise.withResolvers<void>()
    const lost = failure(client.request(nowhere, echo, 'x', { until: late.promise }))
    expect(await lost).toMatchObject({ code: expect.any(String) })
    late.reject(new Error('unheard'))
  })

  it('run many at once on one connection', async () => {
    const [server, client] = [await startHost(), await startHost()]
    await server.handle(echo, async (request) => request)
    await client.connect(addressOf(server))
    const answers = await Promise.all(
      Array.from({ length: 15 }, (_, i) => client.request(server.peerId, echo, `${i}`)),
    )
    expect(answers).toEqual(Array.from({ length: 15 }, (_, i) => `${i}`))
    expect(client.node.getConnections()).toHaveLength(1)
  })

  it('tell refusals by status, and nothing of a bug', async () => {
    const [server, client] = [await startHost(), await startHost()]
    const refusals: Record<string, Error> = {
      denied: Object.assign(new Error('not on\nthe list\u001b[2J'), { status: 'denied' }),
      conflict: Object.assign(new Error('another plan'), { status: 'conflict' }),
      busy: new UserError('later', { code: 'BUSY' }),
      not_found: new UserError('no such thing', { code: 'NOT_FOUND' }),
      bad_request: new UserError('malformed', { code: 'BAD_MESSAGE' }),
      internal: new Error('the database password is hunter2'),
    }
    await server.handle(echo, async (request) => {
      throw refusals[request] ?? new Error('?')
    })
    for (const status of Object.keys(refusals)) {
      const error = await failure(client.request(addressOf(server), echo, status))
      expect(error, status).toBeInstanceOf(RemoteError)
      if (!(error instanceof RemoteError)) continue
      expect(error.status).toBe(status)
      for (const hidden of ['hunter2', '\n', '\u001b']) expect(error.line).not.toContain(hidden)
    }
    const denied = await failure(client.request(addressOf(server), echo, 'denied'))
    expect(denied instanceof RemoteError && denied.remoteMessage).toBe('not on the list [2J')
  })

  it('refuse a request that does not fit the schema, and an answer that does not', async () => {
    const [server, client] = [await startHost(), await startHost()]
    await server.handle(echo, async () => 'y'.repeat(50))
    const loose = { ...echo, request: { read: (value: unknown) => value as string } }
    const error = await failure(client.request(addressOf(server), loose, 5 as unknown as string))
    expect(error.message).toContain(
      'answered bad request: echo: expected text of 0..100000 characters, got 5',
    )
    const strict = {
      ...echo,
      response: {
        read: () => {
          throw new UserError('echo answer: too odd', { code: 'BAD_MESSAGE' })
        },
      },
    }
    expect(await statusOf(client.request(addressOf(server), strict, 'x'))).toBe('UserError BAD_MESSAGE')
  })

  it('bound requests and answers', async () => {
    const [server, client] = [await startHost(), await startHost()]
    await server.handle({ ...echo, maxRequestBytes: 1000 }, async (request) => request.repeat(100))
    expect(await statusOf(client.request(addressOf(server), echo, 'x'.repeat(2000)))).toBe('bad_request')
    expect(
      await statusOf(client.request(addressOf(server), { ...echo, maxResponseBytes: 1000 }, 'x'.repeat(900))),
    ).toBe('UserError BAD_MESSAGE')
    expect(
      await statusOf(client.request(addressOf(server), { ...echo, maxRequestBytes: 10 }, 'x'.repeat(900))),
    ).toBe('UserError BAD_MESSAGE')
    expect(await client.request(addressOf(server), echo, 'still here')).toHaveLength(1000)
  })

  it('cut off a slow-loris stream at the deadline, with a status', async () => {
    const [server, client] = [await startHost(), await startHost()]
    let calls = 0
    await server.handle({ ...echo, deadlineMs: 300 }, async (request) => {
      calls++
      return request
    })
    await client.connect(addressOf(server))
    const stream = await rawStream(client, server)
    const whole = frame(encode('hello'))
    const answer = answerOn(stream)
    for (const byte of whole.subarray(0, -1)) stream.send(Uint8Array.of(byte))
    expect(await answer).toMatchObject({ status: 'busy', message: 'no end within 300 ms' })
    await eventually(() => stream.status !== 'open')
    expect(calls).toBe(0)
  })

  it('cut off a peer that sends all but the end of its half', async () => {
    const [server, client] = [await startHost(), await startHost()]
    await server.handle({ ...echo, deadlineMs: 300 }, async (request) => request)
    await client.connect(addressOf(server))
    const stream = await rawStream(client, server)
    const answer = answerOn(stream)
    stream.send(frame(encode('hello')))
    expect((await answer).status).toBe('busy')
  })

  it('end at the deadline of the asker where the peer says nothing', async () => {
    const [server, client] = [await startHost(), await startHost()]
    let stopped: AbortSignal | undefined
    await server.handle(echo, (_, __, signal) => {
      stopped = signal
      return new Promise(() => {})
    })
    await client.connect(addressOf(server))
    const start = performance.now()
    expect(await statusOf(client.request(addressOf(server), echo, 'x', { deadlineMs: 300 }))).toBe(
      'UserError TIMEOUT',
    )
    expect(performance.now() - start).toBeLessThan(1400)
    await eventually(() => stopped?.aborted === true)
  })

  it('stop when the caller aborts, with its reason', async () => {
    const [server, client] = [await startHost(), await startHost()]
    await server.handle(echo, () => new Promise(() => {}))
    await client.connect(addressOf(server))
    const controller = new AbortController()
    const asking = client.request(server.peerId, echo, 'x', { signal: controller.signal })
    setTimeout(() => controller.abort(new Error('changed my mind')), 50)
    await expect(asking).rejects.toThrow('changed my mind')
  })

  it('answer garbage, oversize lengths, trailing bytes and empty streams in band', async () => {
    const server = await startHost()
    await server.handle(echo, async (request) => request)
    const hello = frame(encode('hello'))
    const cases: Record<string, Uint8Array> = {
      'no message': new Uint8Array(0),
      'cut short': hello.subarray(0, 3),
      'trailing bytes': Uint8Array.from([...hello, 1, 2, 3]),
      'a huge length': Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x7f),
      'an endless length': new Uint8Array(30).fill(0xff),
      'a length that is not minimal': Uint8Array.of(0x85, 0x00, 1, 2, 3, 4, 5),
      'no CBOR': frame(Uint8Array.of(0xff, 0xff, 0xff)),
      'a float': frame(Uint8Array.of(0xf9, 0x3c, 0x00)),
    }
    for (const [name, bytes] of Object.entries(cases)) {
      const client = await startHost({ listen: [] })
      await client.connect(addressOf(server))
      const stream = await rawStream(client, server)
      const answer = answerOn(stream)
      if (bytes.length > 0) stream.send(bytes)
      await stream.close().catch(() => {})
      expect((await answer).status, name).toBe('bad_request')
    }
    const client = await startHost()
    expect(await client.request(addressOf(server), echo, 'still here')).toBe('still here')
  })

  it('hold nothing against a peer that gives up, on either side', async () => {
    const [server, client] = [await startHost(), await startHost()]
    await server.handle(echo, async (request) => request)
    await client.connect(addressOf(server))
    for (const bytes of [new Uint8Array(0), frame(encode('hello')).subarray(0, 3)]) {
      const stream = await rawStream(client, server)
      if (bytes.length > 0) stream.send(bytes)
      await new Promise((resolve) => setTimeout(resolve, 100))
      stream.abort(new Error('changed my mind'))
    }
    await server.node.handle(protocolId('giver-up'), (stream) => stream.abort(new Error('no more')))
    const asked = client.request(server.peerId, { ...echo, name: 'giver-up' }, 'x')
    expect(await statusOf(asked)).toBe('UserError UNREACHABLE')
    // As a killed process does: its streams end where they are.
    for (const [i, bytes] of [new Uint8Array(0), frame(encode('hello')).subarray(0, 3)].entries()) {
      const stream = await rawStream(client, server)
      const answer = answerOn(stream)
      if (bytes.length > 0) stream.send(bytes)
      await stream.close()
      expect((await answer).status).toBe('bad_request')
      await server.node.handle(protocolId(`dying-${i}`), (dying) => {
        if (bytes.length > 0) dying.send(bytes)
        void dying.close()
      })
      const dies = client.request(server.peerId, { ...echo, name: `dying-${i}` }, 'x')
      expect(await statusOf(dies)).toBe('UserError UNREACHABLE')
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect([server.scores.points(client.peerId), client.scores.points(server.peerId)]).toEqual([0, 0])
  })

  it('limit the rate per peer and in total', async () => {
    const server = await startHost()
    const [one, two, three] = [await startHost(), await startHost(), await startHost()]
    const limited = {
      ...echo,
      ratePerPeer: { perSecond: 0.1, burst: 3 },
      rateTotal: { perSecond: 0.1, burst: 5 },
    }
    await server.handle(limited, async (request) => request)
    const ask = (from: Host): Promise<string> => statusOf(from.request(addressOf(server), echo, 'x'))
    const passed = 'Error '
    for (let i = 0; i < 3; i++) expect(await ask(one)).toBe(passed)
    expect(await ask(one)).toBe('rate_limited')
    expect(await ask(two)).toBe(passed)
    expect(await ask(two)).toBe(passed)
    // Its own allowance is whole, but everybody's together is used up.
    expect(await ask(three)).toBe('rate_limited')
    const error = await failure(three.request(addressOf(server), echo, 'x'))
    expect(error.message).toMatch(/answered rate limited: try again in \d+ ms/)
    // Who is over his own limit is to blame; who met everybody's is not.
    expect([one, two, three].map(({ peerId }) => server.scores.points(peerId) > 0)).toEqual([
      true,
      false,
      false,
    ])
  })

  it('read long messages from admitted peers only, and never more than fit', async () => {
    const server = await startHost()
    const [known, stranger, other] = [await startHost(), await startHost(), await startHost()]
    const long = {
      ...echo,
      request: text({ max: 16 * MEBIBYTE }),
      maxRequestBytes: 17 * MEBIBYTE,
      deadlineMs: 10_000,
    }
    const lengths: number[] = []
    await server.handle(
      long,
      async (request) => {
        lengths.push(request.length)
        return 'ok'
      },
      { admit: ({ peerId }) => peerId !== stranger.peerId },
    )
    const ask = (from: Host, length: number) =>
      statusOf(from.request(addressOf(server), long, 'x'.repeat(length)))
    expect(await ask(stranger, 1000)).toBe('Error ')
    expect(await ask(stranger, MEBIBYTE)).toBe('denied')
    expect(await ask(known, MEBIBYTE)).toBe('Error ')
    expect(lengths).toEqual([1000, MEBIBYTE])
    expect(server.scores.points(stranger.peerId)).toBe(0)
    // Announced is as good as sent: three of 16 MiB leave no room for a fourth.
    const announced = Uint8Array.of(0x80, 0x80, 0x80, 0x08)
    const peers = [known, other, await startHost()]
    const waiting: Stream[] = []
    for (const peer of peers) {
      await peer.connect(addressOf(server))
      const stream = await rawStream(peer, server)
      stream.send(announced)
      waiting.push(stream)
    }
    await new Promise((resolve) => setTimeout(resolve, 300))
    const fourth = await startHost()
    expect(await ask(fourth, MEBIBYTE)).toBe('busy')
    for (const stream of waiting) stream.abort(new Error('enough'))
    await eventually(async () => (await ask(fourth, MEBIBYTE)) === 'Error ')
  })

  it('know bans from before a restart, and tell new ones', async () => {
    const told: unknown[] = []
    const [banned, clumsy] = [await startHost(), await startHost()]
    const untilMs = Date.now() + 60_000
    const server = await startHost({
      bans: [{ peerId: banned.peerId, untilMs }],
      onBan: (ban) => told.push(ban),
    })
    await server.handle(echo, async (request) => request)
    expect(await statusOf(banned.request(addressOf(server), echo, 'x'))).toMatch(/UNREACHABLE|TIMEOUT/)
    expect(await clumsy.request(addressOf(server), echo, 'x')).toBe('x')
    server.report(clumsy.peerId, 'fault')
    server.report(clumsy.peerId, 'fault')
    expect(told).toEqual([{ peerId: clumsy.peerId, untilMs: expect.any(Number) }])
  })

  it('ban a peer that keeps misbehaving: hung up on, refused, and let in again afterwards', async () => {
    const [server, client] = [await startHost({ scores: { banMs: 1500 } }), await startHost()]
    await server.handle(echo, async (request) => request)
    await client.connect(addressOf(server))
    for (let i = 0; i < 3; i++) {
      const stream = await rawStream(client, server)
      stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x7f))
      await answerOn(stream).catch(() => {})
    }
    await eventually(() => server.scores.isBanned(client.peerId))
    await eventually(() => server.node.getConnections().length === 0)
    const during = await statusOf(client.request(addressOf(server), echo, 'x'))
    expect(during).toMatch(/UNREACHABLE|TIMEOUT/)
    await eventually(() => !server.scores.isBanned(client.peerId))
    await eventually(async () => (await statusOf(client.request(addressOf(server), echo, 'x'))) === 'Error ')
  })

  it('say without names of classes why a peer cannot be reached, and what to do', async () => {
    const [server, client] = [await startHost(), await startHost()]
    const port = addressOf(server).split('/')[4]
    const { peerId: other } = Identity.generate()
    const cases: readonly (readonly [string, RegExp])[] = [
      [
        other,
        /no address of it is known here\); give its whole address, like \/ip4\/.*\/p2p\/16U.* with --bootstrap$/,
      ],
      [client.peerId, /it is this node's own peer id\); name another node/],
      [
        `/ip4/127.0.0.1/tcp/1/p2p/${other}`,
        /\(connection refused\); check that it runs and that its address/,
      ],
      [`/ip4/127.0.0.1/tcp/${port}/p2p/${other}`, /; check the address and the peer id$/],
      [
        `/ip4/127.0.0.1/udp/9/p2p/${other}`,
        /its address cannot be dialled from here\); give one of TCP, like \/ip4/,
      ],
    ]
    for (const [target, line] of cases)
      for (const work of [client.request(target, echo, 'x'), client.connect(target)]) {
        const error = await failure(work)
        expect(error, target).toMatchObject({ code: 'UNREACHABLE', line: expect.stringMatching(line) })
        expect(error.message).not.toMatch(/[A-Z][a-z]+Error/)
      }
  })

  it('say plainly that a peer is not there, is another, or plays another role', async () => {
    const [server, client] = [await startHost(), await startHost()]
    const port = addressOf(server).split('/')[4]
    const nobody = `/ip4/127.0.0.1/tcp/1/p2p/${server.peerId}`
    expect(await statusOf(client.request(nobody, echo, 'x'))).toBe('UserError UNREACHABLE')
    const imposter = `/ip4/127.0.0.1/tcp/${port}/p2p/${Identity.generate().peerId}`
    expect(await statusOf(client.request(imposter, echo, 'x'))).toBe('UserError UNREACHABLE')
    expect(await statusOf(client.request(addressOf(server), echo, 'x'))).toBe('UserError UNAVAILABLE')
    expect(() => client.request('/ip4/127.0.0.1/tcp/1', echo, 'x')).toThrow('names no peer')
    expect(() => client.request('hello', echo, 'x')).toThrow(UserError)
    await expect((await startHost()).connect(nobody)).rejects.toThrow(UserError)
  })

  it('survive raw bytes on the TCP port', async () => {
    const server = await startHost()
    const port = Number(addressOf(server).split('/')[4])
    const send = (bytes: Uint8Array): Promise<void> =>
      new Promise((resolve) => {
        const socket = connect(port, '127.0.0.1', () => socket.end(bytes))
        socket.on('error', () => resolve())
        socket.on('close', () => resolve())
        socket.resume()
      })
    await send(new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'))
    await send(Uint8Array.from({ length: 5000 }, (_, i) => (i * 131) % 256))
    const client = await startHost()
    await server.handle(echo, async (request) => request)
    expect(await client.request(addressOf(server), echo, 'fine')).toBe('fine')
  })

  it('end with the host: requests under way fail, and stopping twice is harmless', async () => {
    const [server, client] = [await startHost(), await startHost()]
    await server.handle(echo, () => new Promise(() => {}))
    await client.connect(addressOf(server))
    const asking = failure(client.request(server.peerId, echo, 'x'))
    await new Promise((resolve) => setTimeout(resolve, 50))
    await server.stop()
    await server.stop()
    expect((await asking).name).not.toBe('Error')
  })

  it('refuse a port that is taken with one line', async () => {
    const server = await startHost()
    const port = addressOf(server).split('/')[4]
    const error = await failure(startHost({ listen: [`/ip4/127.0.0.1/tcp/${port}`] }))
    expect(error).toBeInstanceOf(UserError)
    expect(error instanceof UserError && error.line).toContain('EADDRINUSE')
  })
})

describe('remote words', () => {
  it('are printable, on one line and short', () => {
    expect(printable('a\nb\u0000\u202ec\u001b[31m  d')).toBe('a b c [31m d')
    expect(printable('\u00e9\u6c34')).toBe('\u00e9\u6c34')
    expect(printable('x'.repeat(5000))).toHaveLength(300)
  })
})
