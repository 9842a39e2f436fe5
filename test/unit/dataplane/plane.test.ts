/** Opening, failing, closing: what the main thread sees of a worker. */
import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { formatIp, parseIp } from '../../../src/dataplane/address.js'
import { openMemberPlane, openProverPlane } from '../../../src/dataplane/index.js'
import { PlaneHost } from '../../../src/dataplane/plane-host.js'
import { bytes } from './harness.js'

const dist = fileURLToPath(new URL('../../../dist/dataplane/index.js', import.meta.url))
const LOOPBACK = { host: '127.0.0.1', port: 0 }

describe.each(['auto', 'dgram'] as const)('%s', (backend) => {
  test('the backend says why it was taken', async () => {
    const plane = await openProverPlane({ backend, ...LOOPBACK })
    expect(plane.backend.reason.length).toBeGreaterThan(5)
    expect(plane.endpoint.port).toBeGreaterThan(0)
    await plane.close()
  })

  test('a taken port is told in one line', async () => {
    const taken = createSocket('udp4')
    await new Promise<void>((resolve) => taken.bind(0, '127.0.0.1', resolve))
    const opening = openMemberPlane({ backend, host: '127.0.0.1', port: taken.address().port })
    await expect(opening).rejects.toMatchObject({ code: 'BUSY', remedy: 'choose another port' })
    taken.close()
  })

  test('close ends the worker; later calls are refused; closing twice is no harm', async () => {
    const plane = await openMemberPlane({ backend, ...LOOPBACK })
    const errors: Error[] = []
    plane.onError((error) => errors.push(error))
    await plane.addSession({
      sessionId: bytes(8),
      key: bytes(16),
      maxBytes: 1,
      expiresAtMs: Date.now() + 1000,
    })
    await Promise.all([plane.close(), plane.close()])
    await expect(plane.counters()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(errors).toEqual([])
  })

  test('a process that ends without closing its planes ends', () => {
    const script = `import { openMemberPlane, openProverPlane } from ${JSON.stringify(dist)}
      await openMemberPlane({ backend: '${backend}', host: '127.0.0.1', port: 0 })
      await openProverPlane({ backend: '${backend}', host: '127.0.0.1', port: 0 })
      setTimeout(() => process.exit(7), 20)`
    const { status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 15_000 })
    expect(status).toBe(7)
  })
})

test.each(['auto', 'dgram'] as const)(
  '%s: a worker that dies rejects what waits, and tells once',
  async (backend) => {
    const host = await PlaneHost.open('prover', { backend, ...LOOPBACK })
    const errors: Error[] = []
    host.onError((error) => errors.push(error))
    const path = { sessionId: bytes(8), key: bytes(16), remote: { host: '127.0.0.1', port: 9 } }
    await host.call({ op: 'addPath', path })
    const waiting = host.call({ op: 'hello', sessionId: path.sessionId, deadlineMs: 60_000 })
    // No request at all: a bug that the worker does not survive.
    const fatal = host.call(null as never)
    const settled = await Promise.allSettled([waiting, fatal])
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    await expect(host.call({ op: 'counters' })).rejects.toThrow()
    expect(errors).toHaveLength(1)
    await host.close()
  },
)

test('bad arguments are named before they reach the worker', async () => {
  await expect(openMemberPlane({ backend: 'auto', host: 'example.org', port: 0 })).rejects.toMatchObject({
    code: 'BAD_ARGUMENT',
  })
  const plane = await openProverPlane({ backend: 'auto', ...LOOPBACK })
  const path = { sessionId: bytes(8), key: bytes(16), remote: { host: '127.0.0.1', port: 9 } }
  for (const bad of [
    { ...path, sessionId: bytes(7) },
    { ...path, key: bytes(32) },
    { ...path, remote: { host: '127.0.0.1', port: 0 } },
    { ...path, remote: { host: 'localhost', port: 9 } },
  ])
    await expect(plane.addPath(bad)).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
  await plane.addPath(path)
  const order = { slot: 0, attempt: 0, tauMicros: 1000, drainMicros: 0 }
  const member = { sessionId: path.sessionId, packetCount: 1 }
  for (const bad of [
    { ...order, members: [] },
    { ...order, members: [{ ...member, packetCount: 0 }] },
    { ...order, members: [member], slot: 256 },
    { ...order, members: [member], tauMicros: 2_000_000 },
    { ...order, members: [member, member] },
  ])
    await expect(plane.runSlot(bad)).rejects.toMatchObject({ code: 'BAD_ARGUMENT' })
  await plane.close()
})

test('IP literals', () => {
  for (const [text, canonical] of [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['2001:db8::8:800:200c:417a', '2001:db8:0:0:8:800:200c:417a'],
    ['2001:DB8:0:0:8:800:200C:417A', '2001:db8:0:0:8:800:200c:417a'],
    ['fe80::', 'fe80:0:0:0:0:0:0:0'],
  ] as const) {
    expect(formatIp(parseIp(text))).toBe(canonical)
    expect(parseIp(canonical)).toEqual(parseIp(text))
  }
  for (const text of ['', 'localhost', '1.2.3', '::g', 'fe80::1%eth0'])
    expect(() => parseIp(text)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }))
})
