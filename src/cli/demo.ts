/** `plumbline demo`: the main job end to end on this machine, ending with a table of truth against measurement. */
import { readFile } from 'node:fs/promises'
import { UserError } from '../errors.js'
import type { AppAnswer, AppJob } from '../lab/app-child.js'
import type { ChainVerdict, PartyAccount } from '../lab/chain-child.js'
import type { Sale } from '../lab/sale.js'
import type { FinishedRun, LabResult } from '../lab/types.js'
import { defineCommand } from './command.js'
import { formatBytes, formatDuration, formatMbps, labelled, plural, printable, table } from './format.js'
import { labReporter } from './lab-report.js'
import { number } from './option.js'

const LABEL_WIDTH = 12
/** A link that every machine can carry, and short enough a wait. */
const DEMO_RATE_MBPS = 100
/** A second of sound. So much that redeeming brings more than its gas. */
const PRICE = '0.0001 ETH'
const SOLD_TASKS = { transcribe: 'transcription', identify: 'language identification' } as const

export interface DemoResult {
  readonly truth: LabResult['truth']
  readonly measurement: LabResult['runs'][number]
  readonly verified: ChainVerdict
  /** Who did what on the chain, and what it came to. Empty without a chain. */
  readonly balances: readonly PartyAccount[]
  /** Why there is no chain; null where there is one. */
  readonly noChain: string | null
  /** Bought through the gateway, each with its audit. Empty without a chain, and where it failed. */
  readonly jobs: readonly SoldJob[]
  /** The channel that paid for them; null without one. */
  readonly channel: Sale['channel'] | null
  /** What was not sold, and why. */
  readonly notSold: readonly string[]
}

export interface SoldJob extends AppAnswer {
  /** What running it again on another runtime says. */
  readonly audit: string
}

