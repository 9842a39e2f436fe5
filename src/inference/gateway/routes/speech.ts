/** `POST /v1/audio/speech`: text to sound, as WAV, FLAC or bare samples. */
import { z } from 'zod'
import { samplesOfPcm16 } from '../../../ml/audio/pcm16.js'
import { writeWav } from '../../../ml/audio/wav-write.js'
import { badField } from '../api-error.js'
import { readJson } from '../body.js'
import type { Route } from '../context.js'
import { modelName, readFields } from '../fields.js'
import { aliased } from '../hear.js'
import { MAX_SPEECH_CHARACTERS } from '../limits.js'
import { chooseModel } from '../model-choice.js'
import { answerHeaders, runJob } from '../run-job.js'

/** What clients take OpenAI's `pcm` for; a voice of another rate is resampled. */
const PCM_SAMPLE_RATE_HZ = 24_000
/** OpenAI's, without an encoder here. */
const NOT_ENCODED = ['mp3', 'opus', 'aac']

const FIELDS = z.object({
  model: modelName,
  input: z.string().min(1).max(MAX_SPEECH_CHARACTERS),
  // OpenAI's own default is mp3: a WAV says what it is in its first bytes and in its header, so players cope.
  response_format: z.enum(['wav', 'flac', 'pcm', ...NOT_ENCODED]).default('wav'),
  stream_format: z.literal('audio').optional(),
  speed: z.number().min(0.25).max(4).optional(),
})

export const speech: Route = {
  method: 'POST',
  path: '/v1/audio/speech',
  answer: async (exchange, context) => {
    const { jsonBytes: mostBytes, idleMs } = context.limits
    const body = await readJson(exchange, { mostBytes, idleMs })
    const { value: fields, ignored } = readFields(FIELDS, body)
    const { input, response_format: format, speed } = fields
    if (NOT_ENCODED.includes(format))
      throw badField(
        'response_format',
        `${format} is not encoded here: use "wav", "flac" or "pcm"`,
        'unsupported_format',
      )
    const model = chooseModel(await context.models.get(exchange.signal), {
      name: aliased(fields.model, context),
      isAnyTaken: context.anyModel,
      task: 'speak',
    })
    const answer = await runJob(exchange, context, {
      job: {
        task: 'speak',
        model: model.sha256,
        input: { kind: 'text', text: input },
        parameters: speed === undefined ? {} : { speed },
      },
      kind: 'speech',
    })
    const { sampleRate, pcm16 } = answer.output
    exchange.setHeaders(answerHeaders([answer], model.ownedBy, ignored))
    if (format === 'wav')
      exchange.bytes(writeWav({ sampleRate, channels: [samplesOfPcm16(pcm16)] }), 'audio/wav')
    else if (format === 'flac')
      exchange.bytes(await context.decoder.flac({ sampleRate, pcm16 }, exchange.signal), 'audio/flac')
    else if (sampleRate === PCM_SAMPLE_RATE_HZ) exchange.bytes(pcm16, 'audio/pcm')
    else {
      const call = { pcm16, fromHz: sampleRate, toHz: PCM_SAMPLE_RATE_HZ }
      exchange.bytes(await context.decoder.resample(call, exchange.signal), 'audio/pcm')
    }
  },
}
