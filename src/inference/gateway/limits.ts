/** What one gateway takes on at most, with the reasons. */

const MIB = 2 ** 20

export interface GatewayLimits {
  /** Of one upload. */
  readonly uploadBytes: number
  /** Of one JSON body. */
  readonly jsonBytes: number
  /** Of all bodies held at once, of the sound in them, and of the answers; further ones are answered 429. */
  readonly heldBytes: number
  /** Of one recording. */
  readonly soundSeconds: number
  /** To decode one, or to bring speech into another form; what waits for it in line does not count. */
  readonly decodeMs: number
  /** Being worked on at once; further ones are answered 429. */
  readonly requests: number
  /** Waiting to learn whether there is a model; further ones are told no at once. */
  readonly probes: number
  /** Open at once; for a further one the oldest goes whose requests were not let in, else it is closed unanswered. */
  readonly connections: number
  /** The same of one address, or of one IPv6 subscriber. */
  readonly connectionsPerAddress: number
  /** Until a request's headers are there. */
  readonly headersMs: number
  /** Until a request's body is there. */
  readonly requestMs: number
  /** Between two pieces of a body, or of an answer. */
  readonly idleMs: number
  /** From a request's headers to its answer, everything between included; of a stream, to its end. */
  readonly answerMs: number
  /** Of answers that were paid and could not be delivered, for whoever repeats the request. */
  readonly paidBytes: number
  /** How long those are kept. */
  readonly paidMs: number
}

export const DEFAULT_LIMITS: GatewayLimits = {
  /** OpenAI's own limit: what clients are written for. */
  uploadBytes: 25 * MIB,
  /** 64 texts of 8,000 characters, twice over for JSON's escapes. */
  jsonBytes: MIB,
  /** Ten of the largest uploads, or two half-hours as decoded; an access point has little memory. */
  heldBytes: 256 * MIB,
  /** What one job may bring: half an hour of 16 kHz samples is 58 MB. */
  soundSeconds: 1800,
  /** The slowest format, an hour of MP3, takes some twenty seconds on one slow core. */
  decodeMs: 120_000,
  /** Far more than one node's queue; the rest would only wait here instead of being told. */
  requests: 64,
  /** They need no key; a household has a few, and they wait only where nothing is known yet. */
  probes: 32,
  /** Keep-alive clients of one household; each costs some 50 kB. */
  connections: 256,
  /** Twice the requests that are worked on, so that a client with too many is told. */
  connectionsPerAddress: 128,
  headersMs: 10_000,
  /** 25 MiB at 700 kbit/s. */
  requestMs: 300_000,
  idleMs: 30_000,
  /** The official client gives up after ten minutes, and then asks again: it is told no before. */
  answerMs: 540_000,
  /** Some thousand vectors, or what the longest text takes to speak, slowly. */
  paidBytes: 32 * MIB,
  /** Clients repeat within seconds, people within minutes. */
  paidMs: 600_000,
}

/**
 * What all that is held may take, where one upload may be as large as that: it alone with its sound, decoded and once more in
 * whatever form the job leaves, must fit, or it would be told to come again for ever.
 */
export const heldBytesFor = (uploadBytes: number): number =>
  Math.max(DEFAULT_LIMITS.heldBytes, uploadBytes + MOST_SOUND_BYTES)

/** Half an hour of one channel at 16 kHz, twice. */
const MOST_SOUND_BYTES = 2 * 2 * 16_000 * DEFAULT_LIMITS.soundSeconds

/** Texts of one call to embed; each is a job. */
export const MAX_EMBEDDING_INPUTS = 64
/** Numbers in one answer, as 64 texts have them of a model with 16,384 dimensions: 24 MB as JSON. */
export const MAX_EMBEDDING_NUMBERS = 64 * 16_384
/** Of one text to embed. */
export const MAX_EMBEDDING_CHARACTERS = 20_000
/** Of one text to speak: OpenAI's own limit. */
export const MAX_SPEECH_CHARACTERS = 4096
