/** `POST /v1/audio/transcriptions`. */
import { z } from 'zod'
import type { Job, JobAnswer, ServedModel } from '../../job.js'
import { paymentsTotal } from '../../payments-total.js'
import { badField } from '../api-error.js'
import type { GatewayContext, Route } from '../context.js'
import type { Exchange } from '../exchange.js'
import { modelName, readFields } from '../fields.js'
import { aliased, hear, receiveForm } from '../hear.js'
import { jobLanguage } from '../language.js'
import { chooseModel } from '../model-choice.js'
import { answerHeaders, runJob } from '../run-job.js'
import { GRANULARITIES, TRANSCRIPT_FORMATS, usageOf, writeTranscript } from '../transcript-formats.js'

/** As forms and scripting languages write it. */
const YES = ['true', '1', 'yes', 'on'] as const
const NO = ['false', '0', 'no', 'off'] as const
const flag = z
  .string()
  .toLowerCase()
  .pipe(z.enum([...YES, ...NO]))
  .transform((word) => (YES as readonly string[]).includes(word))
const granularity = z.enum(GRANULARITIES)

const FIELDS = z.object({
  model: modelName,
  language: z.string().min(2).max(60).optional(),
  response_format: z.enum(TRANSCRIPT_FORMATS).default('json'),
  timestamp_granularities: z
    .union([granularity.transform((one) => [one]), z.array(granularity).max(2)])
    .optional(),
  stream: flag.default(false),
  /** Ours: free text with a language model, where the recogniser has one. */
  dictation: flag.default(false),
})

export const transcriptions: Route = {
  method: 'POST',
  path: '/v1/audio/transcriptions',
  answer: async (exchange, context) => {
    const form = await receiveForm(exchange, context)
    const { value: fields, ignored } = readFields(FIELDS, form.fields)
    const { response_format: format, timestamp_granularities: granularities, stream, language } = fields
    if (granularities !== undefined && format !== 'verbose_json')
      throw badField('timestamp_granularities', 'timestamps need response_format "verbose_json"')
    if (stream && format !== 'json' && format !== 'text')
      throw badField('stream', `a stream has no ${format}: use response_format "json" or "text"`)
    const model = chooseModel(await context.models.get(exchange.signal), {
      name: aliased(fields.model, context),
      isAnyTaken: context.anyModel,
      task: 'transcribe',
      language,
    })
    const spoken = jobLanguage(model, language)
    const { sound, seconds } = await hear(form, exchange, context)
    const job: Job = {
      task: 'transcribe',
      model: model.sha256,
      input: sound,
      parameters: {
        ...(spoken === undefined ? {} : { language: spoken }),
        ...(fields.dictation ? { dictation: true } : {}),
      },
    }
    if (stream) return streamText(exchange, context, { job, model, ignored, seconds })
    const answer = await runJob(exchange, context, { job, kind: 'transcription' })
    const { text, words, language: heard } = answer.output
    exchange.setHeaders(answerHeaders([answer], model.ownedBy, ignored))
    writeTranscript(
      exchange,
      {
        task: 'transcribe',
        text,
        language: heard ?? spoken ?? onlyLanguage(model),
        durationSeconds: seconds,
        words,
      },
      format,
      granularities ?? ['segment'],
    )
  },
}

/** What a model that has one language hears, whatever it says itself. */
const onlyLanguage = ({ languages }: ServedModel): string | null =>
  languages.length === 1 ? (languages[0] ?? null) : null

interface Streamed {
  readonly job: Job
  readonly model: ServedModel
  readonly ignored: readonly string[]
  readonly seconds: number
}

/** Deltas as they become certain; what they were not of the whole text comes as the last of them. */
async function streamText(
  exchange: Exchange,
  context: GatewayContext,
  { job, model, ignored, seconds }: Streamed,
): Promise<void> {
  exchange.setHeaders(answerHeaders([], model.ownedBy, ignored))
  // Opened late: until there is something to say, a failure has a status of its own.
  let events: ReturnType<Exchange['events']> | undefined
  let sent = ''
  const delta = (piece: string): void => {
    if (piece === '') return
    events ??= exchange.events()
    events.send({ type: 'transcript.text.delta', delta: piece })
    sent += piece
  }
  const answer = await runJob(exchange, context, {
    job,
    kind: 'transcription',
    onText: (part) => delta(sent === '' || /^\s/.test(part) ? part : ` ${part}`),
  })
  const { text } = answer.output
  if (text.startsWith(sent)) delta(text.slice(sent.length))
  events ??= exchange.events()
  events.send({ type: 'transcript.text.done', text, usage: usageOf(seconds), ...receiptOf(answer) })
  events.end()
}

/** Headers have left before the price is known. */
function receiptOf({ payments = [], runSeconds }: JobAnswer): object {
  const total = paymentsTotal(payments)
  return {
    plumbline: {
      run_seconds: runSeconds,
      ...(total === undefined
        ? {}
        : {
            provider: total.provider,
            price_wei: String(total.priceWei),
            units: total.units,
            receipt: total.receipts,
          }),
    },
  }
}
