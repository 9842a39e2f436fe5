/** `plumbline demo`: the main job end to end on this machine, ending with a table of truth against measurement. */
import { readFile } from 'node:fs/promises'
import type { LabResult } from '../lab/run.js'
import { defineCommand } from './command.js'
import { formatBytes, formatMbps, labelled, table } from './format.js'
import { labReporter } from './lab.js'
import { number } from './option.js'

const LABEL_WIDTH = 12
/** A link that every machine can carry, and short enough a wait. */
const DEMO_RATE_MBPS = 100

export interface DemoResult {
  readonly truth: LabResult['truth']
  readonly measurement: LabResult['runs'][number]
  readonly verified: {
    readonly level: string | null
    readonly faults: readonly string[]
    readonly milliseconds: number
  }
}

export const demo = defineCommand({
  path: 'demo',
  group: 'start',
  summary: 'See it work: challenge servers measure a prover on this machine, and the proof is verified',
  description: [
    'Starts a beacon, ten challenge servers and a prover behind a link of known rate, each a process of its own, runs ' +
      'one challenge, and verifies its transcript from scratch. Cleans up after itself. Takes under a minute.',
  ],
  options: {
    rate: number({
      summary: 'True rate of the link',
      placeholder: 'Mbit/s',
      above: 0,
      max: 2500,
      default: DEMO_RATE_MBPS,
    }),
  },
  examples: [
    ['demo', 'a 100 Mbit/s link'],
    ['demo --rate 500 --json', 'a faster one, for programs'],
  ],
  run: async (args, io) => {
    const [{ runLab }, { verifyTranscript }, { parseRegistry }] = await Promise.all([
      import('../lab/run.js'),
      import('../pob/verify.js'),
      import('../pob/registry.js'),
    ])
    const reporter = labReporter(io)
    let verified: DemoResult['verified'] = { level: null, faults: ['nothing was measured'], milliseconds: 0 }
    try {
      const result = await runLab(
        {
          rateMbps: args.rate,
          claimRatio: 1,
          profile: 'standard',
          runs: 1,
          challengers: 10,
          faulty: 2,
          afterRun: async ({ transcriptPath, registryPath, beacon }) => {
            const transcript = await readFile(transcriptPath)
            const registry = parseRegistry(await readFile(registryPath, 'utf8'))
            const started = performance.now()
            const verdict = verifyTranscript(transcript, { registry, beacon })
            verified = {
              level: verdict.level ?? null,
              faults: verdict.faults.map((fault) => `${fault.code}: ${fault.message}`),
              milliseconds: Math.round(performance.now() - started),
            }
          },
        },
        (event) => reporter.event(event),
        io.signal,
      )
      reporter.stop()
      const measurement = result.runs[0]
      if (measurement === undefined)
        throw new Error(`the demo's measurement failed: ${result.failures.join('; ')}`)
      const value: DemoResult = { truth: result.truth, measurement, verified }
      io.output.result(value, () => demoText(value))
      return verified.level === 'anchored' ? 0 : 1
    } finally {
      reporter.stop()
    }
  },
})

export function demoText({ truth, measurement, verified }: DemoResult): string {
  const rows = [
    ['true rate', formatMbps(truth.rateMbps)],
    ['estimate', formatMbps(measurement.estimateMbps)],
    ['guaranteed', formatMbps(measurement.guaranteedMbps)],
    ['error', `${measurement.errorPct.toFixed(2)} %`],
    ['bytes used', formatBytes(measurement.bytes)],
    ['verdict', verified.level ?? 'rejected'],
  ] as const
  const { n, assumptions } = measurement.faultTolerance
  return [
    '',
    table(rows, [
      { title: 'what', value: ([name]) => name },
      { title: 'figure', align: 'right', value: ([, figure]) => figure },
    ]),
    '',
    labelled('Guaranteed', assumptions, LABEL_WIDTH),
    labelled(
      'Verdict',
      verified.level === 'anchored'
        ? `the signed transcript was recomputed in ${verified.milliseconds} ms: the committee of ${n} follows from ` +
            'the beacon and the registry, every byte from the revealed seeds, every signature is right'
        : verified.faults.join('; '),
      LABEL_WIDTH,
    ),
    labelled('Link', truth.notes.join('; '), LABEL_WIDTH),
  ].join('\n')
}
