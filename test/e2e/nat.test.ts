/**
 * A prover behind a NAT that lets nothing in which was not asked for, with no open port and no listener: three namespaces,
 * home - router - world, and a NAT in user space in the router (test/support/nat.mjs), since not every kernel has one.
 */
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { detectLabCapabilities } from '../../src/lab/capabilities.js'
import { newLabId } from '../../src/lab/leftovers.js'
import { NamespaceSet } from '../../src/lab/namespaces.js'
import { CLAIM_MBPS, LocalNetwork, whyNoLoopback } from '../support/local-network.js'

const capabilities = await detectLabCapabilities()
const reason =
  (await whyNoLoopback()) ??
  (capabilities.mode === 'user-space' || !capabilities.tun ? capabilities.line : undefined)
if (reason !== undefined) process.stderr.write(`e2e nat: skipped: ${reason}\n`)

const NAT = fileURLToPath(new URL('../support/nat.mjs', import.meta.url))
const PUBLIC = '203.0.113.1'
const INSIDE = '192.168.77.'
const WORLD = '198.18.100.1'
const challengerHost = (i: number) => `198.18.${i}.1`

describe.skipIf(reason !== undefined)('a prover behind NAT', { timeout: 120_000 }, () => {
  let namespaces: NamespaceSet
  let network: LocalNetwork
  let nat: ChildProcess
  const enter = (name: string) => {
    const user = capabilities.mode === 'user-netns' ? ['-U', '--preserve-credentials'] : []
    return ['nsenter', '-t', String(namespaces.holderPid(name)), ...user, '-n']
  }

  beforeAll(async () => {
    const { mode, deathSignal } = capabilities
    namespaces = new NamespaceSet({ mode, deathSignal, labId: await newLabId() })
    for (const name of ['world', 'router', 'home']) await namespaces.add(name)
    const ip = (name: string, words: string) => namespaces.run(name, 'ip', words.split(' '))
    const link = async (from: string, device: string, to: string, peer: string) => {
      const pid = namespaces.holderPid(to)
      await ip(from, `link add ${device} type veth peer name ${peer} netns ${pid}`)
    }
    await link('router', 'home0', 'home', 'eth0')
    await link('router', 'world0', 'world', 'eth0')
    nat = namespaces.spawn('router', process.execPath, [NAT, 'nat0', INSIDE, PUBLIC], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    await new Promise((resolve) => nat.once('message', resolve))
    const set = (name: string) =>
      `for f in $(ls -d /proc/sys/net/ipv4/conf/*/rp_filter); do echo 0 > $f; done; ${name}`
    await namespaces.run('router', 'sh', ['-c', set('echo 1 > /proc/sys/net/ipv4/ip_forward')])
    const commands: readonly (readonly [string, readonly string[]])[] = [
      [
        'home',
        [
          `addr add ${INSIDE}2/24 dev eth0`,
          'link set lo up',
          'link set eth0 up',
          `route add default via ${INSIDE}1`,
        ],
      ],
      [
        'router',
        [
          ...[`addr add ${INSIDE}1/24 dev home0`, 'addr add 10.9.0.2/24 dev world0'],
          ...['link set lo up', 'link set home0 up', 'link set world0 up', 'link set nat0 up'],
          ...['route add 198.18.0.0/16 via 10.9.0.1', `route add ${PUBLIC}/32 dev nat0`],
          ...['rule add iif home0 lookup 100', 'route add default dev nat0 table 100'],
        ],
      ],
      [
        'world',
        [
          ...['addr add 10.9.0.1/24 dev eth0', 'link set lo up', 'link set eth0 up'],
          ...[
            `addr add ${WORLD}/32 dev lo`,
            ...[0, 1, 2].map((i) => `addr add ${challengerHost(i)}/32 dev lo`),
          ],
          `route add ${PUBLIC}/32 via 10.9.0.2`,
        ],
      ],
    ]
    for (const [name, list] of commands) for (const words of list) await ip(name, words)
    network = await LocalNetwork.create({
      challengers: 3,
      elsewhere: {
        challenger: challengerHost,
        prover: `${INSIDE}2`,
        payer: WORLD,
        beacon: WORLD,
        prefix: enter('world'),
      },
    })
  }, 120_000)
  afterAll(async () => {
    await network?.close()
    await namespaces?.close()
  }, 60_000)

  it('is measured without any open port', async () => {
    const [relay, ...others] = network.challengers
    if (relay === undefined) throw new Error('no challenger')
    await network.configure(relay.dataDir, relay.host, {
      network: { listen: [`/ip4/${relay.host}/tcp/4021`], enableRelayServer: true },
      dataPlane: { host: relay.host, udpPort: 4022 },
      challenger: { uplinkMbps: 100, operator: 'operator-0' },
    })
    await network.configure(network.prover.dataDir, network.prover.host, {
      network: { listen: [], relays: [relay.address] },
      prover: { claimMbps: CLAIM_MBPS, minIntervalSeconds: 0 },
    })
    const world = { prefix: enter('world') }
    await Promise.all([relay, ...others].map((each) => network.daemon('challenger', each, world)))
    await network.daemon('prover', network.prover, { prefix: enter('home') })
    const circuit = `${relay.address}/p2p-circuit/p2p/${network.prover.identity.peerId}`
    const ended = await network.run(network.measureArguments([], circuit), world)
    expect(ended).toMatchObject({ code: 0 })
    expect(JSON.parse(ended.stdout)).toMatchObject({ faultTolerance: { n: 3, f: 1, teams: 3 } })
    const { mappings } = await new Promise<{ mappings: number }>((resolve) => {
      nat.once('message', (message) => resolve(message as { mappings: number }))
      nat.send('count')
    })
    // TCP to the members, and one UDP socket to all of them.
    expect(mappings).toBeGreaterThanOrEqual(2)
  })
})
