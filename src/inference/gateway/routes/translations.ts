/** `POST /v1/audio/translations`: speech in one language to text in another, English unless the model has others. */
import { z } from 'zod'
import type { Route } from '../context.js'
import { modelName, readFields } from '../fields.js'
import { aliased, hear, receiveForm } from '../hear.js'
import { chooseModel } from '../model-choice.js'
import { answerHeaders, runJob } from '../run-job.js'
import { TRANSCRIPT_FORMATS, writeTranscript } from '../transcript-formats.js'

const FIELDS = z.object({
  model: modelName,
  response_format: z.enum(TRANSCRIPT_FORMATS).default('json'),
  /** Ours, where the model writes several languages. */
  target_language: z.string().min(2).max(60).optional(),
})

export const translations: Route = {
  method: 'POST',
  path: '/v1/audio/translations',
  answer: async (exchange, context) => {
    const form = await receiveForm(exchange, context)
    const { value: fields, ignored } = readFields(FIELDS, form.fields)
    const { target_language: targetLanguage, response_format: format } = fields
    const model = chooseModel(await context.models.get(exchange.signal), {
      name: aliased(fields.model, context),
      isAnyTaken: context.anyModel,
      task: 'translate',
    })
    const { sound, seconds } = await hear(form, exchange, context)
    const answer = await runJob(exchange, context, {
      job: {
        task: 'translate',
        model: model.sha256,
        input: sound,
        parameters: targetLanguage === undefined ? {} : { targetLanguage },
      },
      kind: 'translation',
    })
    exchange.setHeaders(answerHeaders([answer], model.ownedBy, ignored))
    const { text } = answer.output
    const transcript = { text, language: targetLanguage ?? null, durationSeconds: seconds, words: [] }
    writeTranscript(exchange, { task: 'translate', ...transcript }, format, ['segment'])
  },
}
