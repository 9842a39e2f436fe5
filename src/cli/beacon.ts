/** `plumbline beacon new | serve`: a randomness beacon of one's own, for laboratories and closed networks. */
import { readFile } from 'node:fs/promises'
import { expandPath } from '../config/paths.js'
import { UserError } from '../errors.js'
import { defineCommand } from './command.js'
import { number, text } from './option.js'
import { writeNewPrivateFile } from './private-file.js'

const FORMAT = 'plumbline-beacon'
const DEFAULT_PERIOD_SECONDS = 3
const DEFAULT_PORT = 4023

interface BeaconFile {
  readonly format: typeof FORMAT
  readonly version: 1
  readonly secret: string
  readonly genesisTimeSeconds: number
  readonly periodSeconds: number
}

/** The section of a configuration that makes a node trust this beacon. */
function fragment(
  info: { readonly chainHash: Uint8Array; readonly publicKey: Uint8Array },
  times: { readonly genesisTimeSeconds: number; readonly periodSeconds: number },
  url: string,
) {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
  return {
    beacon: {
      kind: 'local' as const,
      urls: [url],
      chainHash: hex(info.chainHash),
      publicKey: hex(info.publicKey),
      genesisTimeSeconds: times.genesisTimeSeconds,
      periodSeconds: times.periodSeconds,
    },
  }
}

export const beaconNewCommand = defineCommand({
  path: 'beacon new',
  group: 'other',
  summary: 'Make a key for a beacon and print what its users configure',
  description: [
    'Whoever holds the key knows every future round and can choose committees: it belongs on a machine that neither ' +
      'proves, serves nor pays. Where that is too much trust, use the public beacon, which is the default.',
  ],
  advanced: true,
  options: {
    out: text({ summary: 'The new key file', completes: 'file', required: true }),
    period: number({
      summary: 'Time between rounds',
      placeholder: 'seconds',
      integer: true,
      min: 1,
      max: 86_400,
      default: DEFAULT_PERIOD_SECONDS,
    }),
    url: text({
      summary: 'Where the beacon will be served, for the printed configuration',
      placeholder: 'URL',
      default: `http://127.0.0.1:${DEFAULT_PORT}`,
    }),
  },
  examples: [['beacon new --out beacon-key.json > beacon.yaml', 'Make one; beacon.yaml goes to all nodes']],
  run: async (args, io) => {
    const { generateBlsSecret } = await import('../crypto/bls.js')
    const { localBeacon } = await import('../crypto/beacon.js')
    const { stringify } = await import('yaml')
    const secret = generateBlsSecret()
    const times = { genesisTimeSeconds: Math.floor(Date.now() / 1000), periodSeconds: args.period }
    const file: BeaconFile = {
      format: FORMAT,
      version: 1,
      secret: Buffer.from(secret).toString('hex'),
      ...times,
    }
    const path = expandPath(args.out)
    await writeNewPrivateFile(path, `${JSON.stringify(file, null, 2)}\n`)
    const configuration = fragment(localBeacon(secret, times), times, args.url)
    secret.fill(0)
    io.output.result({ path, ...configuration }, () => stringify(configuration, { lineWidth: 0 }))
    io.output.note(
      `The key is in ${path}. The lines above go into the configuration of every node, in place of its section beacon.`,
    )
    return 0
  },
})

export const beaconServeCommand = defineCommand({
  path: 'beacon serve',
  group: 'other',
  summary: 'Serve the rounds of a beacon of your own',
  advanced: true,
  options: {
    key: text({ summary: 'The key file that "beacon new" made', completes: 'file', required: true }),
    host: text({ summary: 'Address to listen on', placeholder: 'IP address', default: '127.0.0.1' }),
    port: number({
      summary: 'TCP port to listen on; 0 takes any free one',
      placeholder: 'port',
      integer: true,
      min: 0,
      max: 65_535,
      default: DEFAULT_PORT,
    }),
  },
  examples: [['beacon serve --key beacon-key.json --host 10.0.0.5', 'Serve a closed network']],
  run: async (args, io) => {
    const { secret, ...times } = await readBeaconFile(expandPath(args.key))
    const { localBeacon } = await import('../crypto/beacon.js')
    const { startBeaconServer } = await import('../p2p/beacon-server.js')
    const info = localBeacon(secret, times)
    const server = await startBeaconServer({ info, secret, host: args.host, port: args.port })
    try {
      const configuration = fragment(info, times, server.url)
      const { stringify } = await import('yaml')
      io.output.event('started', { url: server.url, ...configuration })
      if (io.output.mode !== 'json-stream')
        io.output.result({ url: server.url, ...configuration }, () =>
          stringify(configuration, { lineWidth: 0 }),
        )
      io.output.note(`Serving rounds at ${server.url}; Ctrl-C stops.`)
      const { untilAborted } = await import('./until-aborted.js')
      await untilAborted(io.signal)
    } finally {
      await server.close()
    }
    return 0
  },
})

async function readBeaconFile(path: string) {
  const bad = (what: string) =>
    new UserError(`${path} ${what}`, {
      code: 'BAD_KEY',
      remedy: 'name the file that "plumbline beacon new" made',
    })
  let file: Partial<Record<keyof BeaconFile, unknown>>
  try {
    file = JSON.parse(await readFile(path, 'utf8')) as typeof file
  } catch (error) {
    if (error instanceof SyntaxError) throw bad('is not JSON')
    throw error
  }
  const { format, version, secret, genesisTimeSeconds, periodSeconds } = file ?? {}
  if (format !== FORMAT || version !== 1) throw bad('is no key of a beacon')
  if (typeof secret !== 'string' || !/^[0-9a-f]{64}$/.test(secret)) throw bad('holds no key of 32 bytes')
  if (!isCount(genesisTimeSeconds) || !isCount(periodSeconds))
    throw bad('lacks genesisTimeSeconds or periodSeconds')
  const { blsPublicKey } = await import('../crypto/bls.js')
  const bytes = Uint8Array.from(Buffer.from(secret, 'hex'))
  try {
    blsPublicKey(bytes)
  } catch {
    throw bad('holds a number that is no BLS key')
  }
  return { secret: bytes, genesisTimeSeconds, periodSeconds }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 1
