/** `POST /v1/embeddings`: texts to vectors. */
import { z } from 'zod'
import { publicId } from '../../model-rule.js'
import { ApiError, badField } from '../api-error.js'
import { readJson } from '../body.js'
import type { Route } from '../context.js'
import { modelName, readFields } from '../fields.js'
import { aliased } from '../hear.js'
import { MAX_EMBEDDING_CHARACTERS, MAX_EMBEDDING_INPUTS, MAX_EMBEDDING_NUMBERS } from '../limits.js'
import { chooseModel } from '../model-choice.js'
import { type AnswerOf, answerHeaders, requireAffordable, runJob } from '../run-job.js'

/** Models whose width is remembered. */
const MOST_WIDTHS = 1000

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
    const models = await context.models.get(exchange.signal)
    const model = chooseModel(models, {
      name: aliased(fields.model, context),
      isAnyTaken: context.anyModel,
      task: 'embed',
      purpose: 'embed texts',
      // What embeds sounds is counted by their length.
      suits: ({ unit }) => unit !== 'audio-second',
    })
    const texts = typeof fields.input === 'string' ? [fields.input] : fields.input
    const inputs = texts.map((each) => ({ kind: 'text', text: each }) as const)
    requireAffordable(context, model, inputs)
    const { dimensions } = fields
    const known = context.widths.get(model.sha256)
    // Whoever answered may have been wrong: the next request asks the model again.
    if (!suffices(dimensions, known)) context.widths.delete(model.sha256)
    requireWidth(dimensions, known)
    const answers: AnswerOf<'vector'>[] = []
    // One after another: what a source can do more at once is for other requests.
    for (const input of inputs) {
      const answer = await runJob(exchange, context, {
        job: { task: 'embed', model: model.sha256, input, parameters: {} },
        kind: 'vector',
      })
      const width = answer.output.values.length
      requireAlike(width, answers[0]?.output.values.length ?? width, inputs.length)
      if (context.widths.size < MOST_WIDTHS) context.widths.set(model.sha256, width)
      // Of a model that nobody asked before, the first text tells it; what was paid for that is kept for a better request.
      requireWidth(dimensions, width)
      answers.push(answer)
    }
    exchange.setHeaders(answerHeaders(answers, model.ownedBy, ignored))
    exchange.json({
      object: 'list',
      data: answers.map(({ output }, index) => ({
        object: 'embedding',
        index,
        embedding: encoded(cut(output.values, dimensions), fields.encoding_format),
      })),
      model: publicId(model, models),
      // Text is counted by characters here, in x-plumbline-units; clients only expect the fields to be there.
      usage: { prompt_tokens: 0, total_tokens: 0 },
    })
  },
}

const suffices = (dimensions: number | undefined, width: number | undefined): boolean =>
  dimensions === undefined || width === undefined || dimensions <= width

/** @throws ApiError 400 for more than there are */
function requireWidth(dimensions: number | undefined, width: number | undefined): void {
  if (!suffices(dimensions, width))
    throw badField('dimensions', `the model has ${width} dimensions, ${dimensions} were asked for`)
}

/**
 * Before the next text is bought.
 * @param first the width of the first text's vector
 * @throws ApiError 502 for vectors of differing width or none, and for more numbers than one answer has
 */
function requireAlike(width: number, first: number, texts: number): void {
  const wrong = (message: string): ApiError => new ApiError(message, { status: 502, code: 'wrong_answer' })
  if (width === 0) throw wrong('the model answered with a vector without numbers')
  if (width !== first) throw wrong(`vectors of one model came with ${first} and with ${width} dimensions`)
  if (width * texts > MAX_EMBEDDING_NUMBERS)
    throw wrong(
      `the model answers with ${width} dimensions, and ${texts} texts with more than the ${MAX_EMBEDDING_NUMBERS} ` +
        'numbers that one answer has; send fewer texts at once',
    )
}

/** As OpenAI does it: the first of them, brought to length 1 again. */
function cut(values: Float32Array, dimensions: number = values.length): Float32Array {
  if (dimensions >= values.length) return values
  const kept = values.slice(0, dimensions)
  let squares = 0
  for (const value of kept) squares += value * value
  const length = Math.sqrt(squares)
  return length === 0 ? kept : kept.map((value) => value / length)
}

const encoded = (values: Float32Array, format: 'float' | 'base64'): string | number[] =>
  format === 'base64' ? base64Of(values) : Array.from(values)

/** Little-endian float32, as the official client reads them. */
function base64Of(values: Float32Array): string {
  const bytes = Buffer.alloc(4 * values.length)
  values.forEach((value, i) => {
    bytes.writeFloatLE(value, 4 * i)
  })
  return bytes.toString('base64')
}
