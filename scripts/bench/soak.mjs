#!/usr/bin/env node
/**
 * `npm run bench -- soak [--minutes 30] [--rate 1] [--burst 24] [--warm-up 300] [--json]`: a provider, a gateway and a client that buys by
 * itself, each a process, on a real chain, for half an hour: both buy `rate` jobs a second, and each minute an app throws
 * `burst` at the gateway at once, more than the provider's line holds.
 *
 * What is measured is VmRSS of each process, read every second, whatever it is doing: garbage that is not collected yet
 * counts. Growth is that of a process that is warm: after `warm-up` jobs the rest of the time is cut into six, and the median
 * of all readings of the first of these is held against that of the last. Beside it stands what is its own of that, without
 * pages of files (RssAnon), which grows by as many megabytes and by more per cent; and of that the low mark (a twentieth of the
 * readings lies below: what is left after collections) and how far apart the readings are (the middle half of them).
 *
 * Exit status 1 where a median of VmRSS grew by more than 5 %, the line grew beyond its bound, an answer was neither done nor "come
 * again", or what the chain paid at the end is not what was bought.
 */
import { fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'

const MOST_GROWTH_PERCENT = 5
const PRICE_WEI = 10n ** 12n
const LINE = 8
/** Small, so that channels are topped up and vouchers redeemed on the way. */
const TERMS = {
  provider: { queue: LINE, threads: 1, redeemAt: '0.001 ETH' },
  client: { deposit: '0.002 ETH' },
}
const RECORDING = 'test/fixtures/speech/accept-this-call.wav'
/** Between two looks at the provider's line; its memory is read more often, and between them. */
const SAMPLE_MS = 10_000
const MEMORY_MS = 1000
const BURST_MS = 60_000
/** Of the time after the warm-up: the last is held against the first. */
const WINDOWS = 6
/** In each of them, for a median to say something. */
const LEAST_READINGS = 20
const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    minutes: { type: 'string', default: '30' },
    rate: { type: 'string', default: '1' },
    burst: { type: 'string', default: '24' },
    'warm-up': { type: 'string', default: '300' },
    json: { type: 'boolean', default: false },
  },
})
const [minutes, rate, burst, warmUp] = [values.minutes, values.rate, values.burst, values['warm-up']].map(
  Number,
)
const everyMs = 1000 / rate

register()
await import('../../src/node/polyfills.ts')
const { dataPaths } = await import('../../src/config/paths.ts')
const { callControlSocket } = await import('../../src/p2p/control-client.ts')
const { PASSPHRASE } = await import('../../test/support/local-network.ts')
const { Market } = await import('../../test/support/market.ts')

const read = (path) => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
const fieldMb = (pid, field) =>
  (Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024) / 1e6
/** What it allocated, which only it can give back; pages of files come and go as the kernel likes. */
const memory = (pid) => ({ ownMb: fieldMb(pid, 'RssAnon'), allMb: fieldMb(pid, 'VmRSS') })
const LOW_SHARE = 0.05
const childrenOf = (pid) => read(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean)
/** So much of them lies below. */
const quantile = (numbers, share) =>
  [...numbers].sort((a, b) => a - b)[Math.floor(share * numbers.length)] ?? 0
const median = (numbers) => quantile(numbers, 0.5)
const round = (value) => Math.round(10 * value) / 10

