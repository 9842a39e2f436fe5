/**
 * The lab's network with real namespaces, tbf and TUN where this machine has them; the user-space twin anywhere.
 * Rates are compared as medians over windows, times by their minimum: both mostly hold on a busy machine, and
 * what compares them with a clock is tried up to three times.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { detectLabCapabilities, type LabMode } from '../../src/lab/capabilities.js'
import { startCrossTraffic } from '../../src/lab/cross-traffic.js'
import { compiledEntry } from '../../src/lab/entry.js'
import { LAB_ID_VARIABLE, labProcesses, sweepLeftovers } from '../../src/lab/leftovers.js'
import type { HostName, LabNetwork, LabNetworkOptions } from '../../src/lab/network.js'
import { buildLabNetwork } from '../../src/lab/topology.js'

const peer = fileURLToPath(new URL('lab-network-peer.mjs', import.meta.url))
const capabilities = await detectLabCapabilities()
const hasNamespaces = capabilities.mode !== 'user-space'
const hasRelay = hasNamespaces && capabilities.tun
if (!hasRelay) process.stderr.write(`lab network: some tests are skipped: ${capabilities.line}\n`)

const ECHO_PORT = 5000
let network: LabNetwork | null = null

async function build(options: Partial<LabNetworkOptions>): Promise<LabNetwork> {
  await network?.close()
  network = await buildLabNetwork({ challengers: 2, rateMbps: 100, ...options })
  return network
}

function start(host: HostName, ...args: (string | number)[]): ChildProcess {
  if (network === null) throw new Error('no network')
  return network.spawnIn(host, process.execPath, [peer, ...args.map(String)], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
}

function message<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    child.once('message', (value) => resolve(value as T))
    child.once('exit', (code) => reject(new Error(`peer ended (${code})`)))
  })
}

async function echoOn(host: HostName): Promise<ChildProcess> {
  const child = start(host, 'echo', network?.host(host).address ?? '', ECHO_PORT)
  await message(child)
  return child
}

/** Round-trip times, ms, sorted. */
async function ping(from: HostName, to: HostName, count = 15): Promise<number[]> {
  const child = start(from, 'ping', network?.host(to).address ?? '', ECHO_PORT, count)
  const { times } = await message<{ times: number[] }>(child)
  return times.sort((a, b) => a - b)
}

async function idsAlive(id: string): Promise<number> {
  return (await labProcesses()).filter(({ labId }) => labId === id).length
}

afterEach(async () => {
  await network?.close()
  network = null
})

const modes: LabMode[] = ['root-netns', 'user-netns']
describe
  .runIf(hasNamespaces)
  .each(modes.filter((mode) => mode === capabilities.mode || mode === 'user-netns'))(
  'a network in %s',
  (mode) => {
    it('comes up, connects everybody, and leaves nothing behind', async () => {
      const net = await build({ mode, provers: 2 })
      await echoOn('prover-0')
      await echoOn('prover-1')
      for (const [from, to] of [
        ['challenger-0', 'prover-0'],
        ['challenger-1', 'prover-1'],
        ['payer', 'prover-0'],
      ] as const)
        expect(await ping(from, to, 3)).toHaveLength(3)
      expect((await net.counters(0)).rxPackets).toBeGreaterThanOrEqual(6)
      const holders = net.hosts.map(({ holderPid }) => holderPid)
      expect(await idsAlive(net.id)).toBeGreaterThan(holders.length)
      await net.close()
      expect(await idsAlive(net.id)).toBe(0)
      for (const pid of holders) expect(existsSync(`/proc/${pid}`)).toBe(false)
    })
  },
)

