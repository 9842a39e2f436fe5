/** `plumbline audit`: providers that signed a receipt against their own redemption, which no beacon need have drawn. */
import { readFile, stat } from 'node:fs/promises'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Redemption } from '../chain/index.js'
import { checksumAddress } from '../crypto/address.js'
import type { TypedDomain } from '../crypto/eip712.js'
import { peerIdOfPublicKey } from '../crypto/identity.js'
import { UserError } from '../errors.js'
import { type Contradiction, isRedeemed } from '../inference/audit/contradiction.js'
import { MAX_CONTRADICTIONS_BYTES, readContradictions } from '../inference/audit/contradictions.js'
import { receiptDigest } from '../inference/payment/index.js'
import { type ChainArguments, chainSettings } from './chain-options.js'
import { labelled, printable, shortId, table } from './format.js'
import type { CommandIo } from './io.js'

/** A contradiction whose signature was checked, and whether the chain has the redemption that it contradicts. */
export interface JudgedContradiction {
  readonly file: string
  readonly provider: string
  readonly channelId: string
  readonly index: number
  /** Digest of the receipt that the provider signed and showed, hex. */
  readonly shown: string
  /** Digest of the one that it redeemed, hex. */
  readonly redeemed: string
  readonly chainId: number
  readonly contract: string
  readonly issuedAt: string
  /** Null where this node's chain could not be asked, or is another one. */
  readonly isRedeemed: boolean | null
  /** `unproven`: the chain has no such redemption. */
  readonly verdict: 'bad' | 'unproven' | 'undecided'
  readonly reason: string
}

/** What this node's chain has of the channels. */
export interface Redeemed {
  readonly domain: TypedDomain
  readonly redemptions: readonly Omit<Redemption, 'at'>[]
}

/** A file of contradictions, read whole. */
export interface ContradictionsFile {
  readonly file: string
  readonly contradictions: readonly Contradiction[]
  /** Written by this node, which read the redemptions when it did. */
  readonly isOwn: boolean
}

/** @throws UserError NOT_FOUND, BAD_ARGUMENT, BAD_MESSAGE, VERIFICATION_FAILED, with the file's name */
export async function readContradictionsFile(file: string, isOwn: boolean): Promise<ContradictionsFile> {
  const status = await stat(file).catch(() => undefined)
  if (status?.isFile() !== true)
    throw new UserError(`there is no file ${file}`, {
      code: 'NOT_FOUND',
      remedy: 'name the file contradictions.json of an auditor',
    })
  const remedy = isOwn
    ? 'move it away: this node begins a new one with the next contradiction that it meets'
    : 'ask its maker for it again'
  if (status.size > MAX_CONTRADICTIONS_BYTES)
    throw new UserError(`${file} has ${status.size} bytes: too many for a file of contradictions`, {
      code: 'BAD_ARGUMENT',
      remedy,
    })
  try {
    return { file, contradictions: readContradictions(await readFile(file, 'utf8')), isOwn }
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    throw new UserError(`${file}: ${error.message}`, { code: error.code, remedy })
  }
}

/** What this node met itself; nothing where it has no such file. @throws UserError for a damaged one */
export async function readOwnContradictions(file: string): Promise<readonly ContradictionsFile[]> {
  const isThere = await stat(file).then(
    () => true,
    () => false,
  )
  return isThere ? [await readContradictionsFile(file, true)] : []
}

/**
 * What the chain of --rpc, or of the configuration, has of these channels; undefined, with a warning, where it cannot be
 * asked.
 */
export async function readRedeemed(
  args: ChainArguments,
  io: CommandIo,
  contradictions: readonly Contradiction[],
): Promise<Redeemed | undefined> {
  if (contradictions.length === 0) return undefined
  const { config, chain: settings } = await chainSettings(args, io)
  const { channelsContract, openConfiguredChain, readRedemptions } = await import('../chain/index.js')
  const { paymentDomain } = await import('../inference/payment/index.js')
  const { dataDir } = config
  try {
    const chain = await openConfiguredChain(settings, { dataDir, signal: io.signal })
    try {
      const domain = paymentDomain(chain.chainId, channelsContract(chain))
      const ids = contradictions.filter((each) => isSame(each.domain, domain)).map(channelOf)
      const channelIds = [...new Set(ids)].map((id) => `0x${id}` as const)
      return { domain, redemptions: await readRedemptions(chain, { channelIds, signal: io.signal }) }
    } finally {
      await chain.close()
    }
  } catch (error) {
    io.signal.throwIfAborted()
    if (!(error instanceof UserError)) throw error
    io.output.warn(`the chain was not asked for redemptions: ${error.line}`)
    return undefined
  }
}

