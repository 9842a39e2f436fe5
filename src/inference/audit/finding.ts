/** Findings: what an auditor signs of one receipt, and what many of them make of a provider's public record. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { decode, encode } from '../../crypto/cbor.js'
import { bytes, enumeration, type Infer, integer, object, text } from '../../crypto/cbor-schema.js'
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES, type Signer, verifySignature } from '../../crypto/identity.js'
import { UserError } from '../../errors.js'
import { isPlaceSampled, isSampled } from './sampling.js'

const TAG = utf8ToBytes('plumbline/finding/1')
export const MAX_FINDING_BYTES = 2048
/** Clocks may differ so far: what is dated later is of no use yet. */
export const CLOCK_SLACK_SECONDS = 120

const bodySchema = object({
  version: enumeration(1),
  auditor: bytes({ length: PUBLIC_KEY_BYTES }),
  provider: bytes({ length: PUBLIC_KEY_BYTES }),
  channelId: bytes({ length: 32 }),
  index: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  /** Of the receipt; 32 zero bytes for one that was not produced. */
  receipt: bytes({ length: 32 }),
  /** The beacon's round that drew it. */
  round: integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  verdict: enumeration('good', 'bad', 'missing', 'undecided'),
  reason: text({ max: 300 }),
  /** Unix seconds. */
  at: integer({ max: Number.MAX_SAFE_INTEGER }),
})
const signedSchema = object({
  body: bytes({ max: MAX_FINDING_BYTES }),
  signature: bytes({ length: SIGNATURE_BYTES }),
})

export type Finding = Infer<typeof bodySchema>
const digestOf = (body: Uint8Array): Uint8Array => sha256(concatBytes(TAG, body))

export function signFinding(signer: Signer, finding: Omit<Finding, 'version' | 'auditor'>): Uint8Array {
  const body = encode({ version: 1, auditor: signer.publicKey, ...finding })
  return encode({ body, signature: signer.sign(digestOf(body)) })
}

/** @throws UserError BAD_MESSAGE; VERIFICATION_FAILED for one that its auditor did not sign */
export function readFinding(message: Uint8Array): Finding {
  const { body, signature } = signedSchema.read(decode(message, { maxBytes: MAX_FINDING_BYTES }), 'finding')
  const finding = bodySchema.read(decode(body), 'finding')
  if (!verifySignature(finding.auditor, digestOf(body), signature))
    throw new UserError('the finding is not signed by its auditor', { code: 'VERIFICATION_FAILED' })
  return finding
}

/** Whether its round draws what it is about: the receipt, or the place of one that nobody produced. */
export function isDrawnBy(randomness: Uint8Array, { receipt, channelId, index }: Finding): boolean {
  return isOfPlace(receipt) ? isPlaceSampled(randomness, channelId, index) : isSampled(randomness, receipt)
}

/** What is known of a provider by the findings of auditors whom one trusts. */
export interface ProviderRecord {
  readonly provider: string
  /** Receipts with a verdict, undecided ones left out; each counts once. */
  readonly audited: number
  readonly failed: number
  /** Places with a receipt that it answered nothing for while it did for others, and that no finding has a verdict about. */
  readonly unanswered: number
  /** It may have failed more often: no more of its failures are kept. */
  readonly isCut: boolean
  /** Unix seconds; null where there is none. */
  readonly lastFailure: number | null
}

/** Whether an auditor says that it had no answer: the only undecided ones that are signed. */
const isUnanswered = ({ verdict }: Pick<Finding, 'verdict'>): boolean => verdict === 'undecided'

/**
 * Whether somebody had no answer about a receipt that nobody has a verdict about. What was found of another one, which the
 * provider may have signed beside it, answers for none.
 * @param findings of one place
 */
export function wasUnanswered(findings: Iterable<Finding>): boolean {
  const all = [...findings]
  const judged = new Set(all.filter((each) => !isUnanswered(each)).map(({ receipt }) => bytesToHex(receipt)))
  return all.some((each) => isUnanswered(each) && !judged.has(bytesToHex(each.receipt)))
}

export const isBlame = ({ verdict }: Pick<Finding, 'verdict'>): boolean =>
  verdict === 'bad' || verdict === 'missing'

/** Of one receipt. */
export interface Judgement {
  readonly isFailed: boolean
  /** Of the last blame, Unix seconds; undefined where nobody blames. */
  readonly at: number | undefined
}

/**
 * A place counts once, and as failed where more of its auditors say so than say otherwise: a single one convicts nobody
 * whom another acquits. What an auditor said last counts, by the time that it signed, in whatever order they came; of one
 * second what acquits. A provider may sign several receipts for a place, and show them to different auditors: what is
 * said of one acquits no other. That none was produced is said of the place, which any acquits.
 * @param findings of one place
 * @returns undefined where no finding has a verdict
 */
export function judgeReceipt(findings: Iterable<Finding>): Judgement | undefined {
  const all = [...findings].filter(({ verdict }) => verdict !== 'undecided')
  if (all.length === 0) return undefined
  const blamed = new Map(all.filter(isBlame).map(({ receipt }) => [bytesToHex(receipt), receipt]))
  let isFailed = false
  const times: number[] = []
  for (const receipt of blamed.values()) {
    const ofIt = lastOfEach(isOfPlace(receipt) ? all : all.filter((each) => isSame(each.receipt, receipt)))
    const against = ofIt.filter(isBlame)
    if (2 * against.length > ofIt.length) isFailed = true
    times.push(...against.map(({ at }) => at))
  }
  return { isFailed, at: times.length === 0 ? undefined : Math.max(...times) }
}

function lastOfEach(findings: readonly Finding[]): readonly Finding[] {
  const byAuditor = new Map<string, Finding>()
  for (const finding of findings) {
    const auditor = bytesToHex(finding.auditor)
    const known = byAuditor.get(auditor)
    if (known === undefined || finding.at > known.at || (finding.at === known.at && isBlame(known)))
      byAuditor.set(auditor, finding)
  }
  return [...byAuditor.values()]
}

/** No receipt was there. */
const isOfPlace = (receipt: Uint8Array): boolean => receipt.every((byte) => byte === 0)
const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
