/** `plumbline chain consent | register`: a node's key under a cold wallet. */
import { readFile } from 'node:fs/promises'
import { expandPath } from '../config/paths.js'
import type { Config } from '../config/schema.js'
import { UserError } from '../errors.js'
import {
  announceCall,
  chainOptions,
  minedJson,
  minedText,
  reportDryRun,
  walletOptions,
  withChain,
  withWallet,
} from './chain-options.js'
import { defineCommand, keyOptions } from './command.js'
import { number, text } from './option.js'
import { openIdentity } from './settings.js'

const MAX_MBPS = 100_000
/** From signing to registering, on two machines. */
const DEFAULT_VALID_HOURS = 24
const MAX_CONSENT_BYTES = 4096

export const chainConsentCommand = defineCommand({
  path: 'chain consent',
  group: 'chain',
  summary: "Sign this node's consent to be run by a cold wallet that is kept elsewhere",
  description: [
    'The cold wallet holds the stake and receives every payment; the box with the node can be stolen. Where the wallet ' +
      'is on another machine, sign here, carry the file over, and register there with --consent.',
  ],
  options: {
    owner: text({ summary: 'Address of the cold wallet', placeholder: 'address', required: true }),
    valid: number({
      summary: 'How long it can be used',
      placeholder: 'hours',
      above: 0,
      max: 8760,
      default: DEFAULT_VALID_HOURS,
    }),
    ...chainOptions,
    ...keyOptions,
  },
  examples: [['chain consent --owner 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed', 'Sign it']],
  run: (args, io) =>
    withChain(args, io, async (chain, config) => {
      const { parseAddress } = await import('../crypto/address.js')
      const owner = parseAddress(args.owner)
      const identity = await openIdentity(config.dataDir, args.passphraseFile, io)
      const { signConsent } = await import('../chain/index.js')
      const { stakeRegistry } = chain.deployment.contracts
      const expiry = (await chain.clock()).timestamp + Math.round(args.valid * 3600)
      const consent = signConsent(identity, { chainId: chain.chainId, stakeRegistry, owner, expiry })
      const result = { ...consent, expiry, owner, chainId: chain.chainId, stakeRegistry }
      io.output.result(result, () => JSON.stringify(result, null, 2))
      return 0
    }),
})

const endpointOptions = {
  host: text({ summary: 'Public IP address of the node', placeholder: 'IP address' }),
  uplink: number({
    summary: 'What its line can send',
    placeholder: 'Mbit/s',
    above: 0,
    max: MAX_MBPS,
    defaultText: 'challenger.uplinkMbps of the configuration',
  }),
} as const

