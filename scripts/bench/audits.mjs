#!/usr/bin/env node
/**
 * `npm run bench -- audits [--jobs 2000] [--cheated 120] [--rounds 1000] [--sounds folder] [--seed 1] [--json]`: audits of
 * the recogniser that comes with the package, the two figures that decide whether they can be used.
 *
 * 1. Honest jobs: the native runtime answers, as at a provider; the auditor runs each again on WebAssembly, and natively
 *    where that disagrees. A finding against any of them is false. Told apart: jobs in which WebAssembly alone decided
 *    otherwise, each of which would be a false finding for an auditor with one runtime.
 * 2. Each cheat of the laboratory, in every job: the number of jobs until the beacon's draws caught it, over many rounds,
 *    beside theory's 95 % bound. Every job of a cheat is audited once, on both runtimes; what differs from round to round is
 *    the draw alone, so rounds share these verdicts. Which of a round's jobs are drawn is independent of any other round's.
 *    Of n rounds so many are within the bound as a coin of theory's probability gives: the exact one-sided binomial test, at
 *    the level 0.001 for each cheat, refuses a cheat that is caught too seldom.
 *    Of chains that are made up for auditors beside the one that was sold counts what is not shown, which the draws find, and
 *    not that a head which is shown contradicts the redemption at once.
 *    The wrong model is the recogniser itself with eight-bit weights, the least that somebody would save.
 *
 * Sounds are hard to hear (support/hard-sounds.mjs). Exit status 1 for a false finding, or a cheat that is caught less often than theory predicts.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { register } from 'tsx/esm/api'

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'audits'),
  options: {
    jobs: { type: 'string', default: '2000' },
    cheated: { type: 'string', default: '120' },
    rounds: { type: 'string', default: '1000' },
    sounds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
})
const [jobs, cheated, rounds, seed] = [values.jobs, values.cheated, values.rounds, values.seed].map(Number)

register()
await import('../../src/node/polyfills.ts')
const { randomnessOf, signRound } = await import('../../src/crypto/beacon.ts')
const { Identity } = await import('../../src/crypto/identity.ts')
const { auditJob } = await import('../../src/inference/audit/audit.ts')
const { auditChain } = await import('../../src/inference/audit/chain-audit.ts')
const { isSampled, jobsUntilCaught, SAMPLED_PERMILLE } = await import('../../src/inference/audit/sampling.ts')
const { readCard } = await import('../../src/inference/catalogue/card.ts')
const { Catalogue } = await import('../../src/inference/catalogue/catalogue.ts')
const { LocalJobs } = await import('../../src/inference/local/local-jobs.ts')
const codec = await import('../../src/inference/network/job-codec.ts')
const payment = await import('../../src/inference/payment/index.ts')
const { honestProvider } = await import('../../src/inference/provider/behaviour.ts')
const { writeCheaperModel } = await import('../../src/lab/adversary/cheaper-model.ts')
const { CHAIN_ATTACKS, corruptProvider, PROVIDER_ATTACKS, shownChain } = await import(
  '../../src/lab/adversary/provider.ts'
)
const { binomialAtMost, shareInterval } = await import('../../src/lab/binomial.ts')
const { unitsOf } = await import('../../src/inference/units.ts')
const { hardSounds, SAMPLE_RATE } = await import('./support/hard-sounds.mjs')

const PRICE_WEI = 3n
/** One-sided, of each cheat: eight of them fail one bench in a hundred and twenty by chance. */
const LEVEL = 0.001
/** Of the eight-bit type E5M2. */
const CHEAPER_MANTISSA_BITS = 2
/** An honest chain hides nothing in any of so many rounds: to see that takes time. */
const HONEST_ROUNDS = 200
const ISSUED_AT = 1_900_000_000
const domain = payment.paymentDomain(31337, Identity.generate().address)
const provider = Identity.generate()
const channelId = new Uint8Array(32).fill(0xc4)

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
    const output = await behaviour.output({ model: job.model, input, terms, sold: onSale }, run)
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
const catalogue = await Catalogue.open(dataDir)
const cheaper = join(dataDir, 'cheaper')
await writeCheaperModel(catalogue.get('asr-small').directory, cheaper, CHEAPER_MANTISSA_BITS)
await catalogue.add(await readCard(cheaper, 'cheaper'))
const open = (runtime, ...more) =>
  LocalJobs.open({ dataDir, names: ['asr-small', ...more], niceness: 0, threads: 1, runtime })
const seller = await open('native', 'cheaper')
const onSale = new Map((await seller.models()).map((each) => [each.sha256, each]))
const web = remembering(await open('web'))
const native = remembering(await open('native'))
const auditor = { domain, payee: provider.address, executions: [web, native] }

