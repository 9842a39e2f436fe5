/**
 * The packet loop stays compiled from slot to slot. V8 holds on to the layouts that compiled code is made for weakly, so a
 * collection between two slots that finds no slot alive throws the code away: a third of what a core takes in was lost so.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const dist = fileURLToPath(new URL('../../../dist/dataplane/index.js', import.meta.url))
const SLOTS = 5
/** Of the loop that meets every packet. */
const HOT = ['onDatagram', 'onPacket', 'accept', 'update']

const script = `
  import { randomBytes } from 'node:crypto'
  import { openMemberPlane, openProverPlane } from ${JSON.stringify(dist)}
  const bytes = (length) => new Uint8Array(randomBytes(length))
  const on = { backend: 'auto', host: '127.0.0.1', port: 0 }
  const [member, prover] = [await openMemberPlane(on), await openProverPlane(on)]
  member.onConsent(async () => true)
  const session = { sessionId: bytes(8), key: bytes(16) }
  const expiresAtMs = Date.now() + 60_000
  const maxBytes = 2 ** 40
  await member.addSession({ ...session, maxBytes, expiresAtMs })
  await prover.addPath({ ...session, remote: { host: on.host, port: member.endpoint.port } })
  const nonce = await prover.hello(session.sessionId, 10_000)
  const grant = { nonce, maxBytes, expiresAt: Math.floor(expiresAtMs / 1000), signature: new Uint8Array(65) }
  await prover.consent(session.sessionId, grant, 10_000)
  const packetCount = 4000
  for (let slot = 0; slot < ${SLOTS}; slot++) {
    const train = { sessionId: session.sessionId, slot, attempt: 0, seed: bytes(32), packetCount, rateKbps: 500_000 }
    await member.prepareTrain({ ...train, armedForMs: 10_000 })
    const members = [{ sessionId: session.sessionId, packetCount, rttMicros: 100 }]
    const capture = await prover.runSlot({ slot, attempt: 0, tauMicros: 90_000, drainMicros: 500_000, members })
    console.log('received ' + (capture.statistics.packets > packetCount / 2))
  }
  await Promise.all([member.close(), prover.close()])
`

test('the packet loop is compiled once, and stays so', () => {
  const flags = ['--trace-opt', '--trace-deopt', '--input-type=module', '-e', script]
  const { stdout, status } = spawnSync(process.execPath, flags, { encoding: 'utf8', timeout: 60_000 })
  expect(status).toBe(0)
  expect(stdout.match(/received true/g)).toHaveLength(SLOTS)
  const lines = stdout.split('\n')
  const of = (line: string) => HOT.some((name) => line.includes(` ${name}>`) || line.includes(` ${name} (`))
  expect(lines.some((line) => line.includes('completed optimizing') && of(line))).toBe(true)
  expect(lines.filter((line) => line.includes('weak objects') && of(line))).toEqual([])
})
