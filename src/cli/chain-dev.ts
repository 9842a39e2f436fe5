/** `plumbline chain dev`: a chain of one's own on this machine, with the contracts and a beacon. */
import { mkdir } from 'node:fs/promises'
import { DEFAULT_DATA_DIR, expandPath } from '../config/paths.js'
import { configOptions, defineCommand } from './command.js'
import { labelled } from './format.js'
import { choice, list, number, text } from './option.js'

const DEFAULT_RPC_PORT = 8545
const DEFAULT_BEACON_PORT = 4023
const LABEL_WIDTH = 22
/** What --fund gives each address. */
const FUNDED_ETHER = '1000'

export const chainDevCommand = defineCommand({
  path: 'chain dev',
  group: 'chain',
  summary: 'Run a local chain with the contracts and a beacon, for trying things out',
  description: [
    'Starts anvil on loopback (the npm package @foundry-rs/anvil), deploys the contracts with short times and every ' +
      'profile allowed, and serves the beacon whose key they know. Everything is gone when it ends. The accounts it ' +
      'prints are the well-known ones of every development chain: never send real money to them.',
    'The two sections that it prints as YAML go into the configuration of the nodes that are to use it, in place of the ' +
      'sections chain and beacon that stand there.',
  ],
  options: {
    port: number({
      summary: "The chain's port; 0 takes any free one",
      placeholder: 'port',
      integer: true,
      min: 0,
      max: 65_535,
      default: DEFAULT_RPC_PORT,
    }),
    'beacon-port': number({
      summary: "The beacon's port; 0 takes any free one",
      placeholder: 'port',
      integer: true,
      min: 0,
      max: 65_535,
      default: DEFAULT_BEACON_PORT,
    }),
    hardfork: choice(['cancun', 'prague', 'osaka'], {
      summary: "The chain's rules; cancun lacks EIP-2537, so it gets no beacon contract",
      default: 'prague',
    }),
    'block-time': number({
      summary: 'A block every so often, besides one for each transaction',
      placeholder: 'seconds',
      integer: true,
      min: 1,
      max: 3600,
      default: 1,
    }),
    fund: list({ summary: `Addresses that get ${FUNDED_ETHER} ETH each`, placeholder: 'address,...' }),
    out: text({
      summary: "File for the contracts' addresses",
      completes: 'file',
      defaultText: 'deployments/31337.json in the data directory',
    }),
    'data-dir': configOptions['data-dir'],
  },
  examples: [
    ['chain dev', 'Start one; Ctrl-C ends it'],
    ['chain dev --fund 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed', 'Give a wallet of yours money there'],
  ],
  run: async (args, io) => {
    const chain = await import('../chain/index.js')
    const { parseAddress } = await import('../crypto/address.js')
    const { startBeaconServer } = await import('../p2p/beacon-server.js')
    const { stringify } = await import('yaml')
    const funded = (args.fund ?? []).map(parseAddress)
    const dataDir = expandPath(args.dataDir ?? io.env.PLUMBLINE_DATA_DIR ?? DEFAULT_DATA_DIR)
    const dev = await chain.startDevChain({
      port: args.port,
      hardfork: args.hardfork,
      blockTimeSeconds: args.blockTime,
      signal: io.signal,
      onStep: ({ name, address, gasUsed, reason }) =>
        io.output.note(
          address === null ? `${name}: left out: ${reason}` : `${name}: ${address} (${gasUsed} gas)`,
        ),
    })
    try {
      for (const address of funded) await dev.fund(address, chain.parseAmount(FUNDED_ETHER))
      const { beacon: info } = dev
      const server =
        info === undefined
          ? undefined
          : await startBeaconServer({
              info,
              secret: dev.beaconSecret,
              host: '127.0.0.1',
              port: args.beaconPort,
            })
      try {
        const path =
          args.out === undefined ? chain.deploymentPath(dataDir, dev.chainId) : expandPath(args.out)
        await mkdir(dataDir, { recursive: true, mode: 0o700 })
        await chain.writeDeployment(path, dev.deployment, { replace: true })
        const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')
        const configuration = {
          chain: { rpcUrls: [dev.rpcUrl], chainId: dev.chainId, addresses: path },
          ...(info === undefined || server === undefined
            ? {}
            : {
                beacon: {
                  kind: 'local',
                  urls: [server.url],
                  chainHash: hex(info.chainHash),
                  publicKey: hex(info.publicKey),
                  genesisTimeSeconds: info.genesisTimeSeconds,
                  periodSeconds: info.periodSeconds,
                },
              }),
        }
        const accounts = [...dev.accounts.map(({ address }) => address), ...funded]
        const result = {
          rpcUrl: dev.rpcUrl,
          chainId: dev.chainId,
          addressesPath: path,
          contracts: dev.deployment.contracts,
          absent: dev.deployment.absent,
          accounts,
          ...configuration,
        }
        const row = (label: string, value: string) => labelled(label, value, LABEL_WIDTH)
        io.output.event('started', result)
        if (io.output.mode !== 'json-stream')
          io.output.result(result, () =>
            [
              `# A development chain at ${dev.rpcUrl}, chain id ${dev.chainId}. Its accounts have 10,000 ETH each`,
              '# and the well-known mnemonic "test test test test test test test test test test test junk".',
              ...dev.accounts.map(
                ({ address }, i) => `# ${row(i === 0 ? 'account (deployed)' : 'account', address)}`,
              ),
              ...funded.map((address) => `# ${row(`funded, ${FUNDED_ETHER} ETH`, address)}`),
              ...Object.entries(dev.deployment.contracts).map(
                ([name, at]) => `# ${row(name, at ?? 'left out')}`,
              ),
              stringify(configuration, { lineWidth: 0 }),
            ].join('\n'),
          )
        io.output.note(
          'The lines above go into the configuration of every node, in place of its sections chain and beacon. Ctrl-C stops.',
        )
        const { untilAborted } = await import('./until-aborted.js')
        await Promise.race([untilAborted(io.signal), dev.exited])
        return io.signal.aborted ? 0 : 1
      } finally {
        await server?.close()
      }
    } finally {
      await dev.stop()
    }
  },
})
