/** The laboratory's beacon: a local key behind drand's HTTP API, in a namespace of its own. */
import { readFile } from 'node:fs/promises'
import { hexToBytes } from '@noble/hashes/utils.js'
import { localBeacon } from '../crypto/beacon.js'
import { startBeaconServer } from '../p2p/beacon-server.js'

interface BeaconSpec {
  readonly secretPath: string
  readonly host: string
  readonly port: number
  readonly genesisTimeSeconds: number
  readonly periodSeconds: number
}

async function main(specPath: string): Promise<void> {
  const spec = JSON.parse(await readFile(specPath, 'utf8')) as BeaconSpec
  const secret = hexToBytes((await readFile(spec.secretPath, 'utf8')).trim())
  await startBeaconServer({ info: localBeacon(secret, spec), secret, host: spec.host, port: spec.port })
  process.once('disconnect', () => process.exit(0))
  process.send?.({ kind: 'ready' })
}

await main(process.env.PLUMBLINE_LAB_SPEC ?? '')
