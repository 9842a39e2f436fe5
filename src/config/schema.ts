/**
 * The configuration: one zod schema, from which the types, the environment variables and the checks follow. Units are
 * in the names. Optional fields have no sensible default: the roles that need them say so.
 */
import { multiaddr } from '@multiformats/multiaddr'
import { z } from 'zod'
import { parseAddress, peerIdOfPublicKey, publicKeyOfPeerId } from '../crypto/identity.js'
import { LOG_LEVELS } from '../telemetry/logger.js'
import { DEFAULTS } from './defaults.js'
import { parseQuietRange } from './quiet-hours.js'

export const ROLES = ['prover', 'challenger', 'coordinator', 'payer', 'provider', 'auditor'] as const
export type Role = (typeof ROLES)[number]

/** 100 Gbit/s: beyond what one UDP socket's worker can send. */
const MAX_MBPS = 100_000
const MAX_LIST = 64
/** The words that override a licence: an operator who has asked the owners can say so, nobody does by accident. */
export const SELL_NON_COMMERCIAL = 'I have the right to sell what these models make'

/** What a parser that throws makes of a text; zod shows the parser's own line. */
const normalised = (parse: (text: string) => string) =>
  z
    .string()
    .min(1)
    .max(512)
    .transform((text, context) => {
      try {
        return parse(text)
      } catch (error) {
        context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'malformed' })
        return z.NEVER
      }
    })
/** The text itself, where a parser takes it. */
const parsed = (parse: (text: string) => unknown) =>
  normalised((text) => {
    parse(text)
    return text
  })

const multiaddrText = parsed((text) => {
  try {
    multiaddr(text)
  } catch {
    throw new Error(`"${text}" is no multiaddr; write it like /ip4/203.0.113.7/tcp/4021`)
  }
})
const peerMultiaddrText = parsed((text) => {
  const peerId = /\/p2p\/([^/]+)$/.exec(text)?.[1]
  if (peerId === undefined) throw new Error(`"${text}" names no peer; end it with /p2p/ and the peer id`)
  multiaddr(text)
})
/** A peer id, or an address with its checksum: names are compared as text. */
const peerOrAddressText = normalised((text) =>
  text.startsWith('0x') ? parseAddress(text) : peerIdOfPublicKey(publicKeyOfPeerId(text)),
)
const peerIdText = normalised((text) => peerIdOfPublicKey(publicKeyOfPeerId(text)))
const hexText = (bytes: number) =>
  z.string().regex(new RegExp(`^(?:0x)?[0-9a-fA-F]{${bytes * 2}}$`), `expected ${bytes} bytes in hex`)
const mbps = z.number().positive().max(MAX_MBPS)
const port = z.int().min(1).max(65_535)
/** An amount of money with its unit, as the chain's commands take it. */
const AMOUNT = /^\d+(?:\.\d+)?\s*(?:eth|ether|gwei|wei)$/i
const amount = z
  .string()
  .max(60)
  .regex(AMOUNT, 'expected an amount with its unit: 0.5 ETH, 20 gwei, 1000 wei')
/** What is sold, and for how much a unit. */
const pricedModel = z
  .string()
  .max(200)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}=\d+(?:\.\d+)?\s*(?:eth|ether|gwei|wei)$/i,
    'expected a model and its price a unit: asr-small=2000 gwei, or asr-small=0 wei for nothing',
  )
/** Of another server, whose names may have slashes. */
const pricedUpstreamModel = z
  .string()
  .max(200)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._/:-]{0,99}=\d+(?:\.\d+)?\s*(?:eth|ether|gwei|wei)$/i,
    'expected a model of the server and its price a unit: openai/whisper-large-v3=2000 gwei',
  )
const upstreamTask = z
  .string()
  .max(200)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._/:-]{0,99}=[a-z]+$/,
    'expected a model of the server and what it is for: openai/whisper-large-v3=transcribe',
  )
const list = <T extends z.ZodType>(item: T) => z.array(item).max(MAX_LIST)

