/** `POST /v1/audio/language`, which OpenAI's surface lacks: what language a recording is in. */
import { z } from 'zod'
import type { Route } from '../context.js'
import { modelName, readFields } from '../fields.js'
import { aliased, hear, receiveForm } from '../hear.js'
import { ANY_MODEL, chooseModel } from '../model-choice.js'
import { answerHeaders, runJob } from '../run-job.js'
import { usageOf } from '../transcript-formats.js'

const FIELDS = z.object({ model: modelName.default(ANY_MODEL) })

export const language: Route = {
  method: 'POST',
  path: '/v1/audio/language',
  answer: async (exchange, context) => {
    const form = await receiveForm(exchange, context)
    const { value: fields, ignored } = readFields(FIELDS, form.fields)
    const model = chooseModel(await context.models.get(exchange.signal), {
      name: aliased(fields.model, context),
      isAnyTaken: context.anyModel,
      task: 'identify',
      purpose: 'identify languages',
    })
    const { sound, seconds } = await hear(form, exchange, context)
    const answer = await runJob(exchange, context, {
      job: { task: 'identify', model: model.sha256, input: sound, parameters: {} },
      kind: 'labels',
    })
    const { labels, isSure } = answer.output
    exchange.setHeaders(answerHeaders([answer], model.ownedBy, ignored))
    exchange.json({
      language: labels[0]?.label ?? null,
      languages: labels.map(({ label, probability }) => ({ language: label, probability })),
      ...(isSure === undefined ? {} : { sure: isSure }),
      duration: seconds,
      usage: usageOf(seconds),
    })
  },
}
