/**
 * Jobs on an OpenAI-compatible server (vLLM, a gateway of another machine): what an operator with a cluster puts behind
 * a node. What it runs cannot be audited by model bytes: its word is all there is.
 *
 *     const jobs = new UpstreamJobs({ baseUrl: 'http://10.0.0.5:8000/v1', tasks: new Map([['whisper', 'transcribe']]) })
 */
import { z } from 'zod'
import { UserError } from '../../errors.js'
import { toMono } from '../../ml/audio/audio.js'
import { pcm16Of, samplesOfPcm16 } from '../../ml/audio/pcm16.js'
import { readWav } from '../../ml/audio/wav-read.js'
import { writeWav } from '../../ml/audio/wav-write.js'
import type { Task } from '../catalogue/card.js'
import type { Job, JobAnswer, JobOutput, JobSource, RunOptions, ServedModel, SoundInput } from '../job.js'
import { JobQueue } from '../local/job-queue.js'
import type { LocalRunOptions } from '../local/local-jobs.js'
import { toWellFormed } from '../well-formed.js'
import { UpstreamClient } from './client.js'
import { servedModels } from './models.js'
import { transcriptEvents, transcriptionOf } from './transcript.js'

export interface UpstreamJobsOptions {
  readonly baseUrl: string
  readonly apiKey?: string
  /** What its models are for, where its list has only names. */
  readonly tasks?: ReadonlyMap<string, Task>
  /** Of one job, its wait included; five minutes unless given. */
  readonly timeoutMs?: number
  /** Sent to it at once; 8 unless given: a batching engine gains from several. */
  readonly parallel?: number
  readonly mostWaiting?: number
}

const MIB = 2 ** 20
/** Four minutes of 48 kHz speech, or 64 vectors of 16,384 numbers as JSON. */
const MOST_ANSWER_BYTES = 24 * MIB
const MOST_WAITING_BYTES = 256 * MIB
const TIMEOUT_MS = 300_000
const LIST_MS = 10_000
const MOST_DIMENSIONS = 65_536

const TEXT = z.object({ text: z.string().transform(toWellFormed) })
const VECTORS = z.object({
  data: z.tuple([z.object({ embedding: z.array(z.number()).min(1).max(MOST_DIMENSIONS) })]),
})
const LANGUAGES = z.object({
  languages: z
    .array(
      z.object({
        language: z.string().max(60).transform(toWellFormed),
        probability: z.number().min(0).max(1),
      }),
    )
    .max(5000),
  // Of a gateway of ours.
  sure: z.boolean().optional().catch(undefined),
})

export class UpstreamJobs implements JobSource {
  readonly #client: UpstreamClient
  readonly #queue: JobQueue
  readonly #tasks: ReadonlyMap<string, Task>
  #models: ReadonlyMap<string, ServedModel> = new Map()

