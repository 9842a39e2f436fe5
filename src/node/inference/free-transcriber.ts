/** A client of one provider that gives transcriptions away, with one recording: for the laboratory. */
import { readFile } from 'node:fs/promises'
import type { Config } from '../../config/schema.js'
import { Identity } from '../../crypto/identity.js'
import { plainWav } from '../../inference/gateway/plain-wav.js'
import type { Job } from '../../inference/job.js'
import type { Logger } from '../../telemetry/logger.js'
import { openNetworkClient } from './client.js'

export interface FreeTranscriber {
  /** One job from the network to the answer. */
  run(): Promise<void>
  close(): Promise<void>
}

/** @param recording a wav file of 16-bit samples on one channel */
export async function openFreeTranscriber(options: {
  readonly config: Config
  readonly provider: string
  readonly recording: string
  readonly log: Logger
}): Promise<FreeTranscriber> {
  const { config, provider, recording, log } = options
  const input = plainWav(new Uint8Array(await readFile(recording)))
  if (input === undefined) throw new RangeError(`${recording} is no plain recording`)
  const client = await openNetworkClient({
    config,
    identity: Identity.generate(),
    log,
    providers: [provider],
  })
  const model = (await client.jobs.models()).find(({ task }) => task === 'transcribe')
  const job: Job = { task: 'transcribe', model: model?.sha256 ?? '', input, parameters: {} }
  return {
    run: async () => {
      await client.jobs.run(job)
    },
    close: () => client.close(),
  }
}