if (process.platform !== 'linux') {
  console.error('bench soak: skipped: it reads /proc, which only Linux has')
  process.exit(0)
}
const market = await Market.open({ priceWei: PRICE_WEI, ...TERMS })
try {
  const second = await market.addBuyer('second')
  const provider = await market.serve()
  const gateway = await market.sell()
  const clientArguments = {
    dataDir: second.dataDir,
    provider: market.provider.address,
    recording: RECORDING,
    everyMs,
    passphrase: PASSPHRASE,
  }
  const client = fork(fileURLToPath(new URL('soak/client.mjs', import.meta.url)), [
    JSON.stringify(clientArguments),
  ])
  let byItself = { done: 0, refused: 0, other: [], paidWei: '0' }
  client.on('message', (counts) => {
    byItself = counts
  })
  const clientEnded = new Promise((resolve) =>
    client.once('exit', (code, signal) => resolve({ code, signal })),
  )
  const through = { done: 0, refused: 0, paidWei: 0n, other: [] }
  const wav = new Blob([readFileSync(RECORDING)])
  const latenciesMs = []
  const buy = async () => {
    const form = new FormData()
    form.set('file', wav, 'clip.wav')
    form.set('model', 'asr-small')
    const started = performance.now()
    const answer = await fetch(`${gateway.baseUrl}/audio/transcriptions`, { method: 'POST', body: form })
    const text = await answer.text()
    if (answer.status === 200) {
      through.done++
      through.paidWei += BigInt(answer.headers.get('x-plumbline-price-wei') ?? 0)
      latenciesMs.push(performance.now() - started)
    } else if (answer.status === 429 && answer.headers.has('retry-after')) through.refused++
    else through.other.push(`${answer.status}: ${text.slice(0, 200)}`)
  }
  const startedMs = performance.now()
  const untilMs = startedMs + minutes * 60_000
  const underWay = new Set()
  const start = () => {
    const one = buy()
      .catch((error) => through.other.push(String(error)))
      .finally(() => underWay.delete(one))
    underWay.add(one)
  }
  const samples = []
  let [longestLine, looks] = [0, 0]
  const sample = async () => {
    const { provider: role } = await callControlSocket(
      dataPaths(market.provider.dataDir).controlSocket,
      'status',
      { deadlineMs: SAMPLE_MS },
    )
    longestLine = Math.max(longestLine, role.jobs)
    looks++
  }
  const readMemory = () => {
    const [model] = childrenOf(provider.child.pid)
    samples.push({
      atMs: performance.now() - startedMs,
      jobs: through.done + byItself.done,
      provider: memory(provider.child.pid),
      model: memory(model ?? 0),
      gateway: memory(gateway.process.child.pid),
      client: memory(client.pid),
    })
  }
  /** A machine with too much to do answers late at times: a look less is no failure. */
  let missed = 0
  const sampled = () => sample().catch(() => missed++)
  const reading = setInterval(readMemory, MEMORY_MS)
  let [nextSampleMs, nextBurstMs] = [startedMs + SAMPLE_MS, startedMs + BURST_MS]
  while (performance.now() < untilMs) {
    start()
    if (performance.now() > nextBurstMs) {
      nextBurstMs += BURST_MS
      for (let i = 0; i < burst; i++) start()
      // In the middle of the burst, when the line is longest.
      void sleep(200).then(sampled)
    }
    if (performance.now() > nextSampleMs) {
      nextSampleMs += SAMPLE_MS
      await sampled()
      if (looks % 6 === 0 && samples.length > 0)
        console.error(
          `${round(samples.at(-1).atMs / 60_000)} min: ${JSON.stringify(samples.at(-1))}, ${through.done} + ${byItself.done} jobs`,
        )
    }
    await sleep(everyMs)
  }
  clearInterval(reading)
  await Promise.all(underWay)
  client.kill('SIGTERM')
  const { code } = await clientEnded
  if (code !== 0) through.other.push(`the client ended with ${code}`)
  through.other.push(...byItself.other)
  await gateway.process.stop()
  await provider.stop()

  const warm = samples.filter(({ jobs }) => jobs >= warmUp)
  const warmMs = warm[0]?.atMs ?? 0
  const windowMs = (minutes * 60_000 - warmMs) / WINDOWS
  const growth = Object.fromEntries(
    ['provider', 'model', 'gateway', 'client'].map((name) => {
      const within = (window, kind) =>
        warm
          .filter(({ atMs }) => Math.min(WINDOWS - 1, Math.floor((atMs - warmMs) / windowMs)) === window)
          .map((each) => each[name][kind])
          .filter((mb) => mb > 0)
      const [before, after] = [within(0, 'ownMb'), within(WINDOWS - 1, 'ownMb')]
      const grown = (from, to) => round(100 * (median(to) / median(from) - 1))
      const resident = [0, WINDOWS - 1].map((window) => within(window, 'allMb'))
      const of = (what) => [before, after].map((numbers) => round(what(numbers)))
      return [
        name,
        {
          fromMb: round(median(before)),
          toMb: round(median(after)),
          percent: grown(before, after),
          lowMb: of((numbers) => quantile(numbers, LOW_SHARE)),
          middleHalfMb: of((numbers) => quantile(numbers, 0.75) - quantile(numbers, 0.25)),
          readings: [before.length, after.length],
          sixthsMb: Array.from({ length: WINDOWS }, (_, window) => round(median(within(window, 'ownMb')))),
          residentMb: resident.map((readings) => round(median(readings))),
          residentPercent: grown(...resident),
        },
      ]
    }),
  )
  const [byGateway, byClient] = [await market.channel(), await market.channel(second)]
  const paid = {
    gateway: { boughtWei: String(through.paidWei), redeemedWei: String(byGateway.redeemedWei) },
    client: { boughtWei: byItself.paidWei, redeemedWei: String(byClient.redeemedWei) },
  }
  latenciesMs.sort((a, b) => a - b)
  const report = {
    minutes,
    load: loadavg()[0],
    jobs: { gateway: through.done, client: byItself.done },
    refused: { gateway: through.refused, client: byItself.refused },
    unexpected: through.other,
    looks: { taken: looks, missed },
    readings: samples.length,
    warmAfter: { jobs: warm[0]?.jobs ?? null, minutes: warm.length > 0 ? round(warmMs / 60_000) : null },
    latencyMs: {
      p50: round(median(latenciesMs)),
      p99: round(latenciesMs[Math.floor(0.99 * latenciesMs.length)]),
    },
    growth,
    longestLine,
    lineBound: LINE + 1,
    paid,
  }
  const problems = [
    ...(warm.length < LEAST_READINGS * WINDOWS
      ? [`only ${warm.length} readings came after the ${warmUp} jobs of the warm-up`]
      : []),
    ...Object.entries(growth).flatMap(([name, { residentPercent }]) =>
      residentPercent <= MOST_GROWTH_PERCENT ? [] : [`${name} grew by ${residentPercent} %`],
    ),
    ...(longestLine > LINE + 1 ? [`the line had ${longestLine} jobs`] : []),
    ...(through.other.length > 0
      ? [`${through.other.length} answers were unexpected: ${through.other[0]}`]
      : []),
    ...Object.entries(paid).flatMap(([name, { boughtWei, redeemedWei }]) =>
      boughtWei === redeemedWei ? [] : [`${name}: bought ${boughtWei} wei, the chain paid ${redeemedWei}`],
    ),
  ]
  if (values.json) console.log(JSON.stringify({ ...report, problems }, null, 2))
  else
    console.log(
      [
        `soak, ${minutes} min, load ${report.load.toFixed(1)}: ${through.done} jobs through the gateway (p50 ${report.latencyMs.p50} ms, ` +
          `p99 ${report.latencyMs.p99} ms), ${byItself.done} by the client, ${through.refused + byItself.refused} told to come again`,
        `  growth from minute ${report.warmAfter.minutes} on, after ${report.warmAfter.jobs} jobs:`,
        ...Object.entries(growth).map(
          ([name, { fromMb, toMb, percent, lowMb, middleHalfMb, residentMb, residentPercent }]) =>
            `  ${name.padEnd(8)} ${residentMb[0]} MB to ${residentMb[1]} MB: ${residentPercent} % (target ${MOST_GROWTH_PERCENT}); ` +
            `without pages of files ${fromMb} to ${toMb}, ${percent} %, low mark ${lowMb[0]} to ${lowMb[1]}, middle half within ` +
            `${middleHalfMb[0]} and ${middleHalfMb[1]}`,
        ),
        `  line     ${longestLine} jobs at most (bound ${LINE + 1})`,
        ...Object.entries(paid).map(
          ([name, { boughtWei, redeemedWei }]) =>
            `  ${name.padEnd(8)} bought for ${boughtWei} wei, the chain paid ${redeemedWei}`,
        ),
        ...problems.map((problem) => `  MISS: ${problem}`),
      ].join('\n'),
    )
  process.exitCode = problems.length === 0 ? 0 : 1
} finally {
  await market.close()
}