  /** Asks nothing yet. @throws UserError BAD_ARGUMENT for a base URL that is none */
  constructor(options: UpstreamJobsOptions) {
    const {
      baseUrl,
      apiKey,
      tasks = new Map(),
      timeoutMs = TIMEOUT_MS,
      parallel = 8,
      mostWaiting = 32,
    } = options
    this.#client = new UpstreamClient({
      baseUrl,
      mostAnswerBytes: MOST_ANSWER_BYTES,
      ...(apiKey === undefined ? {} : { apiKey }),
    })
    this.#queue = new JobQueue({
      parallel,
      mostWaiting,
      mostBytes: MOST_WAITING_BYTES,
      deadlineMs: timeoutMs,
    })
    this.#tasks = tasks
  }

  /** Who hears what is sent. */
  get name(): string {
    return this.#client.name
  }

  /** Those whose task it says, or was told. @throws UserError UNREACHABLE, UNAVAILABLE */
  async models(signal?: AbortSignal): Promise<readonly ServedModel[]> {
    const late = AbortSignal.timeout(LIST_MS)
    const answer = await this.#client.json(
      'models',
      undefined,
      signal ? AbortSignal.any([signal, late]) : late,
    )
    const { url, name: owner } = this.#client
    const models = servedModels(answer, { url, owner, tasks: this.#tasks })
    if (models === undefined) throw this.#client.broken('it gave no list of models')
    this.#models = new Map(models.map((model) => [model.sha256, model]))
    return models
  }

  /** Jobs that wait or run. */
  get length(): number {
    return this.#queue.length
  }

  get retryAfterSeconds(): number {
    return this.#queue.retryAfterSeconds
  }

  /** Sends nothing new until {@link resume}: the line is needed. */
  pause(): void {
    this.#queue.pause()
  }

  resume(): void {
    this.#queue.resume()
  }

  /** @param options.client whose it is, where its line is shared */
  async run(
    job: Job,
    { signal, onText, client, onBegun }: RunOptions & Pick<LocalRunOptions, 'client' | 'onBegun'> = {},
  ): Promise<JobAnswer> {
    const model = await this.#model(job)
    const bytes = job.input.kind === 'sound' ? job.input.pcm16.length : Buffer.byteLength(job.input.text)
    const work = async (either: AbortSignal): Promise<JobAnswer> => {
      const started = performance.now()
      onBegun?.(() => performance.now() - started)
      const output = await this.#ask(model, job, either, onText)
      return { output, runSeconds: (performance.now() - started) / 1000 }
    }
    return this.#queue.run(bytes, work, signal, { client })
  }

  close(): Promise<void> {
    return this.#queue.close()
  }

  async #model({ model: sha256, task }: Job): Promise<ServedModel> {
    if (!this.#models.has(sha256)) await this.models()
    const model = this.#models.get(sha256)
    if (model === undefined)
      throw new UserError(`${this.name} has no model ${sha256.slice(0, 16)}`, {
        code: 'NOT_FOUND',
        remedy: 'ask which models there are',
      })
    if (model.task !== task)
      throw new UserError(`${model.id} does not ${task}`, {
        code: 'BAD_ARGUMENT',
        remedy: `it is a model to ${model.task}`,
      })
    return model
  }

  #ask({ id }: ServedModel, job: Job, signal: AbortSignal, onText: RunOptions['onText']): Promise<JobOutput> {
    const { task, input } = job
    if (input.kind === 'text') {
      if (task === 'speak') return this.#speak(id, job, input.text, signal)
      if (task === 'embed') return this.#embed(id, input.text, signal)
    } else {
      if (task === 'transcribe') return this.#transcribe(id, job, input, signal, onText)
      if (task === 'translate') return this.#translate(id, job, input, signal)
      if (task === 'identify') return this.#identify(id, input, signal)
    }
    throw new UserError(`OpenAI's HTTP has no way to ${task} a ${input.kind}`, {
      code: 'BAD_ARGUMENT',
      remedy: 'run such a model here',
    })
  }

  async #transcribe(
    id: string,
    { parameters }: Job,
    input: SoundInput,
    signal: AbortSignal,
    onText: RunOptions['onText'],
  ): Promise<JobOutput> {
    const { language, dictation } = parameters
    const fields = {
      model: id,
      ...(language === undefined ? {} : { language }),
      ...(dictation === true ? { dictation: 'true' } : {}),
    }
    if (onText !== undefined) return this.#stream(fields, input, signal, onText)
    const answer = await this.#verbose(fields, input, signal)
    return transcriptionOf(answer) ?? this.#unread('transcript')
  }

  /** With times; without them from a server that has none (it refuses the format). */
  async #verbose(
    fields: Readonly<Record<string, string>>,
    input: SoundInput,
    signal: AbortSignal,
  ): Promise<unknown> {
    const path = 'audio/transcriptions'
    const form = formOf({ ...fields, response_format: 'verbose_json' }, input)
    for (const granularity of ['word', 'segment']) form.append('timestamp_granularities[]', granularity)
    try {
      return await this.#client.json(path, form, signal)
    } catch (error) {
      const isFormat =
        error instanceof UserError && error.code === 'BAD_ARGUMENT' && /format|timestamp/i.test(error.message)
      if (!isFormat) throw error
      return this.#client.json(path, formOf({ ...fields, response_format: 'json' }, input), signal)
    }
  }

  async #stream(
    fields: Readonly<Record<string, string>>,
    input: SoundInput,
    signal: AbortSignal,
    onText: (text: string) => void,
  ): Promise<JobOutput> {
    const form = formOf({ ...fields, stream: 'true' }, input)
    const pieces = this.#client.pieces('audio/transcriptions', form, signal)
    let text = ''
    let half = ''
    let isDone = false
    let isKnown = true
    const tell = (delta: string): void => {
      const part = text === '' ? delta.trimStart() : delta
      text += part
      if (part !== '') onText(part)
    }
    try {
      for await (const event of transcriptEvents(pieces)) {
        if ('error' in event) throw this.#client.broken(event.error.message)
        if (event.type === 'answer') {
          const answer = transcriptionOf(event.answer) ?? this.#unread('transcript')
          tell(answer.text)
          return answer
        }
        if (event.type === 'transcript.text.done') {
          text = event.text
          isDone = true
        } else if (event.type === 'over') isDone ||= isKnown
        else if (event.type === 'unknown') isKnown = false
        else {
          const delta = half + event.delta
          // The other half of a character comes with the next one.
          half = /[\ud800-\udbff]$/.test(delta) ? delta.slice(-1) : ''
          tell(toWellFormed(half === '' ? delta : delta.slice(0, -1)))
        }
      }
    } catch (error) {
      throw error instanceof SyntaxError || error instanceof RangeError
        ? this.#client.broken('its stream cannot be read', error)
        : error
    }
    // What was heard by then is no transcript of the whole.
    if (!isDone)
      throw this.#client.broken(
        isKnown ? 'its stream ended before the transcript did' : 'its stream has a form that is not known',
      )
    return { kind: 'transcription', text, language: null, words: [] }
  }

  async #translate(
    id: string,
    { parameters }: Job,
    input: SoundInput,
    signal: AbortSignal,
  ): Promise<JobOutput> {
    const { targetLanguage } = parameters
    const fields = { model: id, ...(targetLanguage === undefined ? {} : { target_language: targetLanguage }) }
    const answer = await this.#client.json('audio/translations', formOf(fields, input), signal)
    const read = TEXT.safeParse(answer)
    return read.success ? { kind: 'translation', text: read.data.text } : this.#unread('translation')
  }

  async #identify(id: string, input: SoundInput, signal: AbortSignal): Promise<JobOutput> {
    const answer = await this.#client.json('audio/language', formOf({ model: id }, input), signal)
    const read = LANGUAGES.safeParse(answer)
    if (!read.success) return this.#unread('list of languages')
    const labels = read.data.languages.map(({ language, probability }) => ({ label: language, probability }))
    const { sure } = read.data
    return { kind: 'labels', labels, ...(sure === undefined ? {} : { isSure: sure }) }
  }

  async #speak(id: string, { parameters }: Job, text: string, signal: AbortSignal): Promise<JobOutput> {
    const { speed } = parameters
    const body = {
      model: id,
      input: text,
      voice: 'default',
      response_format: 'wav',
      ...(speed === undefined ? {} : { speed }),
    }
    const bytes = await this.#client.bytes('audio/speech', body, signal)
    try {
      const audio = readWav(bytes)
      return { kind: 'speech', sampleRate: audio.sampleRate, pcm16: pcm16Of(toMono(audio)) }
    } catch (error) {
      throw this.#client.broken('the speech it made is no WAV', error)
    }
  }

  async #embed(id: string, text: string, signal: AbortSignal): Promise<JobOutput> {
    const body = { model: id, input: text, encoding_format: 'float' }
    const read = VECTORS.safeParse(await this.#client.json('embeddings', body, signal))
    if (!read.success) return this.#unread('vector')
    const values = Float32Array.from(read.data.data[0].embedding)
    return values.every(Number.isFinite)
      ? { kind: 'vector', values }
      : this.#unread('vector of 32-bit numbers')
  }

  #unread(what: string): never {
    throw this.#client.broken(`its answer holds no ${what}`)
  }
}

function formOf(fields: Readonly<Record<string, string>>, { sampleRate, pcm16 }: SoundInput): FormData {
  const form = new FormData()
  const wav = writeWav({ sampleRate, channels: [samplesOfPcm16(pcm16)] })
  form.set('file', new Blob([new Uint8Array(wav)], { type: 'audio/wav' }), 'sound.wav')
  for (const [name, value] of Object.entries(fields)) form.set(name, value)
  return form
}
