/** `plumbline registry sign | show | entry`: signed lists of challenge servers, where no chain keeps them. */
import { open, readFile, rename } from 'node:fs/promises'
import { expandPath } from '../config/paths.js'
import { UserError } from '../errors.js'
import { configOptions, defineCommand, keyOptions } from './command.js'
import { formatFigures, plural, shortId, table } from './format.js'
import { badArgument, number, text } from './option.js'
import { loadSettings, openIdentity } from './settings.js'

const MAX_MBPS = 100_000

export const registrySignCommand = defineCommand({
  path: 'registry sign',
  group: 'trust',
  summary: 'Make a signed registry out of a list of challenge servers',
  description: [
    'The list is YAML or JSON: for each server peerId, operator, host (an IP address), udpPort, addresses ' +
      '(multiaddrs of its control plane) and uplinkMbps. Everybody who measures, serves or verifies with this ' +
      "registry trusts whoever signs it: give out its file and this node's address.",
  ],
  positionals: { list: text({ summary: 'The list (YAML or JSON)', completes: 'file', required: true }) },
  options: {
    out: text({
      summary: 'The registry file to write, or - for standard output',
      completes: 'file',
      defaultText: 'registry.json in the data directory',
    }),
    ...configOptions,
    ...keyOptions,
  },
  examples: [
    ['registry sign servers.yaml', 'Sign the list for this node and others'],
    ['registry sign servers.yaml --out /srv/www/registry.json', 'Publish it'],
  ],
  run: async (args, io) => {
    const { config } = await loadSettings(args, io)
    const { readRegistryList } = await import('./registry-list.js')
    const entries = await readRegistryList(expandPath(args.list))
    const { buildRegistry, signRegistry } = await import('../pob/registry.js')
    // Mistakes in the list come before the question for the passphrase.
    const { hash } = buildRegistry(entries)
    const identity = await openIdentity(config.dataDir, args.passphraseFile, io)
    const content = signRegistry(entries, identity)
    if (args.out === '-') {
      io.stdout.write(content)
      return 0
    }
    const { registryPath } = await import('../node/registry-file.js')
    const path = args.out === undefined ? registryPath(config) : expandPath(args.out)
    await replaceRegistry(path, content)
    const result = {
      path,
      entries: entries.length,
      hash: Buffer.from(hash).toString('hex'),
      publisher: identity.address,
    }
    io.output.result(result, () =>
      [
        `Signed ${plural(entries.length, 'challenge server')} as ${identity.address}.`,
        '',
        `  file  ${path}`,
        `  hash  ${result.hash}`,
      ].join('\n'),
    )
    return 0
  },
})

/** Whole or not at all, for daemons read it again at once; a file that is no registry is left alone. */
async function replaceRegistry(path: string, content: string): Promise<void> {
  const present = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (present !== undefined && !present.includes('"plumbline-registry"'))
    throw new UserError(`${path} exists and is no registry`, {
      code: 'EXISTS',
      remedy: 'choose another --out; nothing was written',
    })
  const temporary = `${path}.${process.pid}.tmp`
  const handle = await open(temporary, 'w', 0o644)
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(temporary, path)
}

export const registryShowCommand = defineCommand({
  path: 'registry show',
  group: 'trust',
  summary: 'Check a registry and list its challenge servers',
  positionals: {
    file: text({ summary: "The registry file; the configuration's unless given", completes: 'file' }),
  },
  options: { ...configOptions },
  examples: [['registry show registry.json', 'Check a file and list it']],
  run: async (args, io) => {
    const { readRegistryFile, registryPath } = await import('../node/registry-file.js')
    const path =
      args.file === undefined ? registryPath((await loadSettings(args, io)).config) : expandPath(args.file)
    const registry = readRegistryFile(path)
    const { plainEntry } = await import('./registry-list.js')
    const { addressOfPublicKey } = await import('../crypto/address.js')
    const entries = registry.entries.map(plainEntry)
    const publisher = registry.publisher === undefined ? null : addressOfPublicKey(registry.publisher)
    const hash = Buffer.from(registry.hash).toString('hex')
    io.output.result({ path, hash, publisher, entries }, () =>
      [
        `${plural(entries.length, 'challenge server')} in ${path}, signed by ${publisher ?? 'nobody'}`,
        `hash ${hash}`,
        '',
        table(entries, [
          { title: 'operator', value: (entry) => entry.operator, shrinks: true },
          { title: 'host', value: (entry) => entry.host },
          { title: 'udp', value: (entry) => String(entry.udpPort), align: 'right' },
          { title: 'Mbit/s', value: (entry) => formatFigures(entry.uplinkMbps), align: 'right' },
          { title: 'peer id', value: (entry) => shortId(entry.peerId) },
        ]),
      ].join('\n'),
    )
    return 0
  },
})

export const registryEntryCommand = defineCommand({
  path: 'registry entry',
  group: 'trust',
  summary: "Print this node's own entry, to be sent to a registry's publisher",
  options: {
    host: text({ summary: 'Public IP address of this node', placeholder: 'IP address', required: true }),
    uplink: number({
      summary: 'What this line can send',
      placeholder: 'Mbit/s',
      above: 0,
      max: MAX_MBPS,
      defaultText: 'challenger.uplinkMbps of the configuration',
    }),
    operator: text({
      summary: 'Who runs this node',
      placeholder: 'name',
      defaultText: 'challenger.operator of the configuration',
    }),
    ...configOptions,
    ...keyOptions,
  },
  examples: [['registry entry --host 203.0.113.7 --operator example.org', 'Ask to be listed']],
  run: async (args, io) => {
    const { config } = await loadSettings(args, io, {
      'challenger.uplinkMbps': args.uplink,
      'challenger.operator': args.operator,
    })
    const { isIP } = await import('node:net')
    const family = isIP(args.host)
    if (family === 0) throw badArgument(`--host expects an IP address, not ${JSON.stringify(args.host)}`)
    const { uplinkMbps, operator } = config.challenger
    if (uplinkMbps === undefined || operator === undefined)
      throw new UserError(`this node's ${uplinkMbps === undefined ? 'uplink' : 'operator'} is not known`, {
        code: 'BAD_CONFIG',
        remedy: uplinkMbps === undefined ? 'give --uplink <Mbit/s>' : 'give --operator <name>',
        exitStatus: 2,
      })
    const { readKeyFileInfo } = await import('./key-file.js')
    const { dataPaths } = await import('../config/paths.js')
    const known = await readKeyFileInfo(dataPaths(config.dataDir).key)
    const peerId = known.peerId ?? (await openIdentity(config.dataDir, args.passphraseFile, io)).peerId
    const tcpPort = config.network.listen.flatMap((address) => /\/tcp\/(\d+)/.exec(address)?.[1] ?? [])[0]
    const addresses =
      config.network.announce.length > 0
        ? config.network.announce
        : tcpPort === undefined
          ? []
          : [`/ip${family}/${args.host}/tcp/${tcpPort}`]
    const entry = {
      peerId,
      operator,
      host: args.host,
      udpPort: config.dataPlane.udpPort,
      addresses,
      uplinkMbps,
    }
    const { stringify } = await import('yaml')
    io.output.result(entry, () => stringify([entry]))
    return 0
  },
})
