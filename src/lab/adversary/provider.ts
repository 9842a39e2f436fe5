/** The ways in which a provider may cheat, as behaviours of the real one (src/inference/provider/behaviour.ts). */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { TypedDomain } from '../../crypto/eip712.js'
import type { Signer } from '../../crypto/identity.js'
import { decodeOutput, encodeOutput, encodeTerms, hashOf } from '../../inference/network/job-codec.js'
import { NO_RECEIPTS, receiptDigest, type SignedReceipt, signReceipt } from '../../inference/payment/index.js'
import { honestProvider, type ProviderBehaviour } from '../../inference/provider/behaviour.js'

export const PROVIDER_ATTACKS = [
  'wrong-model',
  'cached-answer',
  'shortened-output',
  'inflated-units',
  'omitted-receipts',
  'late-receipts',
] as const
export type ProviderAttack = (typeof PROVIDER_ATTACKS)[number]

const BEHAVIOURS: Readonly<Record<ProviderAttack, () => ProviderBehaviour>> = {
  'wrong-model': () => wrongModel,
  'cached-answer': cachedAnswer,
  'shortened-output': () => shortenedOutput,
  'inflated-units': () => inflatedUnits,
  'omitted-receipts': () => omittedReceipts,
  'late-receipts': () => lateReceipts,
}

export const corruptProvider = (attack: ProviderAttack): ProviderBehaviour => BEHAVIOURS[attack]()

/** Runs another model that it sells for the same task, under the name and the hash of the one that was asked for. */
const wrongModel: ProviderBehaviour = {
  ...honestProvider,
  output: ({ model, sold }, run) => {
    const task = sold.get(model)?.task
    const other = [...sold].find(([sha256, each]) => sha256 !== model && each.task === task)
    if (other === undefined) throw new Error('a wrong model takes a second one of the same task that is sold')
    return run(other[0])
  },
}

/** Runs one job, and answers all others with its output. */
function cachedAnswer(): ProviderBehaviour {
  let cached: Promise<Uint8Array> | undefined
  return {
    ...honestProvider,
    output: (_job, run) => {
      cached ??= run()
      return cached
    },
  }
}

/** Leaves the second half out. */
const shortenedOutput: ProviderBehaviour = {
  ...honestProvider,
  output: async (_job, run) => {
    const output = decodeOutput(await run())
    if (output.kind !== 'transcription') return encodeOutput(output)
    const words = output.words.slice(0, Math.floor(output.words.length / 2))
    return encodeOutput({ ...output, text: words.map(({ text }) => text).join(' '), words })
  },
}

/** Says that it did twice the work for the money. */
const inflatedUnits: ProviderBehaviour = {
  ...honestProvider,
  work: (honest) => ({ ...honest, units: 2 * honest.units }),
}

/** Longer than anything of a job must be kept. */
const HIDDEN_SECONDS = 90_000

/**
 * Shows each receipt when it is so old that nobody can ask what it did for it: then it has everything that a redemption
 * commits to. Where it is paid before, it is one that omits them.
 */
const lateReceipts: ProviderBehaviour = {
  ...honestProvider,
  producesReceipt: ({ issuedAt }, now) => now - issuedAt >= HIDDEN_SECONDS,
}

/** Has no receipts when it is asked for them. */
const omittedReceipts: ProviderBehaviour = { ...honestProvider, producesReceipt: () => false }

/**
 * What auditors are shown in place of the chain that is sold, whose outputs may be anything: a chain made beside it by the
 * same key. Where the head of it is kept back nothing that is shown contradicts a redemption.
 */
export const CHAIN_ATTACKS = ['forked-chain', 'headless-fork'] as const
export type ChainAttack = (typeof CHAIN_ATTACKS)[number]

/** Of jobs that were never asked for: nothing of them can be audited. */
export const MADE_UP_TERMS = encodeTerms({
  ...{ task: 'transcribe', unit: 'audio-second', units: 1, priceWeiPerUnit: 1n },
  audit: false,
})

interface Forger {
  readonly domain: TypedDomain
  readonly signer: Signer
}

/** A receipt of the same number, date and price, which follows another one. */
function madeUp(
  { signature, ...sold }: SignedReceipt,
  previous: Uint8Array,
  { domain, signer }: Forger,
): SignedReceipt {
  const job = { jobId: hashOf(signature), input: hashOf(sold.input), terms: hashOf(MADE_UP_TERMS) }
  return signReceipt(domain, { ...sold, ...job, previous }, signer)
}

/** @param sold the whole chain, from its first receipt */
export function shownChain(
  attack: ChainAttack,
  sold: readonly SignedReceipt[],
  forger: Forger,
): readonly SignedReceipt[] {
  const shown: SignedReceipt[] = []
  let previous: Uint8Array = NO_RECEIPTS
  for (const each of sold) {
    const receipt = madeUp(each, previous, forger)
    previous = receiptDigest(forger.domain, receipt)
    shown.push(receipt)
  }
  return attack === 'headless-fork' ? shown.slice(0, -1) : shown
}

/**
 * Sells half of each output, and shows auditors the other chain, part by part as they ask for it; says of all that is in it
 * that its payer wanted no audit. It forgets that chain when it stops: who asks on from the middle is shown nothing then.
 * Without the head it keeps back the newest receipt at the time, and does not know which ones redemptions name: where it
 * is paid before it is asked, or sells on, it shows those as well, and is contradicted.
 */
export function forkingProvider(attack: ChainAttack, signer: Signer): ProviderBehaviour {
  const chains = new Map<string, { readonly shown: SignedReceipt[]; head: Uint8Array }>()
  const digests = new Set<string>()
  return {
    ...shortenedOutput,
    shownReceipts: (sold, domain) => {
      const [first] = sold
      if (first === undefined) return []
      const id = bytesToHex(first.channelId)
      const chain = chains.get(id) ?? { shown: [], head: NO_RECEIPTS }
      chains.set(id, chain)
      for (const each of sold) {
        if (each.index !== chain.shown.length + 1) continue
        const receipt = madeUp(each, chain.head, { domain, signer })
        chain.head = receiptDigest(domain, receipt)
        chain.shown.push(receipt)
        digests.add(bytesToHex(chain.head))
      }
      const part = chain.shown.slice(first.index - 1, first.index - 1 + sold.length)
      return attack === 'headless-fork' ? part.slice(0, -1) : part
    },
    evidence: async (receipt, answer) =>
      digests.has(bytesToHex(receipt)) ? { kind: 'optedOut', terms: MADE_UP_TERMS } : answer(),
  }
}
