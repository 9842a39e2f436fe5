/**
 * Jobs as they travel (docs/inference.md): deterministic CBOR, so that both sides hash the same bytes. There are no
 * fractions in it: times are milliseconds, confidences ten-thousandths, probabilities millionths.
 */
import { type CborValue, encode } from '../../crypto/cbor.js'
import {
  array,
  boolean,
  bytes,
  decodeAs,
  enumeration,
  type Infer,
  integer,
  object,
  optional,
  type Schema,
  text,
  union,
} from '../../crypto/cbor-schema.js'
import { sha256 } from '../../crypto/fast/index.js'
import { UserError } from '../../errors.js'
import { TASKS } from '../catalogue/card.js'
import type { JobInput, JobOutput, JobParameters } from '../job.js'
import { weiSchema, weiToBytes } from '../payment/wei.js'
import { isWellFormed } from '../well-formed.js'

/** Seven and a half minutes at 16 kHz: more is cut and sent as several jobs. */
export const MAX_INPUT_BYTES = 15 * 2 ** 20
/** Eight minutes of speech at 16 kHz. */
export const MAX_OUTPUT_BYTES = 15 * 2 ** 20
const MAX_TEXT = 2 ** 20
const MAX_WORDS = 65_536
const MAX_LABELS = 5000
const MAX_MS = 2 ** 40
const TEN_THOUSAND = 10_000
const MILLION = 1_000_000
const THOUSAND = 1000

export const UNITS = ['audio-second', '1000-characters', 'request'] as const
/** How units are counted on the network; tokens need a tokenizer that the buyer may lack. */
export type NetworkUnit = (typeof UNITS)[number]

const LANGUAGE = /^[A-Za-z0-9_-]+$/
const MOST_LANGUAGE = 35
export const languageSchema = text({ min: 1, max: MOST_LANGUAGE, pattern: LANGUAGE, what: 'a language' })
/** What {@link languageSchema} takes. */
export const isLanguage = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= MOST_LANGUAGE && LANGUAGE.test(value)

/** Text as CBOR can say it. */
function unicode(coded: Schema<string>): Schema<string> {
  return {
    read: (value, path) => {
      const content = coded.read(value, path)
      if (!isWellFormed(content))
        throw new UserError(`${path}: half a character (a lone surrogate) cannot be sent`, {
          code: 'BAD_MESSAGE',
        })
      return content
    },
  }
}

const inputSchema = union('kind', {
  sound: object({
    kind: enumeration('sound'),
    sampleRate: integer({ min: 1, max: 192_000 }),
    pcm16: bytes({ min: 2, max: MAX_INPUT_BYTES }),
  }),
  text: object({ kind: enumeration('text'), text: unicode(text({ min: 1, max: MAX_TEXT })) }),
})

/** @throws UserError for more than can be sent, BAD_ARGUMENT for text that is ill-formed */
export function encodeInput(input: JobInput): Uint8Array {
  if (input.kind === 'text' && !isWellFormed(input.text))
    throw new UserError('the text holds half a character (a lone surrogate)', {
      code: 'BAD_ARGUMENT',
      remedy: 'send well-formed Unicode',
    })
  return encode(inputSchema.read({ ...input }, 'input') as CborValue)
}

/** @throws UserError BAD_MESSAGE */
export function decodeInput(encoded: Uint8Array): JobInput {
  return decodeAs(inputSchema, encoded, 'input', { maxBytes: MAX_INPUT_BYTES })
}

const termsSchema = object({
  task: enumeration(...TASKS),
  unit: enumeration(...UNITS),
  /** Of the input, as both sides count them. */
  units: integer({ min: 1, max: 2 ** 32 }),
  priceWeiPerUnit: weiSchema,
  /** Whether the job may be sampled: then auditors hear it, too. */
  audit: boolean,
  language: optional(languageSchema),
  targetLanguage: optional(languageSchema),
  dictation: optional(boolean),
  /** 1000 as trained. */
  speedPermille: optional(integer({ min: 1, max: 100_000 })),
})
/** What was agreed of a job before it ran; the receipt names its hash. */
export type JobTerms = Infer<typeof termsSchema>

export function encodeTerms(terms: JobTerms): Uint8Array {
  return encode({ ...terms, priceWeiPerUnit: weiToBytes(terms.priceWeiPerUnit) } as CborValue)
}

/** @throws UserError BAD_MESSAGE */
export function decodeTerms(encoded: Uint8Array): JobTerms {
  return decodeAs(termsSchema, encoded, 'terms')
}

export function parametersOf({
  language,
  targetLanguage,
  dictation,
  speedPermille,
}: JobTerms): JobParameters {
  return {
    ...(language === undefined ? {} : { language }),
    ...(targetLanguage === undefined ? {} : { targetLanguage }),
    ...(dictation === undefined ? {} : { dictation }),
    ...(speedPermille === undefined ? {} : { speed: speedPermille / THOUSAND }),
  }
}

export function termsOfParameters({
  language,
  targetLanguage,
  dictation,
  speed,
}: JobParameters): Pick<JobTerms, 'language' | 'targetLanguage' | 'dictation' | 'speedPermille'> {
  return {
    ...(language === undefined ? {} : { language }),
    ...(targetLanguage === undefined ? {} : { targetLanguage }),
    ...(dictation === undefined ? {} : { dictation }),
    ...(speed === undefined ? {} : { speedPermille: Math.round(speed * THOUSAND) }),
  }
}

