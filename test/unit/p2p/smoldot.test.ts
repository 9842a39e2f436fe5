/**
 * Interoperation with an independent libp2p: smoldot, a Polkadot light client written in Rust and compiled to
 * WebAssembly. Given a chain whose only boot node is our host, it dials our TCP listener, agrees on noise and yamux
 * (multistream-select), and opens streams of protocols we do not speak, which we must refuse politely.
 *
 * smoldot knows Ed25519 identities only, so the node under test has one; everything else is what our hosts run.
 */
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, Libp2p } from '@libp2p/interface'
import { start } from 'smoldot'
import { afterEach, describe, expect, it } from 'vitest'
import { createGater } from '../../../src/p2p/gater.js'
import { createNode } from '../../../src/p2p/libp2p-node.js'
import { PeerScores } from '../../../src/p2p/scores.js'
import { silentLogger } from '../../../src/telemetry/logger.js'
import { eventually } from './hosts.js'

let stop: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const each of stop.splice(0).reverse()) await each()
  stop = []
})

const bytes = (length: number, fill = 0): number[] => new Array<number>(length).fill(fill)
const littleEndian = (value: number, size: number): number[] =>
  Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** i) % 256)
const ascii = (text: string): number[] => [...new TextEncoder().encode(text)]
const hex = (parts: readonly number[]): string => `0x${Buffer.from(parts).toString('hex')}`
/** SCALE's compact integer, one-byte form (below 64). */
const compact = (value: number): number[] => [value << 2]

const SLOTS_PER_EPOCH = 10
/** One authority of weight 1: nobody of this chain exists, so nothing is ever verified against it. */
const authority = [...compact(1), ...bytes(32, 7), ...littleEndian(1, 8)]
const epoch = (index: number): number[] => [
  1, // PersistedEpoch::Regular
  ...littleEndian(index, 8),
  ...littleEndian(index * SLOTS_PER_EPOCH, 8),
  ...littleEndian(SLOTS_PER_EPOCH, 8),
  ...authority,
  ...bytes(32, 9), // randomness
  ...littleEndian(1, 8), // c = 1/4
  ...littleEndian(4, 8),
  1, // secondary plain slots allowed
]

/** The smallest chain specification that smoldot starts from: a checkpoint of an imaginary BABE and GRANDPA chain. */
function chainSpec(bootNode: string): string {
  const header = [
    ...bytes(32, 1),
    ...compact(15),
    ...bytes(32, 2),
    ...bytes(32, 3),
    ...compact(2),
    ...[6, ...ascii('BABE'), ...compact(13), 2, ...littleEndian(0, 4), ...littleEndian(15, 8)], // secondary plain, slot 15
    ...[5, ...ascii('BABE'), 0x01, 0x01, ...bytes(64, 5)], // seal of 64 bytes
  ]
  const noTree = [...compact(0), 0]
  return JSON.stringify({
    name: 'plumbline interop',
    id: 'plumbline-interop',
    chainType: 'Live',
    bootNodes: [bootNode],
    genesis: { stateRootHash: hex(bytes(32, 4)) },
    properties: null,
    relayChain: null,
    paraId: null,
    lightSyncState: {
      finalizedBlockHeader: hex(header),
      babeEpochChanges: hex([
        ...noTree,
        ...compact(2),
        ...[...bytes(32, 1), ...littleEndian(1, 4), ...epoch(1)],
        ...[...bytes(32, 2), ...littleEndian(11, 4), ...epoch(2)],
      ]),
      babeFinalizedBlockWeight: 1,
      grandpaAuthoritySet: hex([
        ...authority,
        ...littleEndian(0, 8),
        ...noTree,
        ...compact(0),
        ...compact(0),
      ]),
    },
  })
}

async function startNode(): Promise<Libp2p> {
  const node = await createNode(
    {
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: [],
      relays: [],
      enableRelayServer: false,
      maxPeers: 10,
      inboundConnectionThreshold: 50,
      privateNetwork: true,
    },
    {
      privateKey: await generateKeyPair('Ed25519'),
      gater: createGater({ isRelay: false }, new PeerScores(Date.now)),
      log: silentLogger,
    },
  )
  await node.start()
  stop.push(async () => void (await node.stop()))
  return node
}

describe('smoldot', () => {
  it('completes noise and yamux with our host, and keeps the connection', { timeout: 60_000 }, async () => {
    const node = await startNode()
    const connections: Connection[] = []
    node.addEventListener('connection:open', ({ detail }) => connections.push(detail))

    const said: string[] = []
    const client = start({
      maxLogLevel: 4,
      logCallback: (_level, target, message) => said.push(`${target}: ${message}`),
    })
    stop.push(() => client.terminate())
    await client.addChain({ chainSpec: chainSpec(node.getMultiaddrs().map(String)[0] ?? '') })

    await eventually(() => connections.length > 0, 30_000).catch((error: unknown) => {
      throw new Error(`${String(error)}; smoldot said: ${said.slice(-20).join('\n')}`)
    })
    const [connection] = connections
    expect(connection).toMatchObject({
      direction: 'inbound',
      encryption: '/noise',
      multiplexer: '/yamux/1.0.0',
      direct: true,
    })
    // The handshake proves smoldot's own key to us.
    expect(connection?.remotePeer.type).toBe('Ed25519')
    const heard = (words: string): boolean => said.some((line) => line.includes(words))
    // Both sides say that the handshake is through, that identify was asked for, and that pings come back; it asks
    // for protocols of its chain, is told that we have none, and stays connected.
    const missing = (): string[] =>
      ['handshake-finished', 'identify-request-received', 'pong', 'ProtocolNotAvailable'].filter(
        (each) => !heard(each),
      )
    await eventually(() => missing().length === 0, 20_000).catch((error: unknown) => {
      throw new Error(
        `${String(error)}: no ${missing().join(', ')}; smoldot said: ${said.slice(-20).join('\n')}`,
      )
    })
    // What smoldot answers to our identify is not asked for: it sends the answer and the stream's end in one frame, and
    // where that arrives together with the negotiation js-libp2p cannot put the bytes back ("Cannot push data onto a
    // stream that is closed").
    expect(connection?.status).toBe('open')
    expect(connections).toHaveLength(1)
  })
})
