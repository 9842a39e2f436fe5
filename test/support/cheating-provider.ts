/** The ways in which a provider may cheat, as behaviours of the real one (src/inference/provider/behaviour.ts). */
import { decodeOutput, encodeOutput } from '../../src/inference/network/job-codec.js'
import { honestProvider, type ProviderBehaviour } from '../../src/inference/provider/behaviour.js'

/** Answers with what another model makes of it: here, one that mishears every word. */
export const wrongModel: ProviderBehaviour = {
  ...honestProvider,
  output: async (_job, run) => {
    const output = decodeOutput(await run())
    if (output.kind !== 'transcription') return encodeOutput(output)
    const heard = (text: string): string => text.replaceAll(/[aeiou]/g, 'u')
    const words = output.words.map((word) => ({ ...word, text: heard(word.text) }))
    return encodeOutput({ ...output, text: heard(output.text), words })
  },
}

/** Runs one job, and answers all others with its output. */
export function cachedAnswer(): ProviderBehaviour {
  let cached: Uint8Array | undefined
  return {
    ...honestProvider,
    output: async (_job, run) => {
      cached ??= await run()
      return cached
    },
  }
}

/** Leaves the second half out. */
export const shortenedOutput: ProviderBehaviour = {
  ...honestProvider,
  output: async (_job, run) => {
    const output = decodeOutput(await run())
    if (output.kind !== 'transcription') return encodeOutput(output)
    const words = output.words.slice(0, Math.floor(output.words.length / 2))
    return encodeOutput({ ...output, text: words.map(({ text }) => text).join(' '), words })
  },
}

/** Says that it did twice the work for the money. */
export const inflatedUnits: ProviderBehaviour = {
  ...honestProvider,
  work: (honest) => ({ ...honest, units: 2 * honest.units }),
}

/** Has no receipts when it is asked for them. */
export const omittedReceipts: ProviderBehaviour = { ...honestProvider, producesReceipt: () => false }
