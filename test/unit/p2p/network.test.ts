import { describe, expect, it } from 'vitest'
import { Identity } from '../../../src/crypto/identity.js'
import { UserError } from '../../../src/errors.js'
import { AnnouncementTable, signAnnouncement } from '../../../src/p2p/announcements.js'
import { ANNOUNCEMENTS_TOPIC } from '../../../src/p2p/protocols.js'
import { addressOf, echo, eventually, startHost } from './hosts.js'

const content = {
  roles: ['challenger'],
  addresses: ['/ip4/192.0.2.1/tcp/4021'],
  udpPort: 4022,
  uplinkKbps: 100_000,
}

describe('pings', () => {
  it('measure round trips on one stream, several times in a row', async () => {
    const [server, client] = [await startHost(), await startHost()]
    const first = await client.ping(addressOf(server), { count: 10 })
    const again = await client.ping(server.peerId, { count: 3 })
    expect([first.length, again.length]).toEqual([10, 3])
    for (const time of [...first, ...again]) {
      expect(time).toBeGreaterThan(0)
      expect(time).toBeLessThan(1000)
    }
    expect((await server.ping(client.peerId)).length).toBe(3)
  })

  it('tell that nobody answers', async () => {
    const client = await startHost()
    const nobody = `/ip4/127.0.0.1/tcp/1/p2p/${Identity.generate().peerId}`
    await expect(client.ping(nobody)).rejects.toThrow('does not answer pings')
  })
})

describe('a relay', () => {
  it('carries exchanges and pings to a host with no listening port', async () => {
    const relay = await startHost({ enableRelayServer: true })
    const prover = await startHost({ listen: [], relays: [addressOf(relay)] })
    const payer = await startHost({ listen: [] })
    await prover.handle(echo, async (request, remote) => `${request} limited=${remote.limited}`)
    const reachable = prover.addresses()
    expect(reachable.length).toBeGreaterThan(0)
    expect(
      reachable.every((address) => address.includes(`/p2p/${relay.peerId}/p2p-circuit/p2p/${prover.peerId}`)),
    ).toBe(true)
    const [address = ''] = reachable
    expect(await payer.request(address, echo, 'through')).toBe('through limited=true')
    // More than libp2p's own 128 KiB for relayed connections, in both directions.
    for (let i = 0; i < 5; i++)
      expect(await payer.request(prover.peerId, echo, 'x'.repeat(90_000))).toHaveLength(
        90_000 + ' limited=true'.length,
      )
    expect(payer.connections().find(({ peerId }) => peerId === prover.peerId)).toMatchObject({
      limited: true,
    })
    expect((await payer.ping(prover.peerId)).length).toBe(3)
  })

  it('is found again after it was gone', async () => {
    const identity = Identity.generate()
    const first = await startHost({ enableRelayServer: true }, identity)
    const port = addressOf(first).split('/')[4]
    const prover = await startHost({ listen: [], relays: [addressOf(first)] })
    await prover.handle(echo, async (request) => request)
    expect(prover.addresses().length).toBeGreaterThan(0)
    await first.stop()
    await eventually(() => prover.addresses().length === 0)
    const again = await startHost(
      { enableRelayServer: true, listen: [`/ip4/127.0.0.1/tcp/${port}`] },
      identity,
    )
    await eventually(() => prover.addresses().length > 0)
    const payer = await startHost({ listen: [] })
    expect(await payer.request(prover.addresses()[0] ?? '', echo, 'back')).toBe('back')
    expect(again.peerCount()).toBe(2)
  })

  it('that cannot be reached does not keep a host from starting, and a host without the role relays nothing', async () => {
    const nobody = `/ip4/127.0.0.1/tcp/1/p2p/${Identity.generate().peerId}`
    const noRelay = await startHost()
    const host = await startHost({ listen: [], relays: [nobody, addressOf(noRelay)] })
    expect(host.addresses()).toEqual([])
    await noRelay.handle(echo, async (request) => request)
    expect(await host.request(addressOf(noRelay), echo, 'dials out')).toBe('dials out')
  })
})

describe('announcements', () => {
  it('travel by gossip through nodes in between, and are checked by each', async () => {
    // At its start, with nobody listening yet: it is made again when somebody does.
    const left = await startHost()
    await left.announce(content)
    const hub = await startHost({ bootstrap: [addressOf(left)] })
    const right = await startHost({ bootstrap: [addressOf(hub)] })
    await eventually(() => right.announcementOf(left.peerId) !== undefined)
    expect(right.announcementOf(left.peerId)).toMatchObject({ ...content, peerId: left.peerId })
    expect(right.announcements.list('challenger').map(({ peerId }) => peerId)).toEqual([left.peerId])
    expect(right.announcements.list('prover')).toEqual([])
    expect(left.announcementOf(left.peerId)).toBeDefined()
    // A forged one stops at the first honest node.
    const forged = signAnnouncement(Identity.generate(), content, Date.now())
    forged[forged.length - 5] = (forged[forged.length - 5] ?? 0) ^ 1
    await left.node.services.pubsub.publish(ANNOUNCEMENTS_TOPIC, forged)
    await eventually(() => left.node.services.pubsub.getSubscribers(ANNOUNCEMENTS_TOPIC).length > 0)
    await left.announce({ ...content, udpPort: 5000 })
    await eventually(() => right.announcementOf(left.peerId)?.udpPort === 5000)
    expect(right.announcements.size).toBe(1)
  })

  it('are made again where a subscriber had no stream open yet', async () => {
    const hub = await startHost()
    const node = await startHost({ bootstrap: [addressOf(hub)] })
    const { pubsub } = node.node.services
    const { streamsOutbound } = pubsub as unknown as { readonly streamsOutbound: Map<string, unknown> }
    await eventually(
      () => pubsub.getSubscribers(ANNOUNCEMENTS_TOPIC).length === 1 && streamsOutbound.size === 1,
    )
    const streams = [...streamsOutbound]
    streamsOutbound.clear()
    await node.announce(content)
    for (const [peerId, stream] of streams) streamsOutbound.set(peerId, stream)
    expect(hub.announcementOf(node.peerId)).toBeUndefined()
    await eventually(() => hub.announcementOf(node.peerId) !== undefined)
  })

  it('are learned from a bootstrap peer by who comes later', async () => {
    const hub = await startHost()
    const early = await startHost({ bootstrap: [addressOf(hub)] })
    await early.announce(() => content)
    await eventually(() => hub.announcementOf(early.peerId) !== undefined)
    await early.stop()
    const late = await startHost({ bootstrap: [addressOf(hub)] })
    expect(late.announcementOf(early.peerId)).toMatchObject(content)
  })
})

