/** The ways in which a provider may cheat, as behaviours of the real one (src/inference/provider/behaviour.ts). */
import { decodeOutput, encodeOutput } from '../../inference/network/job-codec.js'
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