export const demo = defineCommand({
  path: 'demo',
  group: 'start',
  summary: 'See it work: challenge servers measure a prover on this machine, and the proof is verified',
  description: [
    'Starts a local chain, a beacon, ten challenge servers and a prover behind a link of known rate, each a process of ' +
      'its own, and registers them. Then a payer puts the fee in escrow, the contract draws the committee, the committee ' +
      'measures, the result is settled and verified against the chain, and everybody is paid. Cleans up after itself. ' +
      'Takes under a minute.',
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
    const { forSale, notSold } = await whatIsSold()
    const noChain = await whyNoChain()
    let verified: ChainVerdict = { level: null, faults: ['nothing was measured'], milliseconds: 0 }
    let balances: readonly PartyAccount[] = []
    let sale: Sale | undefined
    try {
      const result = await runLab(
        {
          rateMbps: args.rate,
          claimRatio: 1,
          profile: 'standard',
          runs: 1,
          challengers: 10,
          faulty: 2,
          chain: noChain === null,
          sells: forSale.map(({ model }) => `${model}=${PRICE}`),
          afterRun: async ({ transcriptPath, registryPath, beacon, result, chain, sell }) => {
            if (chain !== undefined) {
              verified = await chain.verify(transcriptPath)
              reporter.waiting('an app buys work through a gateway')
              sale = await sold(sell, forSale, notSold)
              reporter.waiting('waiting until everybody is paid')
              const account = await chain.finalAccount(result.challengeId)
              if (!account.isFinal) throw new Error('not everybody was paid in time')
              balances = account.parties
              return
            }
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
        throw new UserError(`the demo's measurement failed: ${result.failures.join('; ')}`, {
          code: 'UNAVAILABLE',
          remedy: 'on a machine that is busy with other things, try again when it is idle',
        })
      const { jobs, channel } = withAudits(sale)
      const { truth } = result
      const value: DemoResult = { truth, measurement, verified, balances, noChain, jobs, channel, notSold }
      io.output.result(value, () => demoText(value))
      const isSold = noChain !== null || (sale !== undefined && jobs.every(({ audit }) => audit === 'good'))
      return verified.level === wantedLevel(value) && isSold ? 0 : 1
    } finally {
      reporter.stop()
    }
  },
})

/** The models that come with plumbline and do one of these; what none of them does is said. */
async function whatIsSold(): Promise<{ readonly forSale: readonly AppJob[]; readonly notSold: string[] }> {
  const { readBuiltIns } = await import('../inference/catalogue/built-in.js')
  const cards = await readBuiltIns()
  const forSale: AppJob[] = []
  const notSold: string[] = []
  for (const [task, words] of Object.entries(SOLD_TASKS) as [AppJob['task'], string][]) {
    const card = cards.find((each) => each.task === task)
    if (card === undefined) notSold.push(`no ${words}: no built-in model for it is installed`)
    else forSale.push({ task, model: card.name })
  }
  return { forSale, notSold }
}

/** A failure is part of the result: the measurement before it stands. */
async function sold(
  sell: FinishedRun['sell'],
  jobs: readonly AppJob[],
  notSold: string[],
): Promise<Sale | undefined> {
  try {
    return await sell?.(jobs)
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    notSold.push(error.line)
    return undefined
  }
}

function withAudits(sale: Sale | undefined): Pick<DemoResult, 'jobs' | 'channel'> {
  if (sale === undefined) return { jobs: [], channel: null }
  const jobs = sale.jobs.map((job) => ({
    ...job,
    audit: sale.audits.find(({ receipt }) => receipt === job.receipt)?.verdict ?? 'not audited',
  }))
  return { jobs, channel: sale.channel }
}

/** Why there can be no local chain here; null where there can. */
async function whyNoChain(): Promise<string | null> {
  const { anvilBinary } = await import('../chain/anvil.js')
  try {
    anvilBinary()
    return null
  } catch (error) {
    if (error instanceof UserError) return `${error.message}: ${error.remedy}`
    throw error
  }
}

const wantedLevel = ({ noChain }: DemoResult): 'settled' | 'anchored' =>
  noChain === null ? 'settled' : 'anchored'

export function demoText(result: DemoResult): string {
  const { truth, measurement, verified, balances, noChain, jobs, channel, notSold } = result
  const { settlement } = measurement
  const rows = [
    ['true rate', formatMbps(truth.rateMbps)],
    ['estimate', formatMbps(measurement.estimateMbps)],
    ['guaranteed', formatMbps(measurement.guaranteedMbps)],
    ['error', `${measurement.errorPct.toFixed(2)} %`],
    ['bytes used', formatBytes(measurement.bytes)],
    ...(settlement === undefined
      ? []
      : settlement.transactions.map(
          ({ step, gasUsed }) => [`gas: ${step}`, gasUsed.toLocaleString('en')] as const,
        )),
    ['verdict', verified.level ?? 'rejected'],
  ] as const
  const { n, assumptions } = measurement.faultTolerance
  return [
    '',
    table(rows, [
      { title: 'what', value: ([name]) => name },
      { title: 'figure', align: 'right', value: ([, figure]) => figure },
    ]),
    ...(balances.length === 0 ? [] : ['', table(balances, BALANCE_COLUMNS)]),
    '',
    labelled('Guaranteed', assumptions, LABEL_WIDTH),
    labelled(
      'Verdict',
      verified.level === wantedLevel(result)
        ? `the signed transcript was recomputed in ${verified.milliseconds} ms: the committee of ${n} follows from ` +
            `the beacon and the ${noChain === null ? "chain's seats" : 'registry'}, every byte from the revealed seeds, ` +
            `every signature is right${noChain === null ? ', and the chain holds the same result' : ''}`
        : verified.faults.join('; '),
      LABEL_WIDTH,
    ),
    noChain === null
      ? labelled(
          'Chain',
          'anvil with a block a second and a dispute window of 2 s; ether without worth',
          LABEL_WIDTH,
        )
      : labelled('Chain', `none: ${noChain}`, LABEL_WIDTH),
    labelled('Link', truth.notes.join('; '), LABEL_WIDTH),
    ...jobs.map((job) => labelled('Sold', soldText(job), LABEL_WIDTH)),
    ...notSold.map((why) => labelled('Not sold', printable(why), LABEL_WIDTH)),
    ...(channel === null ? [] : [labelled('Earned', earnedText(jobs, channel), LABEL_WIDTH)]),
  ].join('\n')
}

const ether = (wei: bigint | string): string => `${Number(wei) / 1e18} ETH`

function soldText({ task, model, answer, units, priceWei, receipt, audit, wallMs }: SoldJob): string {
  const what = task === 'transcribe' ? `"${answer}"` : `language "${answer}"`
  const check = audit === 'good' ? 'run again on another runtime: the same' : `audit: ${audit}`
  return (
    `${SOLD_TASKS[task]} by ${printable(model)} through the gateway, ${plural(units, 'second')} of sound in ` +
    `${formatDuration(wallMs)}: ${printable(what)}. ${ether(priceWei)} by voucher; signed receipt ${receipt.slice(0, 16)}, ${check}`
  )
}

function earnedText(jobs: readonly SoldJob[], { redeemedWei, depositWei }: Sale['channel']): string {
  const asked = jobs.reduce((sum, { priceWei }) => sum + BigInt(priceWei), 0n)
  return (
    `the provider redeemed ${ether(redeemedWei)} of ${ether(asked)} that its receipts ask for; the rest of the app's ` +
    `deposit of ${ether(depositWei)} is the app's again when the channel ends`
  )
}

/** Gas at a gwei moves the fifth decimal: seven show who paid what, and the table fits. */
const BALANCE_DECIMALS = 7
const change = ({ beforeWei, afterWei }: PartyAccount): string => {
  const wei = BigInt(afterWei) - BigInt(beforeWei)
  return wei === 0n ? '0' : `${wei < 0n ? '' : '+'}${(Number(wei) / 1e18).toFixed(BALANCE_DECIMALS)}`
}

/** Named as the gas of the same steps is. */
const STEPS: Readonly<Record<string, string>> = { 'submit round': 'round', fixCommittee: 'committee' }

const BALANCE_COLUMNS = [
  { title: 'who', value: ({ party }: PartyAccount) => party },
  {
    title: 'sent',
    value: ({ did }: PartyAccount) => [...new Set(did)].map((step) => STEPS[step] ?? step).join(', ') || '-',
  },
  {
    title: 'gas',
    align: 'right' as const,
    value: ({ gasUsed }: PartyAccount) => gasUsed.toLocaleString('en'),
  },
  { title: 'balance, ETH', align: 'right' as const, value: change },
]
