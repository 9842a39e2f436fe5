/** The list that a registry's publisher writes by hand: YAML or JSON, with names and units for people. */
import { readFile } from 'node:fs/promises'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { z } from 'zod'
import { parseConfigFile } from '../config/yaml-file.js'
import { peerIdOfPublicKey, publicKeyOfPeerId } from '../crypto/peer-id.js'
import { UserError } from '../errors.js'
import { MAX_CLAIM_KBPS } from '../pob/constants.js'
import type { RegistryEntry } from '../pob/registry.js'

const KBPS_PER_MBPS = 1000
const MAX_LIST_BYTES = 64 * 1024 * 1024
const DEFAULT_UDP_PORT = 4022

const listedEntry = z
  .strictObject({
    peerId: z.string().max(80).optional(),
    publicKey: z
      .string()
      .regex(/^(?:0x)?[0-9a-fA-F]{66}$/, 'expected 33 bytes in hex')
      .optional(),
    operator: z.string().min(1).max(64),
    host: z.union([z.ipv4(), z.ipv6()], 'expected an IP address'),
    udpPort: z.int().min(1).max(65_535).default(DEFAULT_UDP_PORT),
    addresses: z.array(z.string().min(1).max(200)).max(8).default([]),
    uplinkMbps: z
      .number()
      .positive()
      .max(MAX_CLAIM_KBPS / KBPS_PER_MBPS)
      .optional(),
    uplinkKbps: z.int().min(1).max(MAX_CLAIM_KBPS).optional(),
  })
  .refine((entry) => (entry.peerId === undefined) !== (entry.publicKey === undefined), {
    message: 'give either peerId or publicKey',
  })
  .refine((entry) => (entry.uplinkMbps === undefined) !== (entry.uplinkKbps === undefined), {
    message: 'give either uplinkMbps or uplinkKbps',
  })
type ListedEntry = z.infer<typeof listedEntry>

/** As `registry entry` prints it, and as the list wants it. */
export interface PlainEntry {
  readonly peerId: string
  readonly operator: string
  readonly host: string
  readonly udpPort: number
  readonly addresses: readonly string[]
  readonly uplinkMbps: number
}

/**
 * Entries of a list: a YAML or JSON sequence, or a map with `entries` (a signed registry file works, too: its
 * signature is not looked at, for it is about to be replaced).
 * @throws UserError BAD_CONFIG with line and column
 */
export async function readRegistryList(path: string): Promise<readonly RegistryEntry[]> {
  const content = await readFile(path, 'utf8')
  if (content.length > MAX_LIST_BYTES)
    throw new UserError(`${path} is too large for a registry`, { code: 'BAD_CONFIG' })
  const { value, position } = parseConfigFile(path, content)
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value) && 'entries' in value
  const entries: unknown = isMap ? value.entries : value
  if (!Array.isArray(entries) || entries.length === 0)
    throw new UserError(`${path} holds no list of entries`, {
      code: 'BAD_CONFIG',
      remedy:
        'write one with peerId, operator, host and uplinkMbps for each; "plumbline registry entry" prints one',
    })
  return entries.map((entry: unknown, i) => {
    const result = listedEntry.safeParse(entry)
    if (result.success) return toEntry(result.data)
    const [issue] = result.error.issues
    const field = issue?.path.map(String).join('.') ?? ''
    const name = `${isMap ? 'entries' : ''}[${i}]${field === '' ? '' : `.${field}`}`
    const message = issue?.message.replace(/^Invalid input: /, '') ?? 'malformed'
    throw new UserError(`${path}${position(name)}: ${name}: ${message}`, { code: 'BAD_CONFIG' })
  })
}

function toEntry(entry: ListedEntry): RegistryEntry {
  const { peerId, publicKey, operator, host, udpPort, addresses, uplinkMbps, uplinkKbps } = entry
  return {
    publicKey:
      peerId === undefined ? hexToBytes((publicKey ?? '').replace(/^0x/, '')) : publicKeyOfPeerId(peerId),
    operator,
    host,
    udpPort,
    addresses,
    uplinkKbps: uplinkKbps ?? Math.round((uplinkMbps ?? 0) * KBPS_PER_MBPS),
  }
}

export function plainEntry(entry: RegistryEntry): PlainEntry & { readonly publicKey: string } {
  const { publicKey, operator, host, udpPort, addresses, uplinkKbps } = entry
  return {
    peerId: peerIdOfPublicKey(publicKey),
    publicKey: bytesToHex(publicKey),
    operator,
    host,
    udpPort,
    addresses,
    uplinkMbps: uplinkKbps / KBPS_PER_MBPS,
  }
}
