/** Real hosts over loopback for the tests of this folder; all are stopped after each test. */
import { afterEach } from 'vitest'
import { text } from '../../../src/crypto/cbor-schema.js'
import { Identity } from '../../../src/crypto/identity.js'
import type { HostOptions } from '../../../src/p2p/index.js'
import { createHost, type Exchange, type Host } from '../../../src/p2p/index.js'
import { silentLogger } from '../../../src/telemetry/logger.js'

const running: Host[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((host) => host.stop()))
})

/** A host on a free port; `{ listen: [] }` for one that nobody can dial. */
export async function startHost(options: HostOptions = {}, identity = Identity.generate()): Promise<Host> {
  const host = await createHost(
    { listen: ['/ip4/127.0.0.1/tcp/0'], privateNetwork: true, inboundConnectionThreshold: 500, ...options },
    { identity, log: silentLogger },
  )
  running.push(host)
  return host
}

export const addressOf = (host: Host): string => {
  const address = host
    .addresses()
    .find((each) => each.startsWith('/ip4/127.0.0.1/tcp/') && !each.includes('p2p-circuit'))
  if (address === undefined) throw new Error('the host listens nowhere')
  return address
}

/** Sends a text back. */
export const echo: Exchange<string, string> = {
  name: 'echo',
  request: text({ max: 100_000 }),
  response: text({ max: 100_000 }),
  maxRequestBytes: 110_000,
  maxResponseBytes: 110_000,
  deadlineMs: 1500,
}

/** Waits for something that gossip or the DHT brings about in its own time. */
export async function eventually(check: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!(await check())) {
    if (performance.now() > end) throw new Error('it did not happen in time')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
