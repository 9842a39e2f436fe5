/** `plumbline transcribe --lm`: a recogniser of a catalogue with another n-gram language model than its own, or with none. */
import { expandPath } from '../config/paths.js'
import type { ModelCard } from '../inference/catalogue/card.js'
import type { WantedLanguageModel } from '../inference/catalogue/language-model.js'
import type { FusionOptions } from '../models/ctc/fusion.js'
import type { CommandIo } from './io.js'
import { badArgument, number, text } from './option.js'

/** As `--lm`: what the model was added, or published, with; and no language model at all. */
const OWN = 'auto'
const NONE = 'none'
const asPublished = (value: number): string => `as published with the model, else ${value}`

const weightOptions = {
  'lm-weight': number({
    summary: 'With --lm: weight of the language model beside what was heard',
    placeholder: 'n',
    min: 0,
    max: 10,
    defaultText: asPublished(0.5),
  }),
  'word-bonus': number({
    summary: 'With --lm: added for each word; higher makes more and shorter words',
    placeholder: 'n',
    min: -20,
    max: 20,
    defaultText: asPublished(1.5),
  }),
} as const

/** Of `models add`. */
export const addedLanguageModelOptions = {
  lm: text({
    summary: `Hear with this n-gram language model wherever it is served: an ARPA file, or "${NONE}"`,
    placeholder: `file|${NONE}`,
    completes: 'file',
    defaultText: 'what the checkpoint was published with',
  }),
  ...weightOptions,
  language: text({
    summary:
      'Of a checkpoint with several languages (MMS): the one that its language model is of, and it hears',
    placeholder: 'ISO 639-3',
  }),
} as const

export const languageModelOptions = {
  lm: text({
    summary: `Hear with this n-gram language model: an ARPA file, "${OWN}" for the model's own, or "${NONE}"`,
    placeholder: `file|${OWN}|${NONE}`,
    completes: 'file',
    defaultText: 'what the model was added with',
  }),
  ...weightOptions,
  beam: number({
    summary: 'With --lm: hypotheses kept at each moment; more is slower',
    placeholder: 'n',
    integer: true,
    min: 1,
    max: 2000,
    defaultText: '100',
  }),
} as const

export interface LanguageModelArguments {
  readonly lm: string | undefined
  readonly lmWeight: number | undefined
  readonly wordBonus: number | undefined
  readonly beam: number | undefined
}

/** Undefined without `--lm`, null for none at all. @throws UserError for options that do not go together */
export function languageModelOf(
  args: LanguageModelArguments & { readonly local: boolean; readonly dictation: boolean },
): FusionOptions | null | undefined {
  const { lm, lmWeight, wordBonus, beam } = args
  const isWeighed = lmWeight !== undefined || wordBonus !== undefined || beam !== undefined
  if (isWeighed && (lm === undefined || lm === NONE))
    throw badArgument('--lm-weight, --word-bonus and --beam are for a language model', 'give --lm')
  if (lm === undefined) return undefined
  if (!args.local)
    throw badArgument(
      'a language model is chosen on this machine alone',
      'add --local: providers hear with what a model was added with',
    )
  if (lm === NONE) return null
  if (args.dictation)
    throw badArgument('--lm and --dictation exclude each other', 'dictation has a language model of its own')
  return {
    ...(lm === OWN ? {} : { path: expandPath(lm) }),
    ...weightsOf(args),
    ...(beam === undefined ? {} : { beamWidth: beam }),
  }
}

const weightsOf = ({ lmWeight, wordBonus }: Pick<LanguageModelArguments, 'lmWeight' | 'wordBonus'>) => ({
  ...(lmWeight === undefined ? {} : { alpha: lmWeight }),
  ...(wordBonus === undefined ? {} : { beta: wordBonus }),
})

/** What `models add` is told. @throws UserError for options that do not go together */
export function addedLanguageModelOf(
  args: Omit<LanguageModelArguments, 'beam'> & { readonly language: string | undefined },
): WantedLanguageModel {
  const { lm, lmWeight, wordBonus, language } = args
  const isFile = lm !== undefined && lm !== NONE
  if (!isFile && (lmWeight !== undefined || wordBonus !== undefined))
    throw badArgument('--lm-weight and --word-bonus are for an ARPA file', 'give --lm')
  return {
    ...(isFile
      ? { given: { path: expandPath(lm), ...weightsOf(args) } }
      : lm === NONE
        ? { given: null }
        : {}),
    ...(language === undefined ? {} : { language }),
  }
}

/**
 * What a recogniser is to hear with on this machine: undefined leaves it to its card.
 * @throws UserError where it cannot hear with what is asked for
 */
export async function checkHearsWith(
  card: ModelCard,
  asked: FusionOptions | null | undefined,
  language: string | undefined,
): Promise<FusionOptions | null | undefined> {
  if (asked !== undefined && asked !== null && card.family === 'asr-small')
    throw badArgument(
      `${card.name} has a language model of its own`,
      'use --dictation, or name a checkpoint with --model',
    )
  const { languageModel: own } = card
  const isOwn = own !== null && (asked === undefined || (asked !== null && asked.path === undefined))
  if (!isOwn) return asked
  if (own.language !== null && language !== undefined && language !== own.language)
    throw badArgument(
      `${card.name} hears ${own.language} alone, which its language model is of`,
      'leave --language out, or use another --model',
    )
  const { fusionOf } = await import('../inference/catalogue/language-model.js')
  return asked === undefined ? undefined : { ...fusionOf(own), ...asked }
}

/** Who downloaded one may not know that it is there. */
export async function noteUnused(card: ModelCard, io: CommandIo): Promise<void> {
  if (card.languageModel !== null) return
  const { publishedLanguageModel } = await import('../inference/catalogue/language-model.js')
  const published = await publishedLanguageModel(card)
  if (published?.languageModel !== undefined)
    io.output.note(`${card.name} was published with a language model: --lm ${OWN} hears with it`)
}

/** For a model's card; undefined where it has none. */
export async function languageModelText(card: ModelCard): Promise<string | undefined> {
  const { languageModel: own } = card
  if (own !== null) {
    const { path, alpha, beta, language } = own
    const of = language === null ? '' : ` of ${language}, which alone it hears`
    return `n-grams${of}: ${path}, weight ${alpha}, word bonus ${beta}`
  }
  const { publishedLanguageModel } = await import('../inference/catalogue/language-model.js')
  const published = await publishedLanguageModel(card)
  if (published === undefined) return undefined
  if (published.languageModel === undefined) return published.reason
  const { path } = published.languageModel
  return `without the n-grams that it was published with (${path}): transcribe --lm ${OWN} hears with them`
}
