/** `plumbline transcribe --lm`: a recogniser of a catalogue with an n-gram language model. */
import { expandPath } from '../config/paths.js'
import type { ModelCard } from '../inference/catalogue/card.js'
import type { FusionOptions } from '../models/ctc/fusion.js'
import { formatBytes } from './format.js'
import type { CommandIo } from './io.js'
import { badArgument, number, text } from './option.js'

/** As `--lm`: what the checkpoint was published with. */
const OWN = 'auto'
const asPublished = (value: number): string => `as published with the model, else ${value}`

export const languageModelOptions = {
  lm: text({
    summary: `Hear with an n-gram language model: an ARPA file, or "${OWN}" for the checkpoint's own`,
    placeholder: `file|${OWN}`,
    completes: 'file',
  }),
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

/** Undefined without `--lm`. @throws UserError for options that do not go together */
export function languageModelOf(
  args: LanguageModelArguments & { readonly local: boolean; readonly dictation: boolean },
): FusionOptions | undefined {
  const { lm, lmWeight, wordBonus, beam } = args
  if (lm === undefined) {
    if (lmWeight !== undefined || wordBonus !== undefined || beam !== undefined)
      throw badArgument('--lm-weight, --word-bonus and --beam are for a language model', 'give --lm')
    return undefined
  }
  if (!args.local) throw badArgument('a language model is used on this machine alone', 'add --local')
  if (args.dictation)
    throw badArgument('--lm and --dictation exclude each other', 'dictation has a language model of its own')
  return {
    ...(lm === OWN ? {} : { path: expandPath(lm) }),
    ...(lmWeight === undefined ? {} : { alpha: lmWeight }),
    ...(wordBonus === undefined ? {} : { beta: wordBonus }),
    ...(beam === undefined ? {} : { beamWidth: beam }),
  }
}

/** @throws UserError where the recogniser cannot hear with one */
export function checkHearsWith(card: ModelCard, languageModel: FusionOptions | undefined): void {
  if (languageModel !== undefined && card.family === 'asr-small')
    throw badArgument(
      `${card.name} has a language model of its own`,
      'use --dictation, or name a checkpoint with --model',
    )
}

/** Who downloaded one may not know that it is there. */
export async function noteUnused(card: ModelCard, io: CommandIo): Promise<void> {
  const { findLanguageModel } = await import('../models/ctc/published-model.js')
  const found = await findLanguageModel(card.directory)
  if (found?.format === 'arpa')
    io.output.note(`${card.name} was published with a language model: --lm ${OWN} hears with it`)
}

/** For a model's card; undefined where it has none. */
export async function languageModelText({ directory }: ModelCard): Promise<string | undefined> {
  const { findLanguageModel } = await import('../models/ctc/published-model.js')
  const found = await findLanguageModel(directory)
  if (found === undefined) return undefined
  const { path, bytes, format } = found
  return format === 'arpa'
    ? `${path} (${formatBytes(bytes)}), used by transcribe --lm ${OWN}`
    : `${path} is a KenLM binary, which does not run here: give the ARPA with --lm`
}
