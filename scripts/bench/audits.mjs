#!/usr/bin/env node
/**
 * `npm run bench -- audits [--jobs 2000] [--cheated 120] [--rounds 200] [--sounds folder] [--seed 1] [--json]`: audits of
 * the recogniser that comes with the package, the two figures that decide whether they can be used.
 *
 * 1. Honest jobs: the native runtime answers, as at a provider; the auditor runs each again on WebAssembly, and natively
 *    where that disagrees. A finding against any of them is false. Told apart: jobs in which WebAssembly alone decided
 *    otherwise, each of which would be a false finding for an auditor with one runtime.
 * 2. Each cheat of the laboratory, in every job: the number of jobs until the beacon's draws caught it, over many rounds,
 *    beside theory's 95 % bound.
 *
 * Sounds are cut, made louder or softer, slower or faster, and mixed with noise from a seed, so that no two jobs are alike
 * and many are hard to hear. Exit status 1 for a false finding, or a cheat that is caught later than theory allows.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'audits'),
  options: {
    jobs: { type: 'string', default: '2000' },
    cheated: { type: 'string', default: '120' },
    rounds: { type: 'string', default: '200' },
    sounds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})
const [jobs, cheated, rounds, seed] = [values.jobs, values.cheated, values.rounds, values.seed].map(Number)

register()
await import('../../src/node/polyfills.ts')
const { localBeacon, signRound, verifyRound } = await import('../../src/crypto/beacon.ts')
const { Identity } = await import('../../src/crypto/identity.ts')
const { auditJob } = await import('../../src/inference/audit/audit.ts')
const { auditChain } = await import('../../src/inference/audit/chain-audit.ts')
const { isSampled, jobsUntilCaught } = await import('../../src/inference/audit/sampling.ts')
const { LocalJobs } = await import('../../src/inference/local/local-jobs.ts')
const codec = await import('../../src/inference/network/job-codec.ts')
const payment = await import('../../src/inference/payment/index.ts')
const { honestProvider } = await import('../../src/inference/provider/behaviour.ts')
const { corruptProvider, PROVIDER_ATTACKS } = await import('../../src/lab/adversary/provider.ts')
const { unitsOf } = await import('../../src/inference/units.ts')
const { pcm16Of } = await import('../../src/ml/audio/pcm16.ts')
const { readWav } = await import('../../src/ml/audio/wav-read.ts')

const PRICE_WEI = 3n
const ISSUED_AT = 1_900_000_000
const domain = payment.paymentDomain(31337, Identity.generate().address)
const provider = Identity.generate()
const channelId = new Uint8Array(32).fill(0xc4)

/** mulberry32: the same jobs for the same seed. */
function randomFrom(start) {
  let state = start >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const folder = values.sounds
const paths =
  folder === undefined
    ? [new URL('../../docs/sample.wav', import.meta.url)]
    : readdirSync(folder)
        .filter((name) => name.endsWith('.wav'))
        .sort()
        .map((name) => join(folder, name))
const sounds = paths.map((path) => {
  const { sampleRate, channels } = readWav(readFileSync(path))
  return { sampleRate, samples: channels[0] }
})
const SAMPLE_RATE = 16_000

/** Every `step`-th sample, straight lines between them: the noise that this adds is one more difficulty. */
function stretched(samples, step) {
  return Float32Array.from({ length: Math.floor((samples.length - 1) / step) }, (_, i) => {
    const at = i * step
    const before = Math.floor(at)
    return samples[before] + (at - before) * (samples[before + 1] - samples[before])
  })
}

/** Some part of some recording, as somebody else might have recorded it. */
function makeSound(random) {
  const { sampleRate, samples } = sounds[Math.floor(random() * sounds.length)]
  const whole = samples.length / sampleRate
  const seconds = Math.min(whole, 0.6 + 1.9 * random())
  const start = Math.floor(random() * (whole - seconds) * sampleRate)
  const cut = samples.subarray(start, start + Math.floor(seconds * sampleRate))
  // From a tenth slower to a tenth faster, and higher with it.
  const heard = stretched(cut, (sampleRate / SAMPLE_RATE) * (0.9 + 0.2 * random()))
  const gain = 10 ** ((-18 + 24 * random()) / 20)
  // Four jobs in five have noise, from 40 dB below full scale to 14.
  const noise = random() < 0.2 ? 0 : 10 ** ((-40 + 26 * random()) / 20)
  const mixed = Float32Array.from(heard, (sample) => {
    const gauss = random() + random() + random() + random() - 2
    return Math.max(-1, Math.min(1, gain * sample + noise * gauss))
  })
  return { kind: 'sound', sampleRate: SAMPLE_RATE, pcm16: pcm16Of(mixed) }
}

/** A chain of receipts for what a provider that behaves so answers. */
async function sell(behaviour, works) {
  let [previous, totalWei] = [payment.NO_RECEIPTS, 0n]
  const sold = []
  for (const [i, { job, run }] of works.entries()) {
    const input = codec.encodeInput(job.input)
    const units = unitsOf('audio-second', job.input)
    const priceWei = BigInt(units) * PRICE_WEI
    const price = { unit: 'audio-second', units, priceWeiPerUnit: PRICE_WEI }
    const terms = codec.encodeTerms({ task: job.task, ...price, audit: true })
    const output = await behaviour.output({ model: job.model, input, terms }, run)
    const jobId = new Uint8Array(32)
    new DataView(jobId.buffer).setUint32(28, i + 1)
    const work = behaviour.work({
      jobId,
      model: Uint8Array.from(Buffer.from(job.model, 'hex')),
      input: codec.hashOf(input),
      terms: codec.hashOf(terms),
      output: codec.hashOf(output),
      units,
      priceWei,
    })
    totalWei += work.priceWei
    const place = { channelId, index: i + 1, previous, kind: payment.ReceiptKind.job }
    const receipt = payment.signReceipt(
      domain,
      { ...place, ...work, totalWei, issuedAt: ISSUED_AT + i },
      provider,
    )
    previous = payment.receiptDigest(domain, receipt)
    sold.push({ evidence: { receipt, input, terms, output }, digest: previous })
  }
  return { sold, head: { channelId, receipts: works.length, receiptsHead: previous } }
}

/** Counts, and remembers what ran, so that no job is run twice on one runtime. */
function remembering(source) {
  const known = new Map()
  return {
    runs: 0,
    async run(job, options) {
      const key = Buffer.from(codec.hashOf(job.input.pcm16)).toString('hex')
      const remembered = known.get(key)
      if (remembered !== undefined) return remembered
      this.runs++
      const answer = await source.run(job, options)
      if (known.size < cheated) known.set(key, answer)
      return answer
    },
    models: () => source.models(),
    close: () => source.close(),
  }
}

const dataDir = mkdtempSync(join(tmpdir(), 'bench-audits-'))
const open = (runtime) => LocalJobs.open({ dataDir, names: ['asr-small'], niceness: 0, threads: 1, runtime })
const seller = await open('native')
const web = remembering(await open('web'))
const native = remembering(await open('native'))
const auditor = { domain, payee: provider.address, executions: [web, native] }

try {
  const [model] = await seller.models()
  const random = randomFrom(seed)
  const jobOf = () => ({ task: 'transcribe', model: model.sha256, input: makeSound(random), parameters: {} })
  const started = performance.now()
  const verdicts = { good: 0, bad: 0, undecided: 0 }
  const reasons = []
  const kept = []
  let seconds = 0
  let words = 0
  for (let i = 0; i < jobs; i++) {
    const job = jobOf()
    const answer = await seller.run(job)
    seconds += job.input.pcm16.length / 2 / SAMPLE_RATE
    words += answer.output.words.length
    const work = { job, run: async () => codec.encodeOutput(answer.output) }
    if (kept.length < cheated) kept.push(work)
    const { sold } = await sell(honestProvider, [work])
    const verdict = await auditJob(auditor, sold[0].evidence)
    verdicts[verdict.verdict]++
    if (verdict.verdict !== 'good' && reasons.length < 10) reasons.push(verdict.reason)
    if (!values.json && (i + 1) % 100 === 0)
      console.error(
        `${i + 1} of ${jobs}: ${JSON.stringify(verdicts)}, asked a second time ${native.runs}, ` +
          `${((performance.now() - started) / 1000).toFixed(0)} s`,
      )
  }
  const honest = {
    jobs,
    ...verdicts,
    differOnWebAssemblyAlone: native.runs,
    audioSeconds: Math.round(seconds),
    words,
    wallSeconds: Math.round((performance.now() - started) / 1000),
    reasons,
  }

  const secret = new Uint8Array(32).fill(9)
  secret[0] = 1
  const beacon = localBeacon(secret, { genesisTimeSeconds: 1_700_000_000, periodSeconds: 3 })
  const draws = Array.from({ length: rounds }, (_, i) =>
    verifyRound(beacon, 1000 + i, signRound(secret, 1000 + i)),
  )
  const cheats = []
  for (const attack of PROVIDER_ATTACKS) {
    const behaviour = corruptProvider(attack)
    const { sold, head } = await sell(behaviour, kept)
    const failed = new Set()
    for (const [i, { evidence }] of sold.entries())
      if ((await auditJob(auditor, evidence)).verdict === 'bad') failed.add(i)
    const receipts = sold.map(({ evidence }) => evidence.receipt)
    const produced = receipts.filter(({ index }) => behaviour.producesReceipt(index))
    const isOmitted = produced.length < receipts.length
    const share = isOmitted ? 1 : failed.size / sold.length
    const bound = share === 0 ? Number.POSITIVE_INFINITY : jobsUntilCaught(share)
    const caught = draws.map((randomness) => {
      if (isOmitted)
        return auditChain({ domain, payee: provider.address }, head, produced, randomness).missing[0]
      const at = sold.findIndex(({ digest }, i) => failed.has(i) && isSampled(randomness, digest))
      return at < 0 ? undefined : at + 1
    })
    const within = caught.filter((job) => job !== undefined && job <= bound).length
    // Of a bound that 95 % keep: four standard deviations below, once in thirty thousand benches.
    const least = Math.floor(0.95 * rounds - 4 * Math.sqrt(rounds * 0.95 * 0.05))
    const found = caught.filter((job) => job !== undefined).sort((a, b) => a - b)
    cheats.push({
      attack,
      jobs: sold.length,
      share,
      bound,
      rounds,
      withinBound: within,
      leastExpected: least,
      medianJobs: found[Math.floor(found.length / 2)] ?? null,
      never: rounds - found.length,
      isCaught: within >= least,
    })
  }
  const result = { honest, cheats }
  if (values.json) console.log(JSON.stringify(result))
  else {
    console.log(
      `${jobs} honest jobs (${honest.audioSeconds} s of sound, ${words} words): ${verdicts.bad} false findings, ` +
        `${verdicts.undecided} undecided; WebAssembly alone decided otherwise in ${honest.differOnWebAssemblyAlone}; ` +
        `${honest.wallSeconds} s`,
    )
    console.log('cheat             failed  bound, jobs  within it    median  never')
    for (const each of cheats)
      console.log(
        `${each.attack.padEnd(16)}  ${`${(100 * each.share).toFixed(0)} %`.padStart(6)}  ${String(each.bound).padStart(11)}  ` +
          `${`${each.withinBound} of ${rounds}`.padStart(10)}  ${String(each.medianJobs).padStart(6)}  ${String(each.never).padStart(5)}`,
      )
  }
  process.exitCode = verdicts.bad === 0 && cheats.every(({ isCaught }) => isCaught) ? 0 : 1
} finally {
  await Promise.all([seller.close(), web.close(), native.close()])
  rmSync(dataDir, { recursive: true, force: true })
}
