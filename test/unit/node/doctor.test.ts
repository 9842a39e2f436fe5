/** doctor against a real beacon, a real helper that dials back, and ports that are taken. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex } from '@noble/hashes/utils.js'
import { expect, it, onTestFinished } from 'vitest'
import { configSchema } from '../../../src/config/schema.js'
import { localBeacon } from '../../../src/crypto/beacon.js'
import { generateBlsSecret } from '../../../src/crypto/bls.js'
import { Identity } from '../../../src/crypto/identity.js'
import { handleDialBack } from '../../../src/node/dial-back.js'
import { diagnose, type Finding } from '../../../src/node/doctor.js'
import { startBeaconServer } from '../../../src/p2p/beacon-server.js'
import { silentLogger } from '../../../src/telemetry/logger.js'
import { addressOf, startHost } from '../p2p/hosts.js'

const LOOPBACK = '127.0.0.1'

interface Scene {
  readonly beaconAheadSeconds?: number
  readonly udpPort?: number
  readonly uplinkMbps?: number
}

/** What doctor says of a challenger, by check. */
async function findingsOf({ beaconAheadSeconds = 0, udpPort = 4022, uplinkMbps = 1 }: Scene) {
  const secret = generateBlsSecret()
  const times = { genesisTimeSeconds: Math.floor(Date.now() / 1000) - 100, periodSeconds: 1 }
  const info = localBeacon(secret, times)
  const now = () => Date.now() + beaconAheadSeconds * 1000
  const beacon = await startBeaconServer({ info, secret, host: LOOPBACK, port: 0, now })
  onTestFinished(() => beacon.close())
  const helper = await startHost()
  await handleDialBack(helper)
  const dataDir = await mkdtemp(join(tmpdir(), 'plb-doctor-'))
  onTestFinished(() => rm(dataDir, { recursive: true }))
  const config = configSchema.parse({
    roles: ['challenger'],
    challenger: { uplinkMbps },
    network: { listen: [], bootstrap: [addressOf(helper)] },
    dataPlane: { backend: 'dgram', host: LOOPBACK, udpPort },
    beacon: {
      kind: 'local',
      urls: [beacon.url],
      chainHash: bytesToHex(info.chainHash),
      publicKey: bytesToHex(info.publicKey),
      ...times,
    },
  })
  const found = new Map<string, Finding>()
  const options = { config: { ...config, dataDir }, identity: Identity.generate(), log: silentLogger }
  for await (const finding of diagnose(options)) found.set(finding.check, finding)
  return found
}

/** A UDP port of loopback that is taken until the test ends. */
async function takenPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, LOOPBACK)
  await once(socket, 'listening')
  onTestFinished(() => void socket.close())
  return socket.address().port
}

it('has a free UDP port checked from outside, and an uplink that the box cannot send named', async () => {
  const udpPort = await takenPort().then(async (port) => port + 1)
  const found = await findingsOf({ udpPort, uplinkMbps: 90_000 })
  expect(found.get('udp port')?.verdict).toBe('ok')
  expect(found.get('outbound')).toMatchObject({ verdict: 'ok', message: expect.stringContaining(LOOPBACK) })
  expect(found.get('clock')?.verdict).toBe('ok')
  expect(found.get('uplink')).toMatchObject({
    verdict: 'problem',
    message: expect.stringMatching(/too little for an uplink of 90000 Mbit\/s$/),
  })
})

it('beside a running daemon skips the UDP port, and blames neither network nor helper', async () => {
  const found = await findingsOf({ udpPort: await takenPort(), beaconAheadSeconds: 30 })
  expect(found.get('udp port')).toMatchObject({
    verdict: 'skipped',
    message: expect.stringMatching(/is in use, by the daemon if it runs/),
  })
  expect(found.get('outbound')?.verdict).toBe('ok')
  expect(found.get('uplink')?.verdict).toBe('ok')
  // The beacon is half a minute ahead of this machine.
  expect(found.get('clock')).toMatchObject({
    verdict: 'problem',
    message: expect.stringMatching(/^(29|30) s behind/),
  })
})
