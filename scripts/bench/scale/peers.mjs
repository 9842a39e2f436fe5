/**
 * What connected peers cost a real libp2p host: the host is this process, its peers are a child's; after each step resident
 * memory and processor time of an idle while. The cost at 1,000 is the line through the steps.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { register } from 'tsx/esm/api'

const IDLE_MS = 10_000
const SETTLE_MS = 3_000
const BATCH = 10

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc')

register()
await import('../../../src/node/polyfills.ts')
const { Identity } = await import('../../../src/crypto/identity.ts')
const { createHost } = await import('../../../src/p2p/index.ts')
const { silentLogger } = await import('../../../src/telemetry/logger.ts')

const open = (listen) =>
  createHost(
    { listen, privateNetwork: true, inboundConnectionThreshold: 5000, maxPeers: 2000 },
    { identity: Identity.generate(), log: silentLogger },
  )

/** @returns residentMb and processorPercent at a quarter, a half and all of `count` peers, and at 1,000 */
export async function measurePeers(count) {
  const host = await open(['/ip4/127.0.0.1/tcp/0'])
  const address = host.addresses().find((each) => each.includes('/tcp/') && !each.includes('p2p-circuit'))
  const child = fork(fileURLToPath(import.meta.url), ['peers', address], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  try {
    await once(child, 'message')
    const steps = [await idle(host)]
    for (const target of [count / 4, count / 2, count].map(Math.round)) {
      child.send(target)
      await once(child, 'message')
      await sleep(SETTLE_MS)
      steps.push(await idle(host))
    }
    const perPeer = {
      heldKb: slope(steps, 'heldMb') * 1000,
      processorPercent: slope(steps, 'processorPercent'),
    }
    const [first] = steps
    const at1000 = {
      // What is held grows with the peers; pages that the collector keeps do not.
      residentMb: first.residentMb + perPeer.heldKb,
      processorPercent: first.processorPercent + perPeer.processorPercent * 1000,
    }
    return { steps, perPeer, at1000 }
  } finally {
    child.kill()
    await host.stop()
  }
}

async function idle(host) {
  // Twice: what the first run frees may hold more.
  for (let i = 0; i < 2; i++) collect()
  const { heapUsed, external } = process.memoryUsage()
  const held = heapUsed + external
  const before = process.cpuUsage()
  await sleep(IDLE_MS)
  const { user, system } = process.cpuUsage(before)
  return {
    peers: host.connections().length,
    heldMb: held / 1e6,
    residentMb: process.memoryUsage.rss() / 1e6,
    processorPercent: (user + system) / IDLE_MS / 10,
  }
}

/** Least squares of a value over the peers. */
function slope(steps, name) {
  const mean = (of) => steps.reduce((sum, step) => sum + of(step), 0) / steps.length
  const [x, y] = [mean((step) => step.peers), mean((step) => step[name])]
  const over = steps.reduce((sum, step) => sum + (step.peers - x) * (step[name] - y), 0)
  return over / steps.reduce((sum, step) => sum + (step.peers - x) ** 2, 0)
}

if (process.argv[2] === 'peers') {
  const [, , , address] = process.argv
  const hosts = []
  process.on('message', async (target) => {
    while (hosts.length < target) {
      const batch = await Promise.all(
        Array.from({ length: Math.min(BATCH, target - hosts.length) }, () => open([])),
      )
      for (const host of batch) await host.connect(address).catch((error) => console.error(String(error)))
      hosts.push(...batch)
    }
    process.send(hosts.length)
  })
  process.send(0)
}