/** Whole numbers of floats, each of them a number: what else a vector might hold, JSON could not say. */
function floats(coded: Schema<Uint8Array>): Schema<Uint8Array> {
  return {
    read: (value, path) => {
      const content = coded.read(value, path)
      const areNumbers = content.length % 4 === 0 && fromFloat32Bytes(content).every(Number.isFinite)
      if (!areNumbers)
        throw new UserError(`${path}: expected finite float32 numbers`, { code: 'BAD_MESSAGE' })
      return content
    },
  }
}

/** Half a sample is none. */
function samples(coded: Schema<Uint8Array>): Schema<Uint8Array> {
  return {
    read: (value, path) => {
      const content = coded.read(value, path)
      if (content.length % 2 !== 0)
        throw new UserError(`${path}: expected whole 16-bit samples, got ${content.length} bytes`, {
          code: 'BAD_MESSAGE',
        })
      return content
    },
  }
}

const outputSchema = union('kind', {
  transcription: object({
    kind: enumeration('transcription'),
    text: unicode(text({ max: MAX_TEXT })),
    language: optional(languageSchema),
    words: array(
      object({
        text: unicode(text({ max: MAX_TEXT })),
        startMs: integer({ max: MAX_MS }),
        endMs: integer({ max: MAX_MS }),
        confidence: integer({ max: TEN_THOUSAND }),
      }),
      { max: MAX_WORDS },
    ),
  }),
  translation: object({ kind: enumeration('translation'), text: unicode(text({ max: MAX_TEXT })) }),
  labels: object({
    kind: enumeration('labels'),
    labels: array(object({ label: unicode(text({ max: 200 })), probability: integer({ max: MILLION }) }), {
      max: MAX_LABELS,
    }),
  }),
  speech: object({
    kind: enumeration('speech'),
    sampleRate: integer({ min: 1, max: 192_000 }),
    pcm16: samples(bytes({ max: MAX_OUTPUT_BYTES })),
  }),
  /** Float32, little-endian. */
  vector: object({ kind: enumeration('vector'), float32: floats(bytes({ max: 2 ** 20 })) }),
})

const share = (value: number, of: number): number => Math.round(Math.min(1, Math.max(0, value)) * of)
const toMs = (seconds: number): number => Math.max(0, Math.round(seconds * THOUSAND))

function outputToCbor(output: JobOutput): CborValue {
  switch (output.kind) {
    case 'transcription': {
      const { kind, text: whole, language, words } = output
      const coded = words.map((word) => ({
        text: word.text,
        startMs: toMs(word.startSeconds),
        endMs: toMs(word.endSeconds),
        confidence: share(word.confidence, TEN_THOUSAND),
      }))
      return { kind, text: whole, words: coded, ...(language === null ? {} : { language }) }
    }
    case 'labels': {
      const labels = output.labels.map(({ label, probability }) => ({
        label,
        probability: share(probability, MILLION),
      }))
      return { kind: output.kind, labels }
    }
    case 'vector':
      return { kind: output.kind, float32: toFloat32Bytes(output.values) }
    case 'translation':
    case 'speech':
      return { ...output }
  }
}

/** What the receipt names by its hash. @throws UserError for more than can be sent */
export function encodeOutput(output: JobOutput): Uint8Array {
  return encode(outputSchema.read(outputToCbor(output), 'output') as CborValue)
}

/** @throws UserError BAD_MESSAGE */
export function decodeOutput(encoded: Uint8Array): JobOutput {
  const output = decodeAs(outputSchema, encoded, 'output', { maxBytes: MAX_OUTPUT_BYTES + 1024 })
  switch (output.kind) {
    case 'transcription': {
      const words = output.words.map(({ text: word, startMs, endMs, confidence }) => ({
        text: word,
        startSeconds: startMs / THOUSAND,
        endSeconds: endMs / THOUSAND,
        confidence: confidence / TEN_THOUSAND,
      }))
      return { kind: output.kind, text: output.text, language: output.language ?? null, words }
    }
    case 'labels': {
      const labels = output.labels.map(({ label, probability }) => ({
        label,
        probability: probability / MILLION,
      }))
      return { kind: output.kind, labels }
    }
    case 'vector':
      return { kind: output.kind, values: fromFloat32Bytes(output.float32) }
    case 'translation':
    case 'speech':
      return output
  }
}

function toFloat32Bytes(values: Float32Array): Uint8Array {
  const coded = new Uint8Array(4 * values.length)
  const view = new DataView(coded.buffer)
  values.forEach((value, i) => {
    view.setFloat32(4 * i, value, true)
  })
  return coded
}

function fromFloat32Bytes(coded: Uint8Array): Float32Array {
  const view = new DataView(coded.buffer, coded.byteOffset, coded.byteLength)
  return Float32Array.from({ length: coded.length >> 2 }, (_, i) => view.getFloat32(4 * i, true))
}

/** Inputs have megabytes. */
export const hashOf = (encoded: Uint8Array): Uint8Array => sha256(encoded)
