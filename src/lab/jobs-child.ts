/**
 * Apps of the laboratory that never rest: a process which keeps so many jobs under way at a provider, over libp2p, while its
 * parent says so. Messages in: {flow}; out: {ready} | {flowing} | {rested} with every job that ran | {error}.
 */
import '../node/polyfills.js'
import { readFile } from 'node:fs/promises'
import { loadConfig } from '../config/load.js'
import { openFreeTranscriber } from '../node/inference/free-transcriber.js'
import { createLogger } from '../telemetry/logger.js'

export interface JobsSpec {
  readonly dataDir: string
  /** Multiaddr of a provider that gives transcriptions away. */
  readonly provider: string
  readonly recording: string
  readonly atOnce: number
}

export interface FlowOrder {
  readonly flow: boolean
}

export interface JobTimes {
  /** Milliseconds since the Unix epoch. */
  readonly startedMs: number
  readonly tookMs: number
}

export type JobsMessage =
  | { readonly kind: 'ready' }
  /** A first job was done: the model is warm. */
  | { readonly kind: 'flowing' }
  | { readonly kind: 'rested'; readonly jobs: readonly JobTimes[]; readonly failures: readonly string[] }
  | { readonly kind: 'error'; readonly message: string }

const MOST_FAILURES = 10
const send = (message: JobsMessage) => process.send?.(message)

async function main(specPath: string): Promise<void> {
  const spec = JSON.parse(await readFile(specPath, 'utf8')) as JobsSpec
  const { config } = await loadConfig({ flags: { dataDir: spec.dataDir } })
  const { provider, recording } = spec
  const log = createLogger({ level: config.logging.level, format: 'json' })
  const transcriber = await openFreeTranscriber({ config, provider, recording, log })
  let isFlowing = false
  let jobs: JobTimes[] = []
  let failures: string[] = []
  let running: Promise<unknown> = Promise.resolve()

  const keepOneUnderWay = async (): Promise<void> => {
    while (isFlowing && failures.length < MOST_FAILURES) {
      const startedMs = Date.now()
      const began = performance.now()
      try {
        await transcriber.run()
        jobs.push({ startedMs, tookMs: performance.now() - began })
        if (jobs.length === 1) send({ kind: 'flowing' })
      } catch (error) {
        failures.push(String(error))
      }
    }
  }
  process.on('message', async ({ flow }: FlowOrder) => {
    isFlowing = flow
    if (flow) {
      jobs = []
      failures = []
      running = Promise.all(Array.from({ length: spec.atOnce }, keepOneUnderWay))
      return
    }
    await running
    send({ kind: 'rested', jobs, failures })
  })
  process.once('disconnect', () => process.exit())
  send({ kind: 'ready' })
}

main(process.env.PLUMBLINE_LAB_SPEC ?? '').catch((error: unknown) =>
  send({ kind: 'error', message: error instanceof Error ? error.message : String(error) }),
)
