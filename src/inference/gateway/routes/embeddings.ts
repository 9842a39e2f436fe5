/** `POST /v1/embeddings`: texts to vectors. */
import { z } from 'zod'
import { publicId } from '../../model-rule.js'
import { badField } from '../api-error.js'
import { readJson } from '../body.js'
import type { Route } from '../context.js'
import { modelName, readFields } from '../fields.js'
import { aliased } from '../hear.js'
import { MAX_EMBEDDING_CHARACTERS, MAX_EMBEDDING_INPUTS } from '../limits.js'
import { chooseModel } from '../model-choice.js'
import { type AnswerOf, answerHeaders, runJob } from '../run-job.js'

const text = z.string().min(1).max(MAX_EMBEDDING_CHARACTERS)
const FIELDS = z.object({
  model: modelName,
  input: z.union([text, z.array(text).min(1).max(MAX_EMBEDDING_INPUTS)], {
    error:
      `one text, or 1 to ${MAX_EMBEDDING_INPUTS} of them, ` +
      `each of 1 to ${MAX_EMBEDDING_CHARACTERS} characters; token numbers are not taken`,
  }),
  // The official client asks for base64 where it was told nothing, and turns it into numbers itself.
  encoding_format: z.enum(['float', 'base64']).default('float'),
  dimensions: z.int().positive().optional(),
})

export const embeddings: Route = {
  method: 'POST',
  path: '/v1/embeddings',
  answer: async (exchange, context) => {
    const { jsonBytes: mostBytes, idleMs } = context.limits
    const body = await readJson(exchange, { mostBytes, idleMs })
    const { value: fields, ignored } = readFields(FIELDS, body)
    const models = await context.models.get()
    const model = chooseModel(models, {
      name: aliased(fields.model, context),
      isAnyTaken: context.anyModel,
      task: 'embed',
      purpose: 'embed texts',
      // What embeds sounds is counted by their length.
      suits: ({ unit }) => unit !== 'audio-second',
    })
    const texts = typeof fields.input === 'string' ? [fields.input] : fields.input
    const answers: AnswerOf<'vector'>[] = []
    // One after another: what a source can do more at once is for other requests.
    for (const each of texts) {
      const answer = await runJob(exchange, context, {
        job: { task: 'embed', model: model.sha256, input: { kind: 'text', text: each }, parameters: {} },
        kind: 'vector',
      })
      const width = answer.output.values.length
      if (fields.dimensions !== undefined && fields.dimensions !== width)
        throw badField('dimensions', `the model has ${width} dimensions, and cannot be cut`)
      answers.push(answer)
    }
    exchange.setHeaders(answerHeaders(answers, model.ownedBy, ignored))
    exchange.json({
      object: 'list',
      data: answers.map(({ output }, index) => ({
        object: 'embedding',
        index,
        embedding: fields.encoding_format === 'base64' ? base64Of(output.values) : Array.from(output.values),
      })),
      model: publicId(model, models),
      // Text is counted by characters here, in x-plumbline-units; clients only expect the fields to be there.
      usage: { prompt_tokens: 0, total_tokens: 0 },
    })
  },
}

/** Little-endian float32, as the official client reads them. */
function base64Of(values: Float32Array): string {
  const bytes = Buffer.alloc(4 * values.length)
  values.forEach((value, i) => {
    bytes.writeFloatLE(value, 4 * i)
  })
  return bytes.toString('base64')
}
