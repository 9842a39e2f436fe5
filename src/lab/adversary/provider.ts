/** The ways in which a provider may cheat, as behaviours of the real one (src/inference/provider/behaviour.ts). */
import { decodeOutput, encodeOutput } from '../../inference/network/job-codec.js'
import { honestProvider, type ProviderBehaviour } from '../../inference/provider/behaviour.js'

export const PROVIDER_ATTACKS = [
  'wrong-model',
  'cached-answer',
  'shortened-output',
  'inflated-units',
  'omitted-receipts',
] as const
export type ProviderAttack = (typeof PROVIDER_ATTACKS)[number]

const BEHAVIOURS: Readonly<Record<ProviderAttack, () => ProviderBehaviour>> = {
  'wrong-model': () => wrongModel,
  'cached-answer': cachedAnswer,
  'shortened-output': () => shortenedOutput,
  'inflated-units': () => inflatedUnits,
  'omitted-receipts': () => omittedReceipts,
}

export const corruptProvider = (attack: ProviderAttack): ProviderBehaviour => BEHAVIOURS[attack]()

/** Answers with what another model makes of it: here, one that mishears every vowel. */
const wrongModel: ProviderBehaviour = {
  ...honestProvider,
  output: async (_job, run) => {
    const output = decodeOutput(await run())
    if (output.kind !== 'transcription') return encodeOutput(output)
    const heard = (text: string): string => text.replaceAll(/[aeiou]/g, (vowel) => MISHEARD[vowel] ?? vowel)
    const words = output.words.map((word) => ({ ...word, text: heard(word.text) }))
    return encodeOutput({ ...output, text: heard(output.text), words })
  },
}
const MISHEARD: Readonly<Record<string, string>> = { a: 'e', e: 'i', i: 'o', o: 'u', u: 'a' }

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

/** Has no receipts when it is asked for them. */
const omittedReceipts: ProviderBehaviour = { ...honestProvider, producesReceipt: () => false }
