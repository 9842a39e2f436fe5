#!/usr/bin/env node
/**
 * `npm run bench -- purchase [--runs 200] [--seconds 10] [--json]`: what buying adds to a job. The same recording goes to a
 * gateway that runs asr-small itself, and to one that buys it from a provider over libp2p, paid by vouchers on a chain, turn
 * about, all warm, each part a process of its own on this machine. Beside the whole time it tells what is left without the
 * model's own run, and the processor time of the gateways and the provider, without the models': on a machine that does
 * other things, the clock says little of what buying costs. Exit status 1 where buying adds more than 25 ms at the median
 * or 60 ms at p99, in whole times.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'

const TARGET_MS = { p50: 25, p99: 60 }
const WARM_UP = 5
/** A deposit lasts for a thousand jobs of ten seconds: an opening and a redemption are no part of a job. */
const PRICE_WEI = 10n ** 12n
const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    runs: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
  },
})
const [runs, seconds] = [values.runs, values.seconds].map(Number)

register()
await import('../../src/node/polyfills.ts')
const { Market } = await import('../../test/support/market.ts')
const { readWav } = await import('../../src/ml/audio/wav-read.ts')
const { writeWav } = await import('../../src/ml/audio/wav-write.ts')

/** Speech again and again, until it is long enough. */
function clip() {
  const { sampleRate, channels } = readWav(readFileSync('test/fixtures/speech/accept-this-call.wav'))
  const [spoken] = channels
  const samples = Float32Array.from({ length: seconds * sampleRate }, (_, i) => spoken[i % spoken.length])
  return new Blob([writeWav({ sampleRate, channels: [samples] })])
}

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
const round = (value) => Math.round(100 * value) / 100
function quantiles(times) {
  const sorted = [...times].sort((a, b) => a - b)
  return { p50Ms: round(at(sorted, 0.5)), p99Ms: round(at(sorted, 0.99)) }
}
const difference = (a, b) => ({ p50Ms: round(a.p50Ms - b.p50Ms), p99Ms: round(a.p99Ms - b.p99Ms) })

/** Processor milliseconds of processes so far, their threads included; 0 where nobody says. */
function processorMs(processes) {
  try {
    return processes
      .flatMap(({ child: { pid } }) =>
        readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}`),
      )
      .reduce((sum, task) => sum + Number(readFileSync(`${task}/schedstat`, 'utf8').split(' ')[0]) / 1e6, 0)
  } catch {
    return 0
  }
}
/** What a job leaves to do when it was answered: the provider is told that its output came. */
const AFTERWARDS_MS = 30

async function ask(baseUrl, wav) {
  const form = new FormData()
  form.set('file', wav, 'clip.wav')
  form.set('model', 'asr-small')
  const started = performance.now()
  const response = await fetch(`${baseUrl}/audio/transcriptions`, { method: 'POST', body: form })
  const body = await response.json()
  const elapsedMs = performance.now() - started
  if (!response.ok) throw new Error(`${response.status}: ${JSON.stringify(body)}`)
  const header = (name) => response.headers.get(`x-plumbline-${name}`)
  return {
    text: body.text,
    elapsedMs,
    runMs: 1000 * Number(header('run-seconds')),
    priceWei: BigInt(header('price-wei') ?? 0),
  }
}

const market = await Market.open({ priceWei: PRICE_WEI })
try {
  const provider = await market.serve()
  const gateways = { local: await market.own(), network: await market.sell() }
  const wav = clip()
  const whole = { local: [], network: [] }
  const rest = { local: [], network: [] }
  const processor = { local: [], network: [] }
  const watched = { local: [gateways.local.process], network: [gateways.network.process, provider] }
  let paidWei = 0n
  for (let run = -WARM_UP; run < runs; run++) {
    const texts = []
    for (const name of run % 2 === 0 ? ['local', 'network'] : ['network', 'local']) {
      const before = processorMs(watched[name])
      const { text, elapsedMs, runMs, priceWei } = await ask(gateways[name].baseUrl, wav)
      texts.push(text)
      await sleep(AFTERWARDS_MS)
      if (run >= 0) processor[name].push(processorMs(watched[name]) - before)
      if (name === 'network' && priceWei !== PRICE_WEI * BigInt(seconds))
        throw new Error(`a job cost ${priceWei} wei`)
      paidWei += priceWei
      if (run < 0) continue
      whole[name].push(elapsedMs)
      rest[name].push(elapsedMs - runMs)
    }
    if (texts[0] !== texts[1]) throw new Error('the two ways heard different things')
  }
  const load = loadavg()[0]
  for (const { process } of Object.values(gateways)) await process.stop()
  const report = {
    seconds,
    runs,
    load,
    paidWei: String(paidWei),
    local: {
      ...quantiles(whole.local),
      withoutRun: quantiles(rest.local),
      processor: quantiles(processor.local),
    },
    network: {
      ...quantiles(whole.network),
      withoutRun: quantiles(rest.network),
      processor: quantiles(processor.network),
    },
  }
  const added = {
    ...difference(report.network, report.local),
    withoutRun: difference(report.network.withoutRun, report.local.withoutRun),
  }
  const met = added.p50Ms <= TARGET_MS.p50 && added.p99Ms <= TARGET_MS.p99
  if (values.json) console.log(JSON.stringify({ ...report, added, met }, null, 2))
  else
    console.log(
      [
        `purchase, ${seconds} s clip, asr-small warm, ${runs} runs of each way, load ${load.toFixed(1)}, paid ${paidWei} wei:`,
        ...['local', 'network'].map(
          (name) =>
            `  ${name.padEnd(8)} p50 ${report[name].p50Ms} ms, p99 ${report[name].p99Ms} ms; without the model's run ` +
            `p50 ${report[name].withoutRun.p50Ms} ms, p99 ${report[name].withoutRun.p99Ms} ms; processor p50 ${report[name].processor.p50Ms} ms`,
        ),
        `  added    p50 ${added.p50Ms} ms (target ${TARGET_MS.p50}), p99 ${added.p99Ms} ms (target ${TARGET_MS.p99}); without ` +
          `the model's run p50 ${added.withoutRun.p50Ms} ms, p99 ${added.withoutRun.p99Ms} ms`,
      ].join('\n'),
    )
  process.exitCode = met ? 0 : 1
} finally {
  await market.close()
}
