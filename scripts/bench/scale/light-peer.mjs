/**
 * Many light peers in one process: the node's own transport, encryption, muxer and gossip, its pings answered, and nothing
 * else. Messages in: { connect: so many in all } and { announce: so many, perSecond }; out: { connected, heard }.
 */
import { setTimeout as sleep } from 'node:timers/promises'

const dist = (path) => import(new URL(`../../../dist/${path}`, import.meta.url).href)
await dist('node/polyfills.js')
const [{ createLibp2p }, { tcp }, { noise }, { yamux }, { identify }, { gossipsub }, { multiaddr }] =
  await Promise.all([
    import('libp2p'),
    import('@libp2p/tcp'),
    import('@libp2p/noise'),
    import('@libp2p/yamux'),
    import('@libp2p/identify'),
    import('@libp2p/gossipsub'),
    import('@multiformats/multiaddr'),
  ])
const { servePings } = await dist('p2p/ping.js')
const { signAnnouncement } = await dist('p2p/announcements.js')
const { ANNOUNCEMENTS_TOPIC } = await dist('p2p/protocols.js')
const { Identity } = await dist('crypto/identity.js')

/** Below what the node has pending at once, over all such processes. */
const AT_ONCE = 3
/** A handshake costs some milliseconds; on a machine that does other things as well it may wait for seconds. */
const DIAL_MS = 60_000
const TRIES = 5
const RETRY_MS = 2000

const target = multiaddr(process.argv[2])
const peers = []
let heard = 0

async function open() {
  const node = await createLibp2p({
    addresses: { listen: [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ maxEarlyStreams: 64 })],
    connectionGater: { denyDialMultiaddr: () => false },
    connectionManager: { dialTimeout: DIAL_MS, addressDialTimeout: DIAL_MS, outboundUpgradeTimeout: DIAL_MS },
    connectionMonitor: { enabled: false },
    services: {
      identify: identify(),
      pubsub: gossipsub({
        globalSignaturePolicy: 'StrictNoSign',
        scoreParams: { IPColocationFactorWeight: 0 },
      }),
    },
  })
  await servePings(node, new AbortController().signal)
  node.services.pubsub.addEventListener('gossipsub:message', () => heard++)
  node.services.pubsub.subscribe(ANNOUNCEMENTS_TOPIC)
  for (let left = TRIES - 1; ; left--)
    try {
      await node.dial(target, { signal: AbortSignal.timeout(DIAL_MS) })
      return { node, identity: Identity.generate() }
    } catch (error) {
      if (left === 0) throw error
      await sleep(RETRY_MS)
    }
}

const connected = () => peers.filter(({ node }) => node.getConnections().length > 0).length

process.on('message', async ({ connect, announce, perSecond }) => {
  if (connect !== undefined)
    while (peers.length < connect) {
      const opened = await Promise.allSettled(
        Array.from({ length: Math.min(AT_ONCE, connect - peers.length) }, open),
      )
      const failure = opened.find(({ status }) => status === 'rejected')
      if (failure !== undefined) console.error(`a light peer: ${failure.reason}`)
      peers.push(...opened.flatMap(({ value }) => (value === undefined ? [] : [value])))
    }
  if (announce !== undefined) {
    const [startedMs, before] = [performance.now(), heard]
    for (let i = 0; i < announce; i++) {
      const { node, identity } = peers[i % peers.length]
      const content = {
        roles: ['prover'],
        addresses: [`/ip4/127.9.${i >> 8}.${i & 255}/tcp/4021`],
        udpPort: 0,
        uplinkKbps: 0,
      }
      await node.services.pubsub.publish(ANNOUNCEMENTS_TOPIC, signAnnouncement(identity, content, Date.now()))
      await sleep(Math.max(0, startedMs + ((i + 1) * 1000) / perSecond - performance.now()))
    }
    process.send({
      connected: connected(),
      heard: heard - before,
      seconds: (performance.now() - startedMs) / 1000,
    })
    return
  }
  process.send({ connected: connected(), heard })
})
process.once('disconnect', () => process.exit(0))
process.send({ connected: 0, heard: 0 })