export const chainRegisterCommand = defineCommand({
  path: 'chain register',
  group: 'chain',
  summary: 'Register this node under the wallet that pays, and buy its seats',
  description: [
    'A challenge server needs a seat or more: each costs the seat stake, and gives a chance to be drawn. A node that ' +
      'only proves needs none. The wallet of --wallet becomes the cold wallet: stake and payments only ever go there. ' +
      'A node that left joins again with the same command.',
  ],
  options: {
    ...endpointOptions,
    seats: number({
      summary: 'Seats to buy, 0 to 8',
      placeholder: 'seats',
      integer: true,
      min: 0,
      max: 8,
      default: 0,
    }),
    bond: text({
      summary: "Also pay so much into the prover's deposit, e.g. 0.2 ETH",
      placeholder: 'amount',
    }),
    consent: text({
      summary: 'The consent that "chain consent" made on the node',
      completes: 'file',
      defaultText: "signed here with this node's key",
    }),
    ...chainOptions,
    ...walletOptions,
  },
  examples: [
    ['chain register --host 203.0.113.7 --seats 1 --wallet w.json', 'A challenge server'],
    ['chain register --host 203.0.113.7 --bond 0.2 --wallet w.json', 'An access point, with its deposit'],
    ['chain register --host 203.0.113.7 --consent c.json --wallet w.json', 'From the machine of the wallet'],
  ],
  run: (args, io) =>
    withWallet(args, io, async ({ chain, config, wallet }) => {
      const library = await import('../chain/index.js')
      const { formatEther } = library
      const bondWei = args.bond === undefined ? 0n : library.parseAmount(args.bond)
      const endpoint = endpointOf(args, config)
      const consent =
        args.consent === undefined
          ? library.signConsent(await openIdentity(config.dataDir, args.passphraseFile, io), {
              chainId: chain.chainId,
              stakeRegistry: chain.deployment.contracts.stakeRegistry,
              owner: wallet.address,
              expiry: (await chain.clock()).timestamp + DEFAULT_VALID_HOURS * 3600,
            })
          : await readConsent(expandPath(args.consent))
      const known = await library.readNode(chain, consent.hotKey)
      if (known !== undefined && known.record !== 0)
        throw new UserError(`${consent.hotKey} is registered as node ${known.nodeId} of ${known.owner}`, {
          code: 'EXISTS',
          remedy: 'use "plumbline chain stake" to change its seats',
        })
      const call =
        known === undefined
          ? library.registerNodeCall(chain, { consent, endpoint, seats: args.seats })
          : await library.rotateNodeCall(chain, {
              nodeId: known.nodeId,
              consent,
              endpoint,
              seats: args.seats,
            })
      if (args.dryRun) return reportDryRun(chain, call, io, { hotKey: consent.hotKey, seats: args.seats })
      await announceCall(chain, call, io)
      const signal = { signal: io.signal }
      const registered =
        known === undefined
          ? await library.registerNode(chain, { consent, endpoint, seats: args.seats }, signal)
          : await library.rotateNode(
              chain,
              { nodeId: known.nodeId, consent, endpoint, seats: args.seats },
              signal,
            )
      const deposited =
        bondWei === 0n
          ? undefined
          : await library.depositBond(chain, { prover: consent.hotKey, amountWei: bondWei }, signal)
      const result = {
        chainId: chain.chainId,
        nodeId: registered.nodeId,
        hotKey: consent.hotKey,
        owner: wallet.address,
        seats: args.seats,
        stakedWei: registered.stakedWei.toString(),
        bondWei: bondWei.toString(),
        ...minedJson(registered),
        ...(deposited === undefined ? {} : { deposit: minedJson(deposited) }),
      }
      const text = await minedText(
        `Registered as node ${registered.nodeId} on chain ${chain.chainId}.`,
        [
          ['hot key', consent.hotKey],
          ['cold wallet', wallet.address],
          ['seats', `${args.seats}, ${formatEther(registered.stakedWei)} staked`],
          ...(deposited === undefined ? [] : [['deposit', formatEther(bondWei)] as const]),
        ],
        registered,
      )
      io.output.result(result, () => text)
      return 0
    }),
})

interface EndpointArguments {
  readonly host: string | undefined
  readonly uplink: number | undefined
  readonly seats: number
}

/** @throws UserError BAD_ARGUMENT for what is missing */
function endpointOf({ host, uplink, seats }: EndpointArguments, config: Config) {
  const missing = (what: string, remedy: string) =>
    new UserError(`the node's ${what} is not known`, { code: 'BAD_ARGUMENT', remedy, exitStatus: 2 })
  if (host === undefined) throw missing('host', 'give --host <IP address>')
  const uplinkMbps = uplink ?? config.challenger.uplinkMbps
  if (seats > 0 && uplinkMbps === undefined) throw missing('uplink', 'give --uplink <Mbit/s>')
  const tcpPort = config.network.listen.flatMap((address) => /\/tcp\/(\d+)/.exec(address)?.[1] ?? [])[0]
  const family = host.includes(':') ? 6 : 4
  const own = tcpPort === undefined ? [] : [`/ip${family}/${host}/tcp/${tcpPort}`]
  return {
    host,
    udpPort: config.dataPlane.udpPort,
    uplinkKbps: Math.round((uplinkMbps ?? 0) * 1000),
    addresses: config.network.announce.length > 0 ? [...config.network.announce] : own,
  }
}

async function readConsent(path: string) {
  const bad = (what: string) =>
    new UserError(`${path} ${what}`, {
      code: 'BAD_CONFIG',
      remedy: 'name the file that "plumbline chain consent" made',
    })
  const content = await readFile(path, 'utf8')
  if (content.length > MAX_CONSENT_BYTES) throw bad('is too large for a consent')
  let file: Readonly<Record<string, unknown>>
  try {
    file = JSON.parse(content) as typeof file
  } catch {
    throw bad('is not JSON')
  }
  const { parseAddress } = await import('../crypto/address.js')
  const { hotKey, salt, expiry, signature } = file ?? {}
  const hex = (value: unknown, bytes: number): value is `0x${string}` =>
    typeof value === 'string' && new RegExp(`^0x[0-9a-fA-F]{${2 * bytes}}$`).test(value)
  if (typeof hotKey !== 'string' || !hex(salt, 32) || !hex(signature, 65) || !Number.isSafeInteger(expiry))
    throw bad('is no consent')
  return { hotKey: parseAddress(hotKey), salt, expiry: BigInt(Number(expiry)), signature }
}
