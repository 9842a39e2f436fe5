#!/usr/bin/env node
/**
 * `npm run bench -- gateway-memory [--jobs 4500] [--json]`: whether a gateway grows with the jobs that it buys. It buys them
 * two at a time from a provider's daemon over a real chain, and ten times on the way its heap is collected: what it has then
 * is no garbage. The soak says what is resident as it runs, which rises and falls by what is not collected yet.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'

const LOOKS = 10
const AT_ONCE = 2
const PATIENCE_MS = 30_000
const POLL_MS = 50
const MB = 1e6
const PRICE_WEI = 10n ** 9n
const { values } = parseArgs({
  args: process.argv.slice(2),
  options: { jobs: { type: 'string', default: '4500' }, json: { type: 'boolean', default: false } },
})
const jobs = Number(values.jobs)

const hook = fileURLToPath(new URL('gateway-memory/collected.cjs', import.meta.url))
process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ''} --require ${hook}`
register()
await import('../../src/node/polyfills.ts')
const { Market } = await import('../../test/support/market.ts')

const wav = new Blob([readFileSync(join('test', 'fixtures', 'speech', 'accept-this-call.wav'))])

async function buy(baseUrl) {
  const form = new FormData()
  form.set('file', wav, 'clip.wav')
  form.set('model', 'asr-small')
  const response = await fetch(`${baseUrl}/audio/transcriptions`, { method: 'POST', body: form })
  const body = await response.text()
  if (!response.ok) throw new Error(`${response.status}: ${body}`)
}

/** What a gateway has after its heap was collected. */
async function collected(gateway, looks) {
  process.kill(gateway.child.pid, 'SIGUSR2')
  const untilMs = performance.now() + PATIENCE_MS
  for (;;) {
    const all = [...gateway.stderr.matchAll(/^collected (.*)$/gm)]
    if (all.length > looks) return JSON.parse(all[looks][1])
    if (performance.now() > untilMs) throw new Error('the gateway does not say what it has')
    await sleep(POLL_MS)
  }
}

const market = await Market.open({ priceWei: PRICE_WEI })
try {
  await market.serve()
  const { process: gateway, baseUrl } = await market.sell()
  const looks = []
  const begunMs = performance.now()
  while (looks.length < LOOKS) {
    let left = Math.round(jobs / LOOKS)
    const buyer = async () => {
      while (left-- > 0) await buy(baseUrl)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, buyer))
    const { rss, heapUsed } = await collected(gateway, looks.length)
    looks.push({
      jobs: (looks.length + 1) * Math.round(jobs / LOOKS),
      residentMb: Number((rss / MB).toFixed(1)),
      liveMb: Number((heapUsed / MB).toFixed(1)),
    })
  }
  const [first, last] = [looks[0], looks.at(-1)]
  const report = {
    looks,
    seconds: Math.round((performance.now() - begunMs) / 1000),
    liveKbAJob: Number(((1000 * (last.liveMb - first.liveMb)) / (last.jobs - first.jobs)).toFixed(2)),
  }
  console.log(
    values.json
      ? JSON.stringify(report, null, 2)
      : [
          `a gateway that bought ${last.jobs} jobs in ${report.seconds} s, each time after a collection:`,
          ...looks.map(
            (each) =>
              `  ${each.jobs} jobs: ${each.residentMb} MB resident, ${each.liveMb} MB of live objects`,
          ),
          `  ${report.liveKbAJob} kB of live objects more for each job`,
        ].join('\n'),
  )
} finally {
  await market.close()
}
