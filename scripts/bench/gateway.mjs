#!/usr/bin/env node
/**
 * `npm run bench -- gateway [--runs 200] [--seconds 10] [--json]`: what HTTP adds to a job. The same recording goes to
 * asr-small directly and through a gateway over loopback, turn about, all warm, in one process: upload, multipart,
 * decoding, the job and the answer. Beside the whole time it tells the overhead, which is the whole less the model's own
 * run, and the processor time of this process and the decoder's: on a machine that does other things, the clock says little.
 * Exit status 1 where the gateway adds more than 25 ms at the median or 60 ms at p99.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const TARGET_MS = { p50: 25, p99: 60 }
const WARM_UP = 5
const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'gateway'),
  options: {
    runs: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
  },
})
const [runs, seconds] = [values.runs, values.seconds].map(Number)

await import('../../dist/node/polyfills.js')
const { Gateway } = await import('../../dist/inference/gateway/index.js')
const { LocalJobs } = await import('../../dist/inference/local/local-jobs.js')
const { pcm16Of } = await import('../../dist/ml/audio/pcm16.js')
const { readWav } = await import('../../dist/ml/audio/wav-read.js')
const { writeWav } = await import('../../dist/ml/audio/wav-write.js')

/** Speech again and again, until it is long enough. */
function clip() {
  const { sampleRate, channels } = readWav(readFileSync('test/fixtures/speech/accept-this-call.wav'))
  const [spoken] = channels
  const samples = Float32Array.from({ length: seconds * sampleRate }, (_, i) => spoken[i % spoken.length])
  return { sampleRate, samples }
}

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
function quantiles(times) {
  const sorted = [...times].sort((a, b) => a - b)
  const round = (value) => Math.round(100 * value) / 100
  return { p50Ms: round(at(sorted, 0.5)), p99Ms: round(at(sorted, 0.99)) }
}

/** Processor milliseconds of a process so far, its threads included; undefined where nobody says. */
function processorMs(pid) {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`)
    return tasks.reduce((sum, task) => {
      const [nanoseconds] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')
      return sum + Number(nanoseconds) / 1e6
    }, 0)
  } catch {
    return undefined
  }
}
const children = () =>
  readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ').filter(Boolean)

const directory = mkdtempSync(join(tmpdir(), 'plumbline-bench-'))
const source = await LocalJobs.open({ dataDir: directory, names: ['asr-small'] })
const gateway = await Gateway.start({ host: '127.0.0.1', port: 0 }, { source })
// No model runs yet: the only child is the one that decodes.
const watched = process.platform === 'linux' ? [process.pid, ...children()] : []
const worked = () => watched.reduce((sum, pid) => sum + (processorMs(pid) ?? 0), 0)
try {
  const { sampleRate, samples } = clip()
  const wav = new Blob([writeWav({ sampleRate, channels: [samples] })])
  const [model] = await source.models()
  const job = {
    task: 'transcribe',
    model: model.sha256,
    input: { kind: 'sound', sampleRate, pcm16: pcm16Of(samples) },
    parameters: {},
  }
  const direct = async () => {
    const { output, runSeconds } = await source.run(job)
    return { text: output.text, runSeconds }
  }
  const overHttp = async () => {
    const form = new FormData()
    form.set('file', wav, 'clip.wav')
    form.set('model', 'asr-small')
    const response = await fetch(`${gateway.url}/v1/audio/transcriptions`, { method: 'POST', body: form })
    const { text } = await response.json()
    return { text, runSeconds: Number(response.headers.get('x-plumbline-run-seconds')) }
  }
  const ways = { direct, gateway: overHttp }
  const times = { direct: [], gateway: [] }
  const overheads = { direct: [], gateway: [] }
  const processor = { direct: [], gateway: [] }
  for (let run = -WARM_UP; run < runs; run++) {
    const texts = []
    for (const name of run % 2 === 0 ? ['direct', 'gateway'] : ['gateway', 'direct']) {
      const before = worked()
      const started = performance.now()
      const { text, runSeconds } = await ways[name]()
      const elapsed = performance.now() - started
      texts.push(text)
      if (run < 0) continue
      times[name].push(elapsed)
      overheads[name].push(elapsed - 1000 * runSeconds)
      processor[name].push(worked() - before)
    }
    if (texts[0] !== texts[1]) throw new Error('the two ways heard different things')
  }
  const report = {
    seconds,
    runs,
    load: loadavg()[0],
    direct: quantiles(times.direct),
    gateway: quantiles(times.gateway),
    overhead: { direct: quantiles(overheads.direct), gateway: quantiles(overheads.gateway) },
    ...(watched.length === 0
      ? {}
      : { processor: { direct: quantiles(processor.direct), gateway: quantiles(processor.gateway) } }),
  }
  const added = {
    p50Ms: report.overhead.gateway.p50Ms - report.overhead.direct.p50Ms,
    p99Ms: report.overhead.gateway.p99Ms - report.overhead.direct.p99Ms,
  }
  const met = added.p50Ms <= TARGET_MS.p50 && added.p99Ms <= TARGET_MS.p99
  if (values.json) console.log(JSON.stringify({ ...report, added, met }, null, 2))
  else
    console.log(
      [
        `gateway, ${seconds} s clip, asr-small warm, ${runs} runs of each way, load ${report.load.toFixed(1)}:`,
        ...['direct', 'gateway'].map(
          (name) =>
            `  ${name.padEnd(8)} p50 ${report[name].p50Ms} ms, p99 ${report[name].p99Ms} ms; ` +
            `without the model's run p50 ${report.overhead[name].p50Ms} ms, p99 ${report.overhead[name].p99Ms} ms`,
        ),
        ...(report.processor === undefined
          ? []
          : [
              `  processor time of a request: direct p50 ${report.processor.direct.p50Ms} ms, gateway p50 ${report.processor.gateway.p50Ms} ms (client, gateway, decoder)`,
            ]),
        `  added    p50 ${added.p50Ms.toFixed(2)} ms (target ${TARGET_MS.p50}), p99 ${added.p99Ms.toFixed(2)} ms (target ${TARGET_MS.p99})`,
      ].join('\n'),
    )
  process.exitCode = met ? 0 : 1
} finally {
  await gateway.stop()
  await source.close()
  rmSync(directory, { recursive: true, force: true })
}