export const configSchema = z.strictObject({
  dataDir: z.string().min(1).optional(),
  roles: list(z.enum(ROLES)).default([]),
  network: z
    .strictObject({
      listen: list(multiaddrText).default([...DEFAULTS.network.listen]),
      announce: list(multiaddrText).default([]),
      bootstrap: list(peerMultiaddrText).default([]),
      relays: list(peerMultiaddrText).default([]),
      enableRelayServer: z.boolean().default(DEFAULTS.network.enableRelayServer),
      maxPeers: z.int().min(1).max(10_000).default(DEFAULTS.network.maxPeers),
    })
    .prefault({}),
  dataPlane: z
    .strictObject({
      backend: z.enum(['auto', 'native', 'dgram']).default(DEFAULTS.dataPlane.backend),
      host: z.union([z.ipv4(), z.ipv6()]).default(DEFAULTS.dataPlane.host),
      udpPort: port.default(DEFAULTS.dataPlane.udpPort),
    })
    .prefault({}),
  challenger: z
    .strictObject({
      uplinkMbps: mbps.optional(),
      operator: z.string().min(1).max(64).optional(),
      maxConcurrentSlots: z.int().min(1).max(64).default(DEFAULTS.challenger.maxConcurrentSlots),
    })
    .prefault({}),
  prover: z
    .strictObject({
      claimMbps: mbps.optional(),
      maxClaimMbps: mbps.optional(),
      allowList: list(peerOrAddressText).default([]),
      dataCapGiBPerMonth: z.number().positive().max(1_000_000).optional(),
      quietHours: list(parsed(parseQuietRange)).default([]),
      minIntervalSeconds: z.number().min(0).max(31_536_000).default(DEFAULTS.prover.minIntervalSeconds),
    })
    .prefault({}),
  inference: z
    .strictObject({
      provider: z
        .strictObject({
          models: list(pricedModel).default([]),
          upstream: z
            .strictObject({
              url: z.url({ protocol: /^https?$/ }).optional(),
              keyFile: z.string().min(1).optional(),
              models: list(pricedUpstreamModel).default([]),
              tasks: list(upstreamTask).default([]),
            })
            .prefault({}),
          nonCommercial: z
            .literal(
              SELL_NON_COMMERCIAL,
              `to sell work of models whose licence forbids it, write: ${SELL_NON_COMMERCIAL}`,
            )
            .optional(),
          memoryGiB: z.number().positive().max(1_000_000).optional(),
          threads: z.int().min(1).max(1024).optional(),
          parallel: z.int().min(1).max(64).default(DEFAULTS.inference.provider.parallel),
          queue: z.int().min(1).max(10_000).default(DEFAULTS.inference.provider.queue),
          deadlineSeconds: z.int().min(1).max(300).default(DEFAULTS.inference.provider.deadlineSeconds),
          auditors: list(peerIdText).default([]),
          clientExposure: amount.default(DEFAULTS.inference.provider.clientExposure),
          leastDeposit: amount.default(DEFAULTS.inference.provider.leastDeposit),
          redeemAt: amount.default(DEFAULTS.inference.provider.redeemAt),
          // Ten rounds of a development chain; held against the chain's own terms once it is reached.
          redeemBeforeEndSeconds: z
            .int()
            .min(50)
            .max(30 * 86_400)
            .default(DEFAULTS.inference.provider.redeemBeforeEndSeconds),
        })
        .prefault({}),
      localMemoryGiB: z.number().positive().max(1_000_000).optional(),
      client: z
        .strictObject({
          anyModel: z.boolean().default(DEFAULTS.inference.client.anyModel),
          maxPrice: amount.optional(),
          exposure: amount.default(DEFAULTS.inference.client.exposure),
          deposit: amount.default(DEFAULTS.inference.client.deposit),
          mostLocked: amount.optional(),
          dailyBudget: amount.default(DEFAULTS.inference.client.dailyBudget),
          channelDays: z.int().min(1).max(365).default(DEFAULTS.inference.client.channelDays),
          audit: z.boolean().default(DEFAULTS.inference.client.audit),
          allowUnaudited: z.boolean().default(DEFAULTS.inference.client.allowUnaudited),
          auditors: list(peerIdText).default([]),
        })
        .prefault({}),
    })
    .prefault({}),
  registry: z
    .strictObject({
      path: z.string().min(1).optional(),
      publisher: peerOrAddressText.optional(),
    })
    .prefault({}),
  beacon: z
    .strictObject({
      kind: z.enum(['drand', 'local']).default(DEFAULTS.beacon.kind),
      urls: z
        .array(z.url({ protocol: /^https?$/ }))
        .min(1)
        .max(8)
        .default([...DEFAULTS.beacon.urls]),
      chainHash: hexText(32).optional(),
      publicKey: hexText(96).optional(),
      genesisTimeSeconds: z
        .int()
        .min(1)
        .max(2 ** 40)
        .optional(),
      periodSeconds: z.int().min(1).max(86_400).optional(),
    })
    .prefault({}),
  chain: z
    .strictObject({
      rpcUrls: z
        .array(z.url({ protocol: /^https?$/ }))
        .max(8)
        .default([]),
      chainId: z
        .int()
        .min(1)
        .max(2 ** 40)
        .optional(),
      addresses: z.string().min(1).optional(),
      maxFeePerGasGwei: z.number().positive().max(1_000_000).optional(),
      confirmations: z.int().min(1).max(1000).optional(),
    })
    .prefault({}),
  logging: z
    .strictObject({
      level: z.enum(LOG_LEVELS).default(DEFAULTS.logging.level),
      format: z.enum(['pretty', 'json']).default(DEFAULTS.logging.format),
    })
    .prefault({}),
  metrics: z
    .strictObject({
      host: z.string().min(1).max(255).default(DEFAULTS.metrics.host),
      port: z.union([port, z.literal('off')]).default(DEFAULTS.metrics.port),
    })
    .prefault({}),
})