export function judgeContradictions(
  { file, contradictions, isOwn }: ContradictionsFile,
  redeemed: Redeemed | undefined,
): readonly JudgedContradiction[] {
  return contradictions.map((contradiction) => {
    const { domain, provider, receipt, receiptsHead } = contradiction
    const found =
      redeemed === undefined || !isSame(redeemed.domain, domain)
        ? null
        : isRedeemed(contradiction, redeemed.redemptions)
    return {
      file,
      provider: peerIdOfPublicKey(provider),
      channelId: channelOf(contradiction),
      index: receipt.index,
      shown: bytesToHex(receiptDigest(domain, receipt)),
      redeemed: bytesToHex(receiptsHead),
      chainId: domain.chainId,
      contract: checksumAddress(domain.verifyingContract),
      issuedAt: new Date(receipt.issuedAt * 1000).toISOString(),
      isRedeemed: found,
      ...verdictOf(found, { isOwn, isOtherChain: redeemed !== undefined && found === null }),
    }
  })
}

function verdictOf(
  found: boolean | null,
  { isOwn, isOtherChain }: { readonly isOwn: boolean; readonly isOtherChain: boolean },
): Pick<JudgedContradiction, 'verdict' | 'reason'> {
  if (found === true)
    return {
      verdict: 'bad',
      reason:
        'it signed one receipt of this number, and redeemed another one on the chain: proven, and no draw is needed',
    }
  if (found === false)
    return {
      verdict: 'unproven',
      reason:
        'it signed this receipt, but the chain has no redemption that differs so: that half is made up, and nobody is blamed',
    }
  const unasked = isOtherChain
    ? 'it is of another chain or contract than the one that is configured here'
    : 'the chain could not be asked'
  return isOwn
    ? { verdict: 'bad', reason: `this node saw the redemption when it wrote this; now ${unasked}` }
    : {
        verdict: 'undecided',
        reason: `it signed this receipt; whether it redeemed another one the chain shows, and ${unasked}: give --rpc`,
      }
}

const isSame = (a: TypedDomain, b: TypedDomain): boolean =>
  a.chainId === b.chainId && Buffer.compare(a.verifyingContract, b.verifyingContract) === 0
const channelOf = ({ receipt }: Contradiction): string => bytesToHex(receipt.channelId)

/** Of a place in a channel, to tell which findings are about a contradiction. */
export const placeOf = ({
  provider,
  channelId,
  index,
  receipt,
}: {
  readonly provider: string
  readonly channelId: string
  readonly index: number
  readonly receipt: string | null
}): string => [provider, channelId, index, receipt].join('/')

const ON_CHAIN = new Map([
  [true, 'on chain'],
  [false, 'not there'],
  [null, 'not asked'],
])
const CHANNEL_DIGITS = 12
const COLUMNS = [
  { title: 'provider', value: ({ provider }: JudgedContradiction) => shortId(provider) },
  { title: 'channel', value: ({ channelId }: JudgedContradiction) => channelId.slice(0, CHANNEL_DIGITS) },
  { title: 'receipt', align: 'right' as const, value: ({ index }: JudgedContradiction) => String(index) },
  { title: 'issued', value: ({ issuedAt }: JudgedContradiction) => issuedAt.slice(0, 10) },
  { title: 'redeemed', value: ({ isRedeemed }: JudgedContradiction) => ON_CHAIN.get(isRedeemed) ?? '' },
  { title: 'verdict', value: ({ verdict }: JudgedContradiction) => verdict },
]
const REASON_INDENT = 14

/** For people: a title, a table, and what each is worth. */
export function contradictionsText(judged: readonly JudgedContradiction[]): readonly string[] {
  if (judged.length === 0) return []
  const lines = judged.map(({ channelId, shown, redeemed, reason }) => {
    const digests = `showed ${shown.slice(0, CHANNEL_DIGITS)}, redeemed ${redeemed.slice(0, CHANNEL_DIGITS)}`
    return labelled(channelId.slice(0, CHANNEL_DIGITS), printable(`${digests}: ${reason}`), REASON_INDENT)
  })
  return ['Receipts against redemptions:', table(judged, COLUMNS), lines.join('\n')]
}