describe('the announcement table', () => {
  const start = 1_800_000_000_000
  const setUp = (maxPeers?: number) => {
    let now = start
    const table = new AnnouncementTable(() => now, maxPeers)
    return {
      table,
      wait: (ms: number): void => {
        now += ms
      },
      sign: (who: Identity, at = now) => signAnnouncement(who, content, at),
    }
  }

  it('takes each sequence once and only rising ones', () => {
    const { table, sign, wait } = setUp()
    const who = Identity.generate()
    const old = sign(who)
    wait(60_000)
    const newer = sign(who)
    expect(table.receive(newer)).toBe('accept')
    expect(table.receive(newer)).toBe('ignore')
    expect(table.receive(old)).toBe('ignore')
    expect(table.size).toBe(1)
  })

  it('drops what has expired, and refuses far expiries and times from the future', () => {
    const { table, sign, wait } = setUp()
    const who = Identity.generate()
    const message = sign(who)
    expect(table.receive(message)).toBe('accept')
    wait(31 * 60_000)
    expect(table.get(who.peerId)).toBeUndefined()
    expect(table.list()).toEqual([])
    expect(table.receive(message)).toBe('ignore')
    expect(table.receive(sign(who, start + 40 * 60_000))).toBe('ignore')
    expect(table.receive(sign(who, start + 24 * 3600_000))).toBe('reject')
  })

  it('rejects any changed byte', () => {
    const { table, sign } = setUp()
    const message = sign(Identity.generate())
    for (let i = 0; i < message.length; i++) {
      const changed = message.slice()
      changed[i] = (changed[i] ?? 0) ^ 1
      expect(table.receive(changed), `byte ${i}`).not.toBe('accept')
    }
    expect(table.receive(new Uint8Array(0))).toBe('reject')
    expect(table.receive(new Uint8Array(10_000))).toBe('reject')
    expect(table.size).toBe(0)
    expect(table.receive(message)).toBe('accept')
  })

  it('limits how often one key announces', () => {
    const { table, sign, wait } = setUp()
    const who = Identity.generate()
    const verdicts = Array.from({ length: 10 }, () => {
      wait(10)
      return table.receive(sign(who))
    })
    expect(verdicts.filter((verdict) => verdict === 'accept')).toHaveLength(5)
    wait(6000)
    expect(table.receive(sign(who))).toBe('accept')
  })

  it('is bounded: the expired go first, then the longest unheard', () => {
    const { table, sign, wait } = setUp(3)
    const [a, b, c, d] = Array.from({ length: 4 }, () => Identity.generate())
    if (!a || !b || !c || !d) throw new Error('four identities')
    for (const each of [a, b, c]) {
      expect(table.receive(sign(each))).toBe('accept')
      wait(10_000)
    }
    expect(table.receive(sign(a))).toBe('accept')
    expect(table.receive(sign(d))).toBe('accept')
    expect(table.size).toBe(3)
    expect(table.get(b.peerId)).toBeUndefined()
    expect([a, c, d].every(({ peerId }) => table.get(peerId) !== undefined)).toBe(true)
  })
})

describe('the DHT', () => {
  it('finds peers and providers that only others know', { timeout: 60_000 }, async () => {
    const first = await startHost()
    const others = [
      await startHost({ bootstrap: [addressOf(first)] }),
      await startHost({ bootstrap: [addressOf(first)] }),
    ]
    const [target, seeker] = others
    if (target === undefined || seeker === undefined) throw new Error('two hosts')
    await eventually(() => first.peerCount() === 2)
    expect(seeker.isConnected(target.peerId)).toBe(false)
    let found: readonly string[] = []
    await eventually(async () => {
      found = await seeker.dht.findPeer(target.peerId, { deadlineMs: 2000 }).then(
        ({ addresses }) => addresses,
        () => [],
      )
      return found.length > 0
    })
    expect(found.some((address) => addressOf(target).startsWith(address))).toBe(true)
    await target.handle(echo, async (request) => request)
    expect(await seeker.request(target.peerId, echo, 'found you')).toBe('found you')

    await target.dht.provide('challenger')
    const providers: string[] = []
    for await (const { peerId } of seeker.dht.findProviders('challenger', { deadlineMs: 5000, limit: 1 }))
      providers.push(peerId)
    expect(providers).toEqual([target.peerId])
    const none: string[] = []
    for await (const { peerId } of seeker.dht.findProviders('nothing', { deadlineMs: 1500 }))
      none.push(peerId)
    expect(none).toEqual([])
  })

  it('says so where nobody knows a peer', async () => {
    const lonely = await startHost()
    const search = lonely.dht.findPeer(Identity.generate().peerId, { deadlineMs: 1000 })
    await expect(search).rejects.toThrow(UserError)
  })
})
