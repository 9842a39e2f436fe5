/**
 * One receipt under audit: does it say what happened? Its hashes and its sum are checked first, then the job is run again
 * with the same model, on two runtimes that share no code for their arithmetic. Where those two disagree with each other
 * the job is undecided, and no provider is blamed for it.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Address } from '../../crypto/address.js'
import type { TypedDomain } from '../../crypto/eip712.js'
import { UserError } from '../../errors.js'
import { type JobOutput, type JobSource, OUTPUT_KINDS } from '../job.js'
import { decodeInput, decodeOutput, decodeTerms, hashOf, parametersOf } from '../network/job-codec.js'
import { isReceiptOf, ReceiptKind, type SignedReceipt } from '../payment/receipt.js'
import { priceOf, unitsOf } from '../units.js'
import { disagreement } from './agreement.js'

/** What belongs to a receipt, as the client has it: bytes as they travelled. */
export interface JobEvidence {
  readonly receipt: SignedReceipt
  readonly input: Uint8Array
  readonly terms: Uint8Array
  readonly output: Uint8Array
}

export type Verdict =
  | { readonly verdict: 'good' }
  | { readonly verdict: 'bad'; readonly reason: string }
  /** The auditor cannot tell: it lacks the model, or its two executions differ. */
  | { readonly verdict: 'undecided'; readonly reason: string }

export interface Auditor {
  readonly domain: TypedDomain
  /** Of the provider. */
  readonly payee: Address
  /** Independent executions of the same models; the first alone decides where it finds no fault. */
  readonly executions: readonly [JobSource, ...JobSource[]]
}

const bad = (reason: string): Verdict => ({ verdict: 'bad', reason })
const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/** @throws only what is no finding: the signal's reason, a bug */
export async function auditJob(
  auditor: Auditor,
  evidence: JobEvidence,
  signal?: AbortSignal,
): Promise<Verdict> {
  const stated = auditStatement(auditor, evidence)
  if (stated !== undefined) return stated
  const { receipt } = evidence
  const terms = decodeTerms(evidence.terms)
  const input = decodeInput(evidence.input)
  const claimed = decodeOutput(evidence.output)
  const job = { task: terms.task, model: bytesToHex(receipt.model), input, parameters: parametersOf(terms) }
  const outputs: JobOutput[] = []
  let failure: string | undefined
  for (const execution of auditor.executions) {
    try {
      const { output } = await execution.run(job, signal === undefined ? {} : { signal })
      // One execution that agrees acquits; to blame takes all of them.
      if (disagreement(output, claimed) === undefined) return { verdict: 'good' }
      outputs.push(output)
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof UserError)) throw error
      failure ??= error.message
    }
  }
  if (failure !== undefined) return { verdict: 'undecided', reason: failure }
  const [first, ...others] = outputs
  if (first === undefined) throw new Error('an audit without an execution')
  if (others.length === 0) return { verdict: 'undecided', reason: 'one execution alone blames nobody' }
  const split = others.map((other) => disagreement(first, other)).find((each) => each !== undefined)
  if (split !== undefined) return { verdict: 'undecided', reason: `two executions differ in ${split}` }
  return bad(`another output was due: it differs in ${disagreement(first, claimed) ?? 'nothing'}`)
}

/** What a receipt says is checked against what belongs to it, without running anything; undefined where all fits. */
export function auditStatement(
  { domain, payee }: Pick<Auditor, 'domain' | 'payee'>,
  { receipt, input, terms, output }: JobEvidence,
): Verdict | undefined {
  if (!isReceiptOf(domain, receipt, payee))
    return { verdict: 'undecided', reason: 'the receipt is of somebody else' }
  if (receipt.kind !== ReceiptKind.job) return { verdict: 'good' }
  // What does not hash to the receipt is the client's word against the provider's.
  for (const [what, bytes, hash] of [
    ['input', input, receipt.input],
    ['terms', terms, receipt.terms],
    ['output', output, receipt.output],
  ] as const)
    if (!isSame(hashOf(bytes), hash))
      return { verdict: 'undecided', reason: `the ${what} is not the receipt's` }
  try {
    const agreed = decodeTerms(terms)
    const { kind } = decodeOutput(output)
    if (kind !== OUTPUT_KINDS[agreed.task])
      return bad(`the output of a job to ${agreed.task} is of the kind ${kind}`)
    const units = unitsOf(agreed.unit, decodeInput(input))
    if (receipt.units !== units)
      return bad(`the receipt counts ${receipt.units} units, the input has ${units}`)
    const priceWei = priceOf(units, agreed.priceWeiPerUnit)
    if (receipt.priceWei !== priceWei)
      return bad(`the receipt asks for ${receipt.priceWei} wei, agreed were ${priceWei}`)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    return bad(`what was sent cannot be read: ${error.message}`)
  }
  return undefined
}
