/**
 * One job of inference, as every part of the service speaks of it. What runs it may be a model on this machine, a
 * provider of the network, or a server behind this one: each is a {@link JobSource}.
 */
import type { Task } from './catalogue/card.js'

/** Mono, 16-bit, little-endian: bytes that both sides count and hash alike, so that price and audit need no decoder. */
export interface SoundInput {
  readonly kind: 'sound'
  /** Hz. */
  readonly sampleRate: number
  readonly pcm16: Uint8Array
}

export interface TextInput {
  readonly kind: 'text'
  readonly text: string
}

export type JobInput = SoundInput | TextInput

export interface JobParameters {
  /** Of what is heard or spoken, where the model has several: ISO 639-3, as the model's card lists them. */
  readonly language?: string
  /** Of a translation. */
  readonly targetLanguage?: string
  /** Free text with the n-gram decoder (asr-small). */
  readonly dictation?: boolean
  /** Speaking rate, 1 as trained. */
  readonly speed?: number
}

export interface Job {
  readonly task: Task
  /** Which model must run: its SHA-256 in hex, as {@link ServedModel.sha256}. */
  readonly model: string
  readonly input: JobInput
  readonly parameters: JobParameters
}

/** A word with its place in the sound, seconds from the start. */
export interface JobWord {
  readonly text: string
  readonly startSeconds: number
  readonly endSeconds: number
  /** From 0 to 1: a rank, not a calibrated probability. */
  readonly confidence: number
}

export type JobOutput =
  | {
      readonly kind: 'transcription'
      readonly text: string
      readonly language: string | null
      readonly words: readonly JobWord[]
    }
  | { readonly kind: 'translation'; readonly text: string }
  | {
      readonly kind: 'labels'
      /** The likeliest first. */
      readonly labels: readonly { readonly label: string; readonly probability: number }[]
      /** Whether the first is likely enough to be believed, where anybody says; does not travel (catalogue/sureness.ts). */
      readonly isSure?: boolean
    }
  | { readonly kind: 'speech'; readonly sampleRate: number; readonly pcm16: Uint8Array }
  | { readonly kind: 'vector'; readonly values: Float32Array }

/** What comes of each task: there is no other output that answers it. */
export const OUTPUT_KINDS: Readonly<Record<Task, JobOutput['kind']>> = {
  transcribe: 'transcription',
  translate: 'translation',
  identify: 'labels',
  speak: 'speech',
  embed: 'vector',
}

/** What a job, or a piece of one, cost, and the proof of it. */
export interface JobPayment {
  /** Peer id of the provider. */
  readonly provider: string
  readonly priceWei: bigint
  /** Whole units as the offer counts them: {@link ServedModel.unit}. */
  readonly units: number
  /** Digest of the signed receipt, hex. */
  readonly receiptDigest: string
}

export interface JobAnswer {
  readonly output: JobOutput
  /** Seconds that the model itself took. */
  readonly runSeconds: number
  /** One for each piece in which it was bought; absent where nothing was paid (a model of this machine). */
  readonly payments?: readonly JobPayment[]
}

/** How a model's work is counted. */
export type Unit = 'audio-second' | '1000-characters' | 'token' | 'request'

export interface ServedModel {
  /** As people call it; not unique over the network. */
  readonly id: string
  /** Hex, of the model's files: what is offered, bought, receipted and audited. */
  readonly sha256: string
  /** Where it runs on other weights than those of its files, of which the hash is another one then. */
  readonly precision?: 'int8'
  /** Where it hears with a language model, of which the hash is another one, too. */
  readonly hearsWithNgrams?: true
  readonly task: Task
  readonly languages: readonly string[]
  readonly licence: string | null
  readonly unit: Unit
  /** 0 where nothing is paid. */
  readonly priceWeiPerUnit: bigint
  /** Who runs it: a peer id, or `local`, or an upstream's name. */
  readonly ownedBy: string
  /** Unix milliseconds. */
  readonly addedAtMs: number
  /** Of what is bought from the network; absent where this machine, or a server of its operator's, runs it. */
  readonly standing?: ModelStanding
}

/** What this machine knows of a model that somebody offers. */
export interface ModelStanding {
  /** What its files are called here; empty where nobody here knows them. */
  readonly names: readonly string[]
  /** It is offered under a name that means other files here. */
  readonly isNamesake: boolean
}

export interface RunOptions {
  readonly signal?: AbortSignal
  /** Most that the job may cost; refused with have and need before anything is sent. */
  readonly maxPriceWei?: bigint
  /**
   * Each part of a transcription as soon as it is certain and, where it costs something, paid. Parts follow one another
   * with a space between, unless one begins with white space; together they begin the text, and mostly are all of it.
   */
  readonly onText?: (text: string) => void
  /** Each payment as soon as it was made: what was paid for may be no output, and a later piece may fail. Those of the answer are the same objects. */
  readonly onPaid?: (payment: JobPayment) => void
}

/**
 * @throws from `run`: UserError NOT_FOUND (no such model), BAD_ARGUMENT (input or parameter), BUSY with
 *   `details.retryAfterSeconds`, DENIED (too expensive) with have and need, TIMEOUT, UNAVAILABLE; the signal's reason
 */
export interface JobSource {
  models(signal?: AbortSignal): Promise<readonly ServedModel[]>
  run(job: Job, options?: RunOptions): Promise<JobAnswer>
  /** Why nothing that costs something can be bought, as far as that is known; whether it still holds is tried beside it. */
  unpayable?(): string | undefined
  close(): Promise<void>
}
