/** One job on an open model: what is asked in the words of job.ts, in those of the model's own process. */
import { UserError } from '../../errors.js'
import { pcm16Of } from '../../ml/audio/pcm16.js'
import { embedsFrom, type ModelCard } from '../catalogue/card.js'
import type { Job, JobOutput, SoundInput } from '../job.js'
import { MOST_SAMPLE_RATE_HZ } from '../units.js'
import type { LocalModel } from './local-model.js'
import type { Opening } from './model-pool.js'
import type { PackedSound } from './sound.js'

export interface JobLimits {
  readonly mostSoundSeconds: number
  readonly mostCharacters: number
  /** Of the samples of a speech: a text that asks for more is spoken no further. */
  readonly mostSpeechBytes: number
}

const LEAST_RATE = 4000
const LEAST_SPEED = 0.25
const MOST_SPEED = 4
const BYTES_A_SAMPLE = 2

const bad = (message: string, remedy: string): UserError =>
  new UserError(message, { code: 'BAD_ARGUMENT', remedy })

/** Before it waits in line. @throws UserError BAD_ARGUMENT */
export function checkJob(card: ModelCard, job: Job, limits: Omit<JobLimits, 'mostSpeechBytes'>): void {
  const { task, input, parameters } = job
  if (task !== card.task) throw bad(`${card.name} does not ${task}`, `it is a model to ${card.task}`)
  const wanted = task === 'speak' || (task === 'embed' && embedsFrom(card) === 'text') ? 'text' : 'sound'
  if (input.kind !== wanted) throw bad(`${card.name} takes no ${input.kind}`, `send a ${wanted}`)
  if (input.kind === 'sound') checkSound(input, limits.mostSoundSeconds)
  else if (input.text.length > limits.mostCharacters)
    throw bad(`the text has ${input.text.length} characters`, `send at most ${limits.mostCharacters}`)
  else if (input.text.trim() === '') throw bad('the text is empty', 'send some')
  const { language, dictation, speed } = parameters
  if (language !== undefined && card.languages.length > 0 && !card.languages.includes(language))
    throw bad(`${card.name} does not know the language "${language}"`, `it knows ${someOf(card.languages)}`)
  if (dictation === true && card.family !== 'asr-small')
    throw bad(`${card.name} has no dictation`, 'leave it out, or use asr-small')
  if (speed !== undefined && !(speed >= LEAST_SPEED && speed <= MOST_SPEED))
    throw bad(`a speed of ${speed}`, `choose one from ${LEAST_SPEED} to ${MOST_SPEED}`)
}

function checkSound({ sampleRate, pcm16 }: SoundInput, mostSeconds: number): void {
  if (!(Number.isInteger(sampleRate) && sampleRate >= LEAST_RATE && sampleRate <= MOST_SAMPLE_RATE_HZ))
    throw bad(
      `the sound has ${sampleRate} Hz, and ${LEAST_RATE} to ${MOST_SAMPLE_RATE_HZ} Hz are taken`,
      `resample it: send at most ${MOST_SAMPLE_RATE_HZ} Hz`,
    )
  if (pcm16.length === 0 || pcm16.length % BYTES_A_SAMPLE !== 0)
    throw bad(`${pcm16.length} bytes of sound`, 'send whole 16-bit samples')
  const seconds = pcm16.length / BYTES_A_SAMPLE / sampleRate
  if (seconds > mostSeconds)
    throw bad(`the sound lasts ${seconds.toFixed(1)} s`, `send at most ${mostSeconds} s at once`)
}

const SHOWN = 20
const someOf = (all: readonly string[]): string =>
  all.length > SHOWN ? `${all.slice(0, SHOWN).join(', ')} ... (${all.length})` : all.join(', ')

/** How the model must be open for a job. */
export function openingFor(card: ModelCard, { task }: Job): Opening {
  const input = embedsFrom(card)
  return task === 'embed' && input !== undefined ? { embedding: { input } } : {}
}

/** Jobs alike in it need the same model, and of a model with several languages the same one. */
export function kindOf(card: ModelCard, job: Job): string {
  return `${job.model} ${languageFor(card, job) ?? ''}`
}

/** A model of one language needs no telling. */
function languageFor(card: ModelCard, { task, parameters }: Job): string | undefined {
  return task === 'transcribe' && card.languages.length > 1 ? parameters.language : undefined
}

/**
 * @param signal ends the process where the model does not come back in time
 * @param onText told each part of a transcription as soon as it is certain
 */
export async function runJob(
  model: LocalModel,
  card: ModelCard,
  job: Job,
  signal: AbortSignal,
  { mostSpeechBytes }: Pick<JobLimits, 'mostSpeechBytes'>,
  onText?: (text: string) => void,
): Promise<JobOutput> {
  const { task, input, parameters } = job
  if (input.kind === 'text') {
    if (task === 'embed') {
      const { values } = await model.embed({ content: input.text, form: 'vector' }, signal)
      return { kind: 'vector', values }
    }
    return speak(model, input.text, parameters.speed, { signal, mostSpeechBytes })
  }
  const sound: PackedSound = { pcm16: input.pcm16, sampleRate: input.sampleRate }
  switch (task) {
    case 'transcribe': {
      const language = languageFor(card, job)
      const hearing = {
        ...(parameters.dictation === true ? { dictation: true } : {}),
        ...(language === undefined ? {} : { language }),
      }
      const told = onText === undefined ? {} : { onText }
      const heard = await model.transcribe(sound, signal, hearing, told)
      return { kind: 'transcription', text: heard.text, words: heard.words, language: heard.language }
    }
    case 'identify': {
      const { labels, isSure } = await model.identify(sound, signal)
      return { kind: 'labels', labels, ...(isSure === undefined ? {} : { isSure }) }
    }
    case 'translate':
      return {
        kind: 'translation',
        text: (await model.translate(sound, parameters.targetLanguage, signal)).text,
      }
    case 'embed': {
      const { values } = await model.embed({ content: sound, form: 'vector' }, signal)
      return { kind: 'vector', values }
    }
    case 'speak':
      throw bad('a voice takes no sound', 'send a text')
  }
}

/** A text that takes longer to speak than anybody may have. */
export const speechTooLong = (mostSpeechBytes: number): UserError =>
  new UserError('the text takes too long to speak', {
    code: 'BAD_ARGUMENT',
    remedy: 'send less of it at once, or have it spoken faster',
    details: { mostSpeechBytes },
  })

/** As {@link speechTooLong}: it was worked for all the same. */
export const isSpeechTooLong = (error: unknown): boolean =>
  error instanceof UserError && error.details.mostSpeechBytes !== undefined

async function speak(
  model: LocalModel,
  text: string,
  speed: number | undefined,
  { signal, mostSpeechBytes }: { readonly signal: AbortSignal; readonly mostSpeechBytes: number },
): Promise<JobOutput> {
  const { pieces, sampleRate } = await model.planSpeech(text, signal)
  const options = speed === undefined ? { speaker: 0, seed: 0 } : { speaker: 0, seed: 0, speakingRate: speed }
  const sounds: Uint8Array[] = []
  let bytes = 0
  for (const [index, piece] of pieces.entries()) {
    const sound = pcm16Of(await model.speak({ piece, index, options }, signal))
    bytes += sound.length
    if (bytes > mostSpeechBytes) throw speechTooLong(mostSpeechBytes)
    sounds.push(sound)
  }
  return { kind: 'speech', sampleRate, pcm16: new Uint8Array(Buffer.concat(sounds)) }
}
