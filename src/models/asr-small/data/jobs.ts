/** Everything that goes into the recogniser's data, in a fixed order: recordings first, then synthetic sentences. */
import { readFile } from 'node:fs/promises'
import { Random } from '../../../ml/train/random.js'
import { HeldOutIndex, splitSentences } from '../split.js'
import { normaliseText } from '../text.js'
import { isSpoken, type Prompt, readPrompts } from './prompts.js'
import { drawMenuSentence, drawNumberSentence, PhraseWalk } from './sentences.js'
import { type GeneralText, type LanguageModelTexts, readGeneralText } from './texts.js'
import { drawVoice, HELD_OUT_VOICE, TRAINING_VOICES, type Voice } from './voices.js'

export type Split =
  | 'train'
  /** Held-out recordings: figures. */
  | 'test'
  /** Held-out recordings: decoder weights and thresholds are chosen on these. */
  | 'dev'
  /** Too like a held-out recording to be trained on, and not drawn as one. */
  | 'dropped'
  /** The test sentences in a synthetic voice that is not trained on. */
  | 'voice'
  /** Sentences of no grammar in that voice, for rejection. */
  | 'outside'
  /** LibriVox clips. */
  | 'librivox'

export interface Job {
  readonly id: string
  /** Normalised. */
  readonly text: string
  readonly split: Split
  readonly source: string
  readonly speaker: string
  /** A file to read, or a voice to speak with. */
  readonly from: { readonly path: string } | { readonly voice: Voice }
}

export interface JobPlan {
  readonly jobs: readonly Job[]
  readonly dropped: number
  /** Sentences for the language model, none of them too like a held-out one. */
  readonly texts: LanguageModelTexts
}

export interface DataRecipe {
  readonly seed: number
  readonly testSentences: number
  readonly devSentences: number
  readonly syntheticSentences: number
}

export const DATA_RECIPE: DataRecipe = {
  seed: 1,
  testSentences: 80,
  devSentences: 15,
  syntheticSentences: 22_000,
}

/** Shares of the synthetic sentences. */
const SHARES = { wordNet: 0.44, verses: 0.16, walk: 0.14, menu: 0.1, numbers: 0.12, prompts: 0.04 } as const
const OUTSIDE_SENTENCES = 80
const LIBRIVOX = '/usr/share/pocketsphinx/test/data/librivox'

/** Reads the sources that are installed, draws split, sentences and voices. @throws Error where a source is missing. */
export async function planJobs(recipe: DataRecipe): Promise<JobPlan> {
  const prompts = (await readPrompts('en')).filter(isSpoken)
  const spoken = prompts.map((prompt) => ({ prompt, text: normaliseText(prompt.text) }))
  const { heldOut, train, dropped } = splitSentences(
    spoken.map(({ text }) => text),
    recipe.testSentences + recipe.devSentences,
    recipe.seed,
  )
  const order = Random.named(recipe.seed, 'test and dev').shuffle([...heldOut])
  const test = new Set(order.slice(0, recipe.testSentences))
  const dev = new Set(order.slice(recipe.testSentences))
  const trained = new Set(train)
  const splitOf = (text: string): Split =>
    test.has(text) ? 'test' : dev.has(text) ? 'dev' : trained.has(text) ? 'train' : 'dropped'
  const recordings = spoken.flatMap(({ prompt, text }) => recordingJob(prompt, text, splitOf(text)))
  const librivox = await librivoxJobs()
  const index = new HeldOutIndex([...heldOut, ...librivox.map(({ text }) => text)])
  const general = await readGeneralText()
  const outside = Random.named(recipe.seed, 'outside')
    .shuffle([...general.wordNet])
    .slice(0, OUTSIDE_SENTENCES)
  const inHeldOutVoice = (text: string, split: Split, i: number): Job => ({
    id: `${split}/${i}`,
    text,
    split,
    source: 'synthetic',
    speaker: HELD_OUT_VOICE.name,
    from: { voice: HELD_OUT_VOICE },
  })
  const taken = new Set(outside)
  const sentences = drawSentences(recipe, train, general, (sentence) => {
    return !taken.has(sentence) && index.conflict(sentence) === undefined
  })
  const random = Random.named(recipe.seed, 'voices')
  const synthetic = sentences.map((text, i): Job => {
    const voice = drawVoice(random, TRAINING_VOICES)
    return {
      id: `synthetic/${i}`,
      text,
      split: 'train',
      source: 'synthetic',
      speaker: voice.name,
      from: { voice },
    }
  })
  return {
    jobs: [
      ...recordings,
      ...librivox,
      ...[...test].sort().map((text, i) => inHeldOutVoice(text, 'voice', i)),
      ...outside.map((text, i) => inHeldOutVoice(text, 'outside', i)),
      ...synthetic,
    ],
    dropped: dropped.length,
    texts: {
      prompts: train,
      domain: sentences,
      // The synthetic sentences are part of it: the others are checked as those were.
      general: [...general.wordNet, ...general.verses].filter(
        (sentence) => !taken.has(sentence) && index.conflict(sentence) === undefined,
      ),
    },
  }
}

function recordingJob(prompt: Prompt, text: string, split: Split): readonly Job[] {
  const path = prompt.g722 ?? prompt.wav
  if (path === undefined) return []
  const { name, speaker } = prompt
  return [{ id: `prompt/${name}`, text, split, source: 'asterisk', speaker, from: { path } }]
}

async function librivoxJobs(): Promise<readonly Job[]> {
  const lines = (await readFile(`${LIBRIVOX}/transcription`, 'utf8')).split('\n')
  return lines.flatMap((line): Job[] => {
    const [, text, name] = /^<s> (.*) <\/s> \((.*)\)$/.exec(line) ?? []
    if (text === undefined || name === undefined) return []
    return [
      {
        id: `librivox/${name}`,
        text: normaliseText(text),
        split: 'librivox',
        source: 'librivox',
        speaker: 'librivox',
        from: { path: `${LIBRIVOX}/${name}.wav` },
      },
    ]
  })
}

/** Sentences in random order, none twice but numbers and prompts. */
function drawSentences(
  { seed, syntheticSentences }: DataRecipe,
  prompts: readonly string[],
  general: GeneralText,
  allowed: (sentence: string) => boolean,
): readonly string[] {
  const random = Random.named(seed, 'sentences')
  const walk = new PhraseWalk(prompts)
  const wordNet = random.shuffle([...general.wordNet])
  const verses = random.shuffle([...general.verses])
  const makers: Readonly<Record<keyof typeof SHARES, () => string | undefined>> = {
    wordNet: () => wordNet.pop(),
    verses: () => verses.pop(),
    walk: () => walk.draw(random),
    menu: () => drawMenuSentence(random),
    numbers: () => drawNumberSentence(random),
    prompts: () => prompts[random.below(prompts.length)],
  }
  const sentences: string[] = []
  for (const [kind, share] of Object.entries(SHARES)) {
    const make = makers[kind as keyof typeof SHARES]
    for (let wanted = Math.round(share * syntheticSentences); wanted > 0; ) {
      const sentence = make()
      if (sentence === undefined) break
      if (sentence.length > 200 || !allowed(sentence)) continue
      sentences.push(sentence)
      wanted--
    }
  }
  return random.shuffle(sentences)
}