type DeepReadonly<T> = T extends readonly (infer I)[]
  ? readonly DeepReadonly<I>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T
/** The whole configuration after defaults; `dataDir` is absolute. */
export type Config = DeepReadonly<Omit<z.infer<typeof configSchema>, 'dataDir'>> & {
  readonly dataDir: string
}

/** How a text from the environment becomes a value. */
export type LeafKind = 'text' | 'number' | 'boolean' | 'list' | 'numberOrText'
export interface Leaf {
  /** `challenger.uplinkMbps` */
  readonly path: string
  readonly kind: LeafKind
}

const unwrap = (schema: z.core.$ZodType): z.core.$ZodType =>
  schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional
    ? unwrap(schema.def.innerType)
    : schema

const kindOf = (schema: z.core.$ZodType): LeafKind => {
  if (schema instanceof z.ZodArray) return 'list'
  if (schema instanceof z.ZodNumber) return 'number'
  if (schema instanceof z.ZodBoolean) return 'boolean'
  return schema instanceof z.ZodUnion && schema.options.some((each) => kindOf(unwrap(each)) === 'number')
    ? 'numberOrText'
    : 'text'
}

const leavesOf = (schema: z.core.$ZodType, path: string): Leaf[] => {
  const inner = unwrap(schema)
  if (!(inner instanceof z.ZodObject)) return [{ path, kind: kindOf(inner) }]
  return Object.entries(inner.shape).flatMap(([name, field]) =>
    leavesOf(field, path ? `${path}.${name}` : name),
  )
}

/** Every field that may be set, in the schema's order. */
export const CONFIG_LEAVES: readonly Leaf[] = leavesOf(configSchema, '')

/** `challenger.uplinkMbps` -> `PLUMBLINE_CHALLENGER_UPLINK_MBPS`; `GiB` counts as one word. */
export function environmentName(path: string): string {
  const words = path.replace(/GiB/g, 'Gib').replace(/([a-z0-9])([A-Z])/g, '$1_$2')
  return `PLUMBLINE_${words.replaceAll('.', '_').toUpperCase()}`
}
