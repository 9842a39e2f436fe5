/** What a call of each kind of model is, and by what its size is told. */
import { VitsTokenizer } from '../../ml/tokenizers/vits.js'
import { embedsFrom, type ModelCard } from '../catalogue/card.js'
import { LATIN, pngImage, soundOf, textOf } from './bench-inputs.js'
import type { LocalModel } from './local-model.js'
import type { Sound } from './sound.js'

/** Of a call's input. */
export type BenchmarkUnit = 'seconds' | 'characters' | 'images'

export interface BenchmarkWork {
  readonly unit: BenchmarkUnit
  /** One call. @returns seconds of the sound that was heard or spoken; undefined where there is none */
  call(model: LocalModel, size: number, signal?: AbortSignal): Promise<number | undefined>
}

/** Reads a voice's alphabet. @throws UserError where its tokenizer is missing */
export async function workOf(card: ModelCard): Promise<BenchmarkWork> {
  switch (card.task) {
    case 'transcribe':
      return hearing((model, sound, signal) => model.transcribe(sound, signal))
    case 'identify':
      return hearing((model, sound, signal) => model.identify(sound, signal))
    case 'translate':
      return hearing((model, sound, signal) => model.translate(sound, undefined, signal))
    case 'speak':
      return speaking(await lettersOf(card.directory))
    case 'embed':
      return embedding(card)
  }
}

type Hear = (model: LocalModel, sound: Sound, signal?: AbortSignal) => Promise<unknown>

const hearing = (hear: Hear): BenchmarkWork => ({
  unit: 'seconds',
  call: async (model, size, signal) => {
    await hear(model, soundOf(size), signal)
    return size
  },
})

/** One speaker, as the voice was published. */
const speaking = (letters: readonly string[]): BenchmarkWork => ({
  unit: 'characters',
  call: async (model, size, signal) => {
    const { pieces, sampleRate } = await model.planSpeech(textOf(size, letters), signal)
    let samples = 0
    for (const [index, piece] of pieces.entries())
      samples += (await model.speak({ piece, index, options: { speaker: 0, seed: 0 } }, signal)).length
    return samples / sampleRate
  },
})

function embedding(card: ModelCard): BenchmarkWork {
  const input = embedsFrom(card)
  if (input === 'sound')
    return hearing((model, content, signal) => model.embed({ content, form: 'vector' }, signal))
  const [unit, contentOf] =
    input === 'image'
      ? (['images', () => pngImage()] as const)
      : (['characters', (size: number) => textOf(size, LATIN)] as const)
  return {
    unit,
    call: async (model, size, signal) => {
      await model.embed({ content: contentOf(size), form: 'vector' }, signal)
      return undefined
    },
  }
}

/** What a voice can say: the letters of its alphabet, whatever writing they are of. */
async function lettersOf(directory: string): Promise<readonly string[]> {
  const { vocabulary } = await VitsTokenizer.read(directory)
  const letters = [...vocabulary.tokens].filter((token) => /^\p{L}$/u.test(token))
  return letters.length > 0 ? letters : LATIN
}
