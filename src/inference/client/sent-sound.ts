/** Sound as it is sent: what lies above every model's hearing is left out, and neither travels nor is kept for auditors. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { pcm16Of, samplesOfPcm16 } from '../../ml/audio/pcm16.js'
import { RESAMPLE_FAST } from '../../ml/audio/resample.js'
import { ResampleStream } from '../../ml/audio/resample-stream.js'
import type { Job } from '../job.js'
import { MOST_SAMPLE_RATE_HZ } from '../units.js'

/** Some tens of milliseconds of work: others have their turns between. */
const BYTES_AT_ONCE = 2 ** 20

/**
 * The job itself, unless its sound has more than 48 kHz. Its price stays what it was: units count seconds.
 * @throws UserError BAD_ARGUMENT for a rate so odd that nothing here resamples it; the signal's reason
 */
export async function withSentSound(job: Job, signal?: AbortSignal): Promise<Job> {
  const { input } = job
  if (input.kind !== 'sound' || input.sampleRate <= MOST_SAMPLE_RATE_HZ) return job
  // What folds down from above the new rate's half lies above 16 kHz, where no model hears.
  const resampler = new ResampleStream(input.sampleRate, MOST_SAMPLE_RATE_HZ, RESAMPLE_FAST)
  const pieces: Uint8Array[] = []
  for (let at = 0; at < input.pcm16.length; at += BYTES_AT_ONCE) {
    signal?.throwIfAborted()
    const samples = samplesOfPcm16(input.pcm16.subarray(at, at + BYTES_AT_ONCE))
    pieces.push(pcm16Of(resampler.push(samples)))
    await nextTurn()
  }
  pieces.push(pcm16Of(resampler.finish()))
  const pcm16 = new Uint8Array(Buffer.concat(pieces))
  return { ...job, input: { kind: 'sound', sampleRate: MOST_SAMPLE_RATE_HZ, pcm16 } }
}
