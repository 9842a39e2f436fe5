/** How jobs are counted: whole units, rounded up, which both sides count alike from the input alone, before it runs. */
import type { EmbedInput, Task } from './catalogue/card.js'
import type { JobInput, Unit } from './job.js'

const CHARACTERS_A_UNIT = 1000
const BYTES_A_SAMPLE = 2
/** No model hears more, and units count seconds: what nobody hears would be sent, and kept for auditors, for nothing. */
export const MOST_SAMPLE_RATE_HZ = 48_000
/** As people speak. */
const CHARACTERS_A_SECOND = 15

/** @param input of a model to embed */
export function unitOf(task: Task, input?: EmbedInput): Unit {
  if (task === 'speak') return '1000-characters'
  if (task === 'embed') return input === 'text' ? '1000-characters' : 'audio-second'
  return 'audio-second'
}

/** At least 1: a job without work is a job. Characters are Unicode code points. */
export function unitsOf(unit: Unit, input: JobInput): number {
  if (unit === 'request') return 1
  if (unit === 'token') throw new RangeError('tokens are counted by no model of this kind')
  if (input.kind === 'sound')
    return Math.max(1, Math.ceil(input.pcm16.length / BYTES_A_SAMPLE / input.sampleRate))
  let characters = 0
  for (const _ of input.text) characters++
  return Math.max(1, Math.ceil(characters / CHARACTERS_A_UNIT))
}

/** @throws RangeError for a number of units that is none */
export function priceOf(units: number, priceWeiPerUnit: bigint): bigint {
  return BigInt(units) * priceWeiPerUnit
}

/** How much there is to do, in seconds of speech: for what jobs take, not for what they cost. */
export function workOf(input: JobInput): number {
  return input.kind === 'sound'
    ? input.pcm16.length / BYTES_A_SAMPLE / input.sampleRate
    : input.text.length / CHARACTERS_A_SECOND
}
