/** What every route that takes a recording begins with. */
import type { SoundInput } from '../job.js'
import { badField } from './api-error.js'
import type { GatewayContext } from './context.js'
import type { Exchange } from './exchange.js'
import { type Form, readForm } from './form.js'
import { secondsOf } from './sound-decoder.js'

/** @throws ApiError */
export function receiveForm(exchange: Exchange, { limits }: GatewayContext): Promise<Form> {
  const { uploadBytes: mostBytes, idleMs } = limits
  return readForm(exchange, { mostBytes, idleMs })
}

export interface Heard {
  readonly sound: SoundInput
  readonly seconds: number
}

/** Last, after all that is cheaper to refuse. @throws ApiError */
export async function hear({ file }: Form, exchange: Exchange, context: GatewayContext): Promise<Heard> {
  if (file === undefined) throw badField('file', 'file is missing: attach the recording', 'missing_field')
  const sound = await context.decoder.decode(file, exchange.signal)
  const { buffer, byteLength } = sound.pcm16
  // A few kilobytes of silence become megabytes: beside the upload, and once more in whatever form the job leaves.
  exchange.lease.take(buffer === file.buffer ? byteLength : 2 * byteLength)
  const seconds = secondsOf(sound)
  context.metrics.sound(seconds)
  return { sound, seconds }
}

/** Where a client's name for a model stands for another. */
export const aliased = (name: string, { aliases }: GatewayContext): string => aliases.get(name) ?? name
