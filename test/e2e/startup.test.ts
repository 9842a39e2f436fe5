/** Daemons that cannot start say why in one line and end with status 1; nothing is left behind. */
import { createSocket } from 'node:dgram'
import { copyFile, rename, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dataPaths } from '../../src/config/paths.js'
import { openStore } from '../../src/store/index.js'
import { LocalNetwork, type Member, TCP_PORT, UDP_PORT, whyNoLoopback } from '../support/local-network.js'

const reason = await whyNoLoopback()
if (reason !== undefined) process.stderr.write(`e2e start-up: skipped: ${reason}\n`)

describe.skipIf(reason !== undefined)('a daemon that cannot start', { timeout: 60_000 }, () => {
  let network: LocalNetwork
  let challenger: Member
  beforeAll(async () => {
    network = await LocalNetwork.create({ challengers: 1 })
    const [first] = network.challengers
    if (first === undefined) throw new Error('no challenger')
    challenger = first
  })
  afterAll(() => network?.close(), 60_000)

  async function lineOf(role: string, member: Member): Promise<string> {
    const { code, signal, stderr, stdout } = await network.run([role, '--data-dir', member.dataDir])
    expect([code, signal, stdout]).toEqual([1, null, ''])
    // Log lines are JSON here; what is said to the person is not.
    const lines = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('{'))
    expect(lines).toHaveLength(1)
    return lines[0] ?? ''
  }

  it('because another one has its data directory', async () => {
    const running = await network.daemon('challenger', challenger)
    const line = await lineOf('challenger', challenger)
    expect(line).toMatch(/^plumbline: another process uses .*; stop the other plumbline, or give/)
    // The first one is not harmed.
    const { code } = await network.run(['status', '--data-dir', challenger.dataDir])
    expect([code, running.isOver]).toEqual([0, false])
    await running.stop()
  })

  it('because the data directory belongs to another key', async () => {
    const { key } = dataPaths(challenger.dataDir)
    await rename(key, `${key}.own`)
    await copyFile(dataPaths(network.payer.dataDir).key, key)
    const { address } = challenger.identity
    const line = await lineOf('challenger', challenger)
    expect(line).toContain(`this data directory belongs to the key of ${address}`)
    await rename(`${key}.own`, key)
  })

  it('because the registry cannot be read', async () => {
    const kept = `${network.registryPath}.kept`
    await rename(network.registryPath, kept)
    expect(await lineOf('challenger', challenger)).toMatch(/^plumbline: there is no registry at .*; get the/)
    for (const [content, words] of [
      ['{"format": ', 'is no JSON'],
      ['{}', 'is not in the format'],
    ] as const) {
      await writeFile(network.registryPath, content)
      expect(await lineOf('challenger', challenger)).toContain(words)
    }
    await rename(kept, network.registryPath)
  })

  it('because its TCP port is taken', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(TCP_PORT, challenger.host, resolve))
    try {
      const line = await lineOf('challenger', challenger)
      expect(line).toMatch(/^plumbline: cannot listen on .*EADDRINUSE.*; another process may have the port/)
    } finally {
      server.close()
    }
  })

  it('because its UDP port is taken', async () => {
    const socket = createSocket('udp4')
    await new Promise<void>((resolve) => socket.bind(UDP_PORT, challenger.host, resolve))
    try {
      const line = await lineOf('challenger', challenger)
      expect(line).toContain(`${UDP_PORT}`)
      expect(line).toMatch(/^plumbline: .*in use.*;/)
    } finally {
      socket.close()
    }
  })

  it('leaves the store in order for the next', async () => {
    const store = await openStore(dataPaths(challenger.dataDir).store)
    await store.close()
    const running = await network.daemon('challenger', challenger)
    expect((await running.stop()).code).toBe(0)
  })
})
