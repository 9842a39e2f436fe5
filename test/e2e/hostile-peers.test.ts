/**
 * Peers that send anything at all to every protocol a daemon speaks, and peers that ask without end. The daemon is a real
 * process that plays both roles; afterwards it must serve an honest peer as before.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataPaths } from '../../src/config/paths.js'
import { encode } from '../../src/crypto/cbor.js'
import { callControlSocket } from '../../src/p2p/control-client.js'
import { frame } from '../../src/p2p/framing.js'
import type { Host } from '../../src/p2p/index.js'
import { resolveTarget } from '../../src/p2p/target.js'
import { ARM_MESSAGE } from '../../src/roles/control-messages.js'
import { LocalNetwork, type Member, whyNoLoopback } from '../support/local-network.js'
import type { NodeProcess } from '../support/node-process.js'
import { openHost, statusOf } from '../support/scripted-payer.js'

const reason = await whyNoLoopback()
if (reason !== undefined) process.stderr.write(`e2e hostile peers: skipped: ${reason}\n`)

/** DEFAULT_PEER_RATE of the daemon, with time for a slow machine. */
const BURST = 50
const PER_SECOND = 10
const FLOOD = 200
/** identify names them all; before it only what was just agreed on is known. */
const FEWEST_PROTOCOLS = 12
/** Below the streams that one exchange may have open to a peer. */
const WORKERS = 8
/** Above what any test here may leave behind. */
const MAX_MEMORY_MIB = 400

describe.skipIf(reason !== undefined)('a daemon among hostile peers', { timeout: 120_000 }, () => {
  let network: LocalNetwork
  let daemon: NodeProcess
  let victim: Member
  beforeAll(async () => {
    network = await LocalNetwork.create({
      challengers: 1,
      challenger: { roles: ['prover', 'challenger'], prover: { claimMbps: 4 } },
    })
    const [first] = network.challengers
    if (first === undefined) throw new Error('no challenger')
    victim = first
    daemon = network.start([
      ...['node', '--data-dir', victim.dataDir, '--json-stream'],
      ...['--claim', '4', '--uplink', '100', '--operator', 'operator-0', '--udp-port', '4022'],
    ])
    await daemon.event('started')
  }, 120_000)
  afterAll(() => network?.close(), 60_000)

  const target = () => ({ publicKey: victim.identity.publicKey, addresses: [victim.address] })
  const id = { challengeId: new Uint8Array(32), slot: 0, attempt: 0 }

  async function expectServes(): Promise<void> {
    expect(daemon.isOver).toBe(false)
    const honest = await openHost()
    expect(await statusOf(honest.request(target(), ARM_MESSAGE, id))).toMatch(/^not_found/)
    await honest.stop()
    const { controlSocket } = dataPaths(victim.dataDir)
    const status = await callControlSocket(controlSocket, 'status')
    expect(status).toMatchObject({ roles: ['prover', 'challenger'] })
    expect((status as { memoryMiB: number }).memoryMiB).toBeLessThan(MAX_MEMORY_MIB)
    expect(daemon.stderr).not.toMatch(/a handler failed|this is a bug|UnhandledPromise/)
  }

  async function protocols(): Promise<string[]> {
    const host = await openHost()
    await host.connect(target())
    const { peerId } = resolveTarget(target())
    let known: string[] = []
    for (let i = 0; i < 200 && known.length < FEWEST_PROTOCOLS; i++) {
      await sleep(50)
      known = (await host.node.peerStore.get(peerId)).protocols
    }
    await host.stop()
    return known
  }

  async function throwAt(
    host: Host,
    protocol: string,
    chunks: readonly Uint8Array[],
    half: boolean,
  ): Promise<void> {
    const { peerId, addresses } = resolveTarget(target())
    try {
      const to = host.node.getConnections(peerId).length > 0 ? peerId : [...addresses]
      const stream = await host.node.dialProtocol(to, protocol, { signal: AbortSignal.timeout(5000) })
      for (const chunk of chunks) stream.send(chunk)
      if (half) await stream.close({ signal: AbortSignal.timeout(1000) })
      else stream.abort(new Error('gone'))
    } catch {
      // Banned or refused: as it should be.
    }
  }

  const big = new Uint8Array(200_000)
  const nested = new Uint8Array(10_000).fill(0x81)
  const missiles: readonly (readonly [string, readonly Uint8Array[]])[] = [
    ['nothing', []],
    ['noise', [new Uint8Array(randomBytes(3000))]],
    ['a length beyond all limits', [Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x7f), big]],
    ['a length that never ends', [new Uint8Array(64).fill(0xff)]],
    ['a message cut short', [Uint8Array.of(0xc8, 0x01, 1, 2, 3)]],
    ['more than was announced', [frame(new Uint8Array(10)), big]],
    ['arrays in arrays', [frame(nested)]],
    ['the wrong shape', [frame(encode({ challengeId: new Uint8Array(32), extra: 1 }))]],
    ['a number', [frame(encode(0))]],
    ['text of half a character', [frame(Uint8Array.of(0x61, 0xff))]],
  ]

  it('survives anything thrown at any of its protocols', async () => {
    const spoken = await protocols()
    const own = [
      'request',
      'prepare',
      'slot',
      'session',
      'plan',
      'arm',
      'reveal',
      'evidence',
      'sign',
      'finish',
    ]
    for (const name of [...own, 'dial-back', 'ping', 'kad']) expect(spoken).toContain(`/plumbline/${name}/1`)
    for (const protocol of spoken) {
      // A peer of its own for each: enough misdeeds ban one.
      const host = await openHost()
      for (const [, chunks] of missiles)
        for (const half of [true, false]) await throwAt(host, protocol, chunks, half)
      await host.stop()
    }
    await expectServes()
  })

  it('bans who keeps sending garbage, and nobody else', async () => {
    const host = await openHost()
    for (let i = 0; i < 4; i++)
      await throwAt(host, '/plumbline/arm/1', [new Uint8Array(500).fill(0xff)], true)
    await expect.poll(() => host.connections().length, { timeout: 20_000 }).toBe(0)
    await expect(host.request(target(), ARM_MESSAGE, id)).rejects.toThrow()
    await host.stop()
    await expectServes()
  })

  it('limits a flood of requests from one peer', async () => {
    const host = await openHost()
    await host.connect(target())
    const startedMs = performance.now()
    const ask = () =>
      statusOf(host.request(target(), ARM_MESSAGE, id)).catch((error: unknown) => String(error))
    const workers = Array.from({ length: WORKERS }, async () => {
      const statuses: string[] = []
      for (let i = 0; i < FLOOD / WORKERS; i++) statuses.push(await ask())
      return statuses
    })
    const statuses = (await Promise.all(workers)).flat()
    const seconds = (performance.now() - startedMs) / 1000
    const served = statuses.filter((each) => each.startsWith('not_found')).length
    expect(served).toBeGreaterThanOrEqual(BURST / 2)
    expect(served).toBeLessThanOrEqual(BURST + Math.ceil(PER_SECOND * seconds) + 1)
    await host.stop()
    await expectServes()
  })
})