try {
  const model = [...onSale.values()].find(({ id }) => id === 'asr-small')
  const nextSound = hardSounds({ folder: values.sounds, seed })
  const jobOf = () => ({ task: 'transcribe', model: model.sha256, input: nextSound(), parameters: {} })
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
    const run = async (instead = job.model) =>
      codec.encodeOutput(
        (instead === job.model ? answer : await seller.run({ ...job, model: instead })).output,
      )
    const work = { job, run }
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
    /** Of a false finding, as far as these jobs tell: 95 %. */
    falseShareAtMost: shareInterval(verdicts.bad, jobs).high,
    reasons,
  }

  const secret = new Uint8Array(32).fill(9)
  secret[0] = 1
  // What this process signed itself it need not verify.
  const draws = Array.from({ length: rounds }, (_, i) => randomnessOf(signRound(secret, 1000 + i)))
  const payee = { domain, payee: provider.address }
  const faultless = await sell(honestProvider, kept)
  const chain = faultless.sold.map(({ evidence }) => evidence.receipt)
  honest.roundsWithMissingReceipts = draws
    .slice(0, HONEST_ROUNDS)
    .filter((randomness) => auditChain(payee, faultless.head, chain, randomness).missing.length > 0).length
  const cheats = []
  for (const attack of [...PROVIDER_ATTACKS, ...CHAIN_ATTACKS]) {
    const isFork = CHAIN_ATTACKS.includes(attack)
    const behaviour = isFork ? corruptProvider('shortened-output') : corruptProvider(attack)
    const { sold, head } = await sell(behaviour, kept)
    const failed = new Set()
    let undecided = 0
    // What was sold beside a fork no auditor sees.
    for (const [i, { evidence }] of isFork ? [] : sold.entries()) {
      const { verdict } = await auditJob(auditor, evidence)
      if (verdict === 'bad') failed.add(i)
      if (verdict === 'undecided') undecided++
    }
    const receipts = sold.map(({ evidence }) => evidence.receipt)
    const produced = isFork
      ? shownChain(attack, receipts, { domain, signer: provider })
      : receipts.filter((each) => behaviour.producesReceipt(each, each.issuedAt))
    const isOmitted = isFork || produced.length < receipts.length
    const share = isOmitted ? 1 : failed.size / sold.length
    const bound = share === 0 ? Number.POSITIVE_INFINITY : jobsUntilCaught(share)
    if (bound > sold.length)
      throw new Error(`${attack} shows in ${share} of the jobs: raise --cheated to ${bound}`)
    const caught = draws.map((randomness) => {
      if (isOmitted) return auditChain(payee, head, produced, randomness).missing[0]
      const at = sold.findIndex(({ digest }, i) => failed.has(i) && isSampled(randomness, digest))
      return at < 0 ? undefined : at + 1
    })
    const within = caught.filter((job) => job !== undefined && job <= bound).length
    const lies = isOmitted ? bound : [...failed].filter((i) => i < bound).length
    const predicted = 1 - (1 - SAMPLED_PERMILLE / 1000) ** lies
    const chance = binomialAtMost(within, rounds, predicted)
    const found = caught.filter((job) => job !== undefined).sort((a, b) => a - b)
    const { low, high } = shareInterval(within, rounds)
    cheats.push({
      attack,
      jobs: sold.length,
      share,
      undecided,
      bound,
      rounds,
      withinBound: within,
      observed: within / rounds,
      interval: { low, high },
      predicted,
      /** Of so few or fewer, if theory is right. */
      chance,
      medianJobs: found[Math.floor(found.length / 2)] ?? null,
      never: rounds - found.length,
      isCaught: chance >= LEVEL,
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
    const percent = (value, digits = 2) => `${(100 * value).toFixed(digits)} %`
    console.log(
      `a false finding has a share of ${percent(honest.falseShareAtMost)} at most (95 %); an honest chain lacked a receipt in ` +
        `${honest.roundsWithMissingReceipts} of ${Math.min(rounds, HONEST_ROUNDS)} rounds`,
    )
    console.log(
      `${rounds} rounds; caught within the bound, its 95 % interval, theory, chance of so few if theory is right`,
    )
    console.log(
      'cheat             in jobs  undecided  bound     caught             95 %   theory  chance  median',
    )
    for (const each of cheats)
      console.log(
        [
          each.attack.padEnd(16),
          percent(each.share, 0).padStart(7),
          String(each.undecided).padStart(9),
          String(each.bound).padStart(5),
          percent(each.observed).padStart(9),
          `${percent(each.interval.low).slice(0, -2)}-${percent(each.interval.high)}`.padStart(15),
          percent(each.predicted).padStart(7),
          each.chance.toFixed(3).padStart(6),
          String(each.medianJobs).padStart(6),
        ].join('  '),
      )
  }
  process.exitCode =
    verdicts.bad === 0 && honest.roundsWithMissingReceipts === 0 && cheats.every(({ isCaught }) => isCaught)
      ? 0
      : 1
} finally {
  await Promise.all([seller.close(), web.close(), native.close()])
  rmSync(dataDir, { recursive: true, force: true })
}