describe.runIf(hasNamespaces)('the bottleneck', () => {
  it('passes the layer-3 rate asked for, and drops the rest', { retry: 2 }, async () => {
    const net = await build({ rateMbps: 100 })
    const receiver = await echoOn('prover-0')
    const sender = start('challenger-0', 'blast', net.host('prover-0').address, ECHO_PORT, 130, 1100)
    const { sent } = await message<{ sent: number }>(sender)
    await new Promise((resolve) => setTimeout(resolve, 2 * net.bufferMs))
    receiver.send('report')
    const { mbps } = await message<{ mbps: number }>(receiver)
    expect(mbps).toBeGreaterThan(98)
    expect(mbps).toBeLessThan(102)
    // What was sent came through or was dropped here (less what a busy sender lost; besides some ARP).
    const [{ rxPackets, rxBytes, layer }, drops] = await Promise.all([net.counters(), net.drops()])
    expect(drops.packets).toBeGreaterThan(0)
    expect(rxPackets + drops.packets).toBeLessThanOrEqual(sent + 20)
    expect(rxPackets + drops.packets).toBeGreaterThan(0.9 * sent)
    expect(layer).toBe(2)
    expect(rxBytes / rxPackets).toBeGreaterThan(1445)
    expect(rxBytes / rxPackets).toBeLessThanOrEqual(1450)
    expect(net.burstBoundMbps(0.2)).toBeLessThanOrEqual(1)
  })

  it('carries cross traffic and counts what comes through', async () => {
    const net = await build({ rateMbps: 50, crossTraffic: true })
    const cross = await startCrossTraffic(net, { rateMbps: 20 })
    await new Promise((resolve) => setTimeout(resolve, 800))
    await cross.setRate(0)
    await new Promise((resolve) => setTimeout(resolve, 100))
    const { offered, delivered } = await cross.stats()
    expect(offered.packets).toBeGreaterThan(500)
    // The sink's buffer keeps a few; the bottleneck was never full.
    expect(offered.packets - delivered.packets).toBeLessThan(10)
    cross.stop()
  })
})

describe.runIf(hasRelay)('the relay', () => {
  it('gives every challenger its own round-trip time', { retry: 2 }, async () => {
    const net = await build({ challengers: 3, rtt: { minMs: 5, maxMs: 35 }, seed: 3 })
    await echoOn('prover-0')
    for (const name of ['challenger-0', 'challenger-1', 'challenger-2', 'payer'] as const) {
      const [fastest = 0] = await ping(name, 'prover-0')
      expect(fastest).toBeGreaterThan(net.host(name).rttMs - 0.1)
      expect(fastest).toBeLessThan(net.host(name).rttMs + 1)
    }
    expect(net.hosts.map(({ rttMs }) => rttMs).sort((a, b) => a - b)).toEqual([0, 0, 5, 20, 20, 35])
  })

  it('passes the full rate on with delay, and follows rules', { retry: 2 }, async () => {
    const net = await build({ rateMbps: 100, rtt: { minMs: 10, maxMs: 10 } })
    const receiver = await echoOn('prover-0')
    const sender = start('challenger-0', 'blast', net.host('prover-0').address, ECHO_PORT, 130, 1100)
    await message(sender)
    receiver.send('report')
    const { mbps } = await message<{ mbps: number }>(receiver)
    expect(mbps).toBeGreaterThan(97)
    expect(mbps).toBeLessThan(103)
    const stats = await net.relayStats()
    expect([stats?.lost, stats?.overflowed, stats?.refused]).toEqual([0, 0, 0])

    await net.setRelayRules([{ from: ['challenger-0'], protocol: 'udp', maxBytes: 200, addDelayMs: 15 }])
    const [fastest = 0] = await ping('challenger-0', 'prover-0', 5)
    expect(fastest).toBeGreaterThan(24.9)
    await net.setRelayRules([{ to: ['challenger-1'], dropPct: 100 }])
    expect(await ping('challenger-1', 'prover-0', 3)).toEqual([])
    await expect(net.setRelayRules([{ to: ['challenger-9'] }])).rejects.toThrow('challenger-9')
  })

  it('loses packets at random', async () => {
    const net = await build({ lossPct: 50, seed: 5 })
    await echoOn('prover-0')
    const answers = await ping('challenger-0', 'prover-0', 60)
    // A quarter comes back: Bin(60, 0.25) lies in 3..30 but for one in 10^5.
    expect(answers.length).toBeGreaterThanOrEqual(3)
    expect(answers.length).toBeLessThanOrEqual(30)
    expect((await net.relayStats())?.lost).toBeGreaterThan(10)
  })
})

