/** Which published classes belong to which family, what they are for, and whether this version runs them. */
import { ASR_SMALL_ARCHITECTURE } from './asr-small/config.js'
import { type TextTask, textArchitectures, type VisionTask, visionArchitectures } from './data2vec/names.js'
import { LANGUAGE_ID_ARCHITECTURE } from './language-id/config.js'
import { architectures as speech, type Task } from './wav2vec2/names.js'

export type ModelTask =
  | 'speech-recognition'
  | 'speech-classification'
  | 'speech-segmentation'
  | 'speech-features'
  | 'speech-translation'
  | 'speech-synthesis'
  | 'text-features'
  | 'text-classification'
  | 'fill-mask'
  | 'image-features'
  | 'image-classification'
  | 'image-and-text-generation'

export interface Family {
  readonly name: string
  readonly tasks: readonly ModelTask[]
  /** Whether this version opens and runs it; the others are recognised by name only. */
  readonly runs: boolean
}

const speechTasks: Readonly<Record<Task, readonly ModelTask[]>> = {
  encoder: ['speech-features'],
  ctc: ['speech-recognition', 'speech-features'],
  classification: ['speech-classification', 'speech-features'],
  'frame-classification': ['speech-segmentation', 'speech-features'],
  pretraining: ['speech-features'],
}

const textTasks: Readonly<Record<TextTask, readonly ModelTask[]>> = {
  encoder: ['text-features'],
  'masked-lm': ['fill-mask', 'text-features'],
  classification: ['text-classification', 'text-features'],
}
const visionTasks: Readonly<Record<VisionTask, readonly ModelTask[]>> = {
  encoder: ['image-features'],
  classification: ['image-classification', 'image-features'],
}

const speechFamily = (architecture: string): string =>
  architecture.startsWith('Hubert')
    ? 'hubert'
    : architecture.startsWith('Data2Vec')
      ? 'data2vec-audio'
      : 'wav2vec2'

const named = (name: string, runs: boolean, ...tasks: readonly ModelTask[]): Family => ({ name, tasks, runs })

export const families: Readonly<Record<string, Family>> = {
  ...Object.fromEntries(
    Object.entries(speech).map(([architecture, task]) => [
      architecture,
      named(speechFamily(architecture), true, ...speechTasks[task]),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(textArchitectures).map(([architecture, task]) => [
      architecture,
      named('data2vec-text', true, ...textTasks[task]),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(visionArchitectures).map(([architecture, task]) => [
      architecture,
      named('data2vec-vision', true, ...visionTasks[task]),
    ]),
  ),
  SpeechEncoderDecoderModel: named('speech-translation', true, 'speech-translation'),
  VitsModel: named('vits', true, 'speech-synthesis'),
  [ASR_SMALL_ARCHITECTURE]: named('asr-small', true, 'speech-recognition'),
  [LANGUAGE_ID_ARCHITECTURE]: named('language-id', true, 'speech-classification'),
  ChameleonForConditionalGeneration: named('chameleon', false, 'image-and-text-generation'),
}