describe('the user-space bottleneck', () => {
  const twins = process.platform === 'linux' ? [false, true] : [true]
  it.each(twins)('passes the rate asked for, and answers (portable: %s)', async (portable) => {
    const net = await build({ mode: 'user-space', rateMbps: 40, portable, dataPort: 4790 })
    const { bind, announce } = net.challengerData(1)
    const blaster = start('challenger-1', 'blast', bind.address, bind.port, 52, 1100, 'bind')
    await message(blaster)
    // The first datagram comes from the prover, as in the protocol: through the port that is announced.
    const done = message<{ sent: number }>(blaster)
    const receiver = start('prover-0', 'fetch', announce.address, announce.port)
    const { sent } = await done
    await new Promise((resolve) => setTimeout(resolve, 200))
    receiver.send('report')
    const { mbps } = await message<{ mbps: number }>(receiver)
    // Without real-time priority a busy machine slows it down; nothing lets it pass more than it may.
    expect(mbps).toBeGreaterThan(32)
    expect(mbps).toBeLessThan(41.2)
    const [counters, drops] = await Promise.all([net.counters(), net.drops()])
    expect(counters.layer).toBe(3)
    expect(counters.txPackets).toBe(1)
    expect(counters.rxPackets + drops.packets).toBe(sent)
  })

  it('says what it cannot do, and that a port is taken', async () => {
    await expect(build({ mode: 'user-space', rtt: { minMs: 5, maxMs: 5 } })).rejects.toThrow('--rtt')
    const first = await build({ mode: 'user-space', dataPort: 4791 })
    await expect(
      buildLabNetwork({ challengers: 2, rateMbps: 10, mode: 'user-space', dataPort: 4791 }),
    ).rejects.toThrow('taken')
    await expect(first.setRelayRules([])).rejects.toThrow('no relay')
    expect(await first.relayStats()).toBeNull()
  })
})

describe.runIf(process.platform === 'linux')('a lab that crashes', () => {
  it.runIf(hasNamespaces && capabilities.deathSignal)('takes everything with it', async () => {
    const topology = compiledEntry(new URL('../../src/lab/topology.ts', import.meta.url).href, 'topology.js')
    const script = `
      const { buildLabNetwork } = await import(${JSON.stringify(topology)})
      const net = await buildLabNetwork({ challengers: 1, rateMbps: 10, relay: ${hasRelay} })
      net.spawnIn('challenger-0', 'sleep', ['60'], { stdio: 'ignore', detached: true })
      process.send(net.id)`
    const lab = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const id = await message<string>(lab)
    expect(await idsAlive(id)).toBeGreaterThanOrEqual(5)
    lab.kill('SIGKILL')
    await expect.poll(() => idsAlive(id), { timeout: 5000 }).toBe(0)
  })

  it('is swept away by the next where something stayed', async () => {
    const id = '999999999.1.feedbeef'
    const stray = spawn('sleep', ['60'], { env: { ...process.env, [LAB_ID_VARIABLE]: id }, stdio: 'ignore' })
    await expect.poll(() => idsAlive(id)).toBe(1)
    const net = await build({ mode: 'user-space', dataPort: 4792 })
    await expect.poll(() => stray.signalCode).toBe('SIGKILL')
    // Living labs are left alone.
    await sweepLeftovers()
    expect(await idsAlive(net.id)).toBe(1)
  })
})
