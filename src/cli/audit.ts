/** `plumbline audit`: runs again what was bought, and says whether the provider did what its receipts say. */
import { dataPaths } from '../config/paths.js'
import { UserError } from '../errors.js'
import type { Contradiction } from '../inference/audit/contradiction.js'
import type { EvidenceShelf, ShelfEntry } from '../inference/audit/evidence-shelf.js'
import type { ProviderRecord } from '../inference/audit/finding.js'
import type { Audited } from '../inference/audit/shelf-audit.js'
import type { OwnAudits } from '../node/inference/own-audits.js'
import { chainOptions, chainSettings } from './chain-options.js'
import { defineCommand, keyOptions } from './command.js'
import { labelled, plural, printable, shortId, table } from './format.js'
import type { CommandIo } from './io.js'
import { badArgument, flag, text } from './option.js'
import { Progress } from './progress.js'
import { openIdentity, openLogger } from './settings.js'

export const auditCommand = defineCommand({
  path: 'audit',
  group: 'models',
  summary: 'Run again what was bought, and see whether the provider did it',
  description: [
    'What this node pays for it keeps for a day: the input, the output and the signed receipt. A beacon that nobody ' +
      'can foretell draws one job in twenty, and this runs those again with the same model on two runtimes that share ' +
      'no arithmetic (WebAssembly and native). A provider is blamed only where both disagree with it and agree with ' +
      'each other. Each verdict is signed and kept; from a provider that failed nothing more is bought for 30 days, ' +
      'and a gateway tells other nodes. A gateway also runs all this by itself.',
    'It takes the model: one with the same hash must be in the catalogue (models list), otherwise the job is undecided.',
    'With a file, or a folder of them, it judges what others found. Evidence (*.evidence, of the folder evidence in ' +
      "the data directory of a buyer, or of an auditor that convicted somebody) is run again here. Of an auditor's finding " +
      '(*.finding, of its folder findings) the signature is checked, and whether the round of the beacon that it names ' +
      'draws that receipt.',
    'A provider that shows auditors another receipt than the one for which it was paid contradicts itself, and no draw is ' +
      'needed. Auditors keep what proves it in evidence/contradictions.json of the data directory: what this node has there is listed ' +
      "with every run, and anybody's file (*contradictions.json) may be named. Of each entry the provider's signature under the " +
      'receipt that it showed is checked, and whether the chain (--rpc, or that of the configuration) has its redemption ' +
      'with another receipt of the same channel and number. Without the chain it stays undecided, but for what this node ' +
      'saw itself.',
    'Exit status 0 means that no job failed, here or by a finding, and that no contradiction is proven.',
  ],
  positionals: {
    file: text({ summary: 'Evidence, a finding or contradictions, or a folder of them', completes: 'file' }),
  },
  options: {
    all: flag('Every job that is kept, whether the beacon drew it or not'),
    records: flag('Run nothing; print what is known of each provider'),
    ...chainOptions,
    ...keyOptions,
  },
  examples: [
    ['audit', 'What the beacon drew since the last time'],
    ['audit --all', 'Every job of the last day'],
    ['audit --records', 'Which providers passed and failed'],
    ['audit job.evidence', 'One job, whoever bought it'],
    ['audit findings/', 'What an auditor says that it found'],
    [
      'audit contradictions.json --rpc http://127.0.0.1:8545',
      'What providers signed against their own redemptions',
    ],
  ],
  run: async (args, io) => {
    if (args.file !== undefined && (args.all || args.records))
      throw badArgument('a file goes with neither --all nor --records', 'leave one out')
    const { config } = await chainSettings(args, io)
    const identity = await openIdentity(config.dataDir, args.passphraseFile, io)
    const log = await openLogger({ ...config.logging, level: args.logLevel ?? 'error' })
    const { openOwnAudits } = await import('../node/inference/own-audits.js')
    const audits = await openOwnAudits({ config, identity, log })
    const { book } = audits
    if (args.records) {
      const records = book.records()
      io.output.result({ records }, () => recordsText(records))
      return 0
    }
    const { contradictionsText, judgeContradictions, readOwnContradictions, readRedeemed } = await import(
      './audit-contradictions.js'
    )
    const redeemed = (contradictions: readonly Contradiction[]) => readRedeemed(args, io, contradictions)
    const reading = readOwnContradictions(dataPaths(config.dataDir).auditContradictions)
    if (args.file !== undefined) {
      // Others' files are judged all the same.
      const own = await reading.catch((error: unknown) => {
        if (!(error instanceof UserError)) throw error
        io.output.warn(error.line)
        return []
      })
      const { judgeFiles, judgedText } = await import('./audit-files.js')
      const judged = await judgeFiles({ audits, redeemed, own }, args.file, io.signal)
      const { audited, findings, contradictions } = judged
      const jobs = audited.map(auditedFields)
      io.output.result({ jobs, findings, contradictions, records: book.records() }, () =>
        [
          ...(audited.length === 0 ? [] : [auditText(audited, {}, true)]),
          ...contradictionsText(contradictions),
          ...judgedText(findings),
        ].join('\n\n'),
      )
      return [...jobs, ...findings, ...contradictions].some(({ verdict }) => isFailure(verdict)) ? 1 : 0
    }
    const own = await reading
    const audited = await auditKept(audits, args.all, io)
    const jobs = audited.map(auditedFields)
    const left = counts(audits.shelf)
    const chain = await redeemed(own.flatMap(({ contradictions }) => contradictions))
    const contradictions = own.flatMap((each) => judgeContradictions(each, chain))
    io.output.result({ jobs, left, contradictions, records: book.records() }, () =>
      [auditText(audited, left, args.all), ...contradictionsText(contradictions)].join('\n\n'),
    )
    return [...jobs, ...contradictions].some(({ verdict }) => isFailure(verdict)) ? 1 : 0
  },
})

async function auditKept(
  { shelf, modules }: OwnAudits,
  isAll: boolean,
  io: CommandIo,
): Promise<readonly Audited[]> {
  const { auditShelf, drawShelf } = await import('../inference/audit/shelf-audit.js')
  if (!isAll) await drawShelf(modules, io.signal)
  const entries = isAll ? shelf.list().filter(isOpen) : shelf.list('drawn')
  const progress = new Progress(io.stderr, io.env, !io.output.isJson && entries.length > 0)
  let done = 0
  progress.live((elapsedMs) => jobText(done, entries.length, elapsedMs))
  try {
    return await auditShelf(modules, entries, io.signal, (audited) => {
      done++
      io.output.event('audited', auditedFields(audited))
    })
  } finally {
    progress.stop()
  }
}

/** @param done of `all`, at least one */
export const jobText = (done: number, all: number, elapsedMs: number): string =>
  `running job ${Math.min(done + 1, all)} of ${all}, ${(elapsedMs / 1000).toFixed(0)} s`

const isFailure = (verdict: string): boolean => verdict === 'bad' || verdict === 'missing'
const isOpen = ({ state }: ShelfEntry): boolean => state !== 'good' && state !== 'bad'

function auditedFields({ digest, provider, receipt, verdict }: Audited) {
  return {
    receipt: digest,
    provider,
    index: receipt.index,
    units: receipt.units,
    priceWei: String(receipt.priceWei),
    issuedAt: new Date(receipt.issuedAt * 1000).toISOString(),
    verdict: verdict.verdict,
    reason: verdict.verdict === 'good' ? null : verdict.reason,
  }
}

/** What lies on the shelf afterwards, by its state. */
function counts(shelf: EvidenceShelf): Readonly<Record<string, number>> {
  const found: Record<string, number> = {}
  for (const { state } of shelf.list()) found[state] = (found[state] ?? 0) + 1
  return found
}

const COLUMNS = [
  { title: 'receipt', value: ({ digest }: Audited) => digest.slice(0, 12) },
  { title: 'provider', value: ({ provider }: Audited) => shortId(provider) },
  {
    title: 'issued',
    value: ({ receipt }: Audited) => new Date(receipt.issuedAt * 1000).toISOString().slice(0, 19),
  },
  { title: 'units', align: 'right' as const, value: ({ receipt }: Audited) => String(receipt.units) },
  { title: 'verdict', value: ({ verdict }: Audited) => verdict.verdict },
]

function auditText(
  audited: readonly Audited[],
  left: Readonly<Record<string, number>>,
  isAll: boolean,
): string {
  const reasons = audited.flatMap(({ digest, verdict }) =>
    verdict.verdict === 'good' ? [] : [labelled(digest.slice(0, 12), printable(verdict.reason), 14)],
  )
  const { pending = 0, undrawn = 0 } = left
  const rest =
    isAll || pending + undrawn === 0
      ? []
      : ['', `${plural(undrawn, 'job')} not drawn, ${pending} not decided yet: --all runs them, too.`]
  if (audited.length === 0) return ['Nothing to audit.', ...rest].join('\n')
  return [table(audited, COLUMNS), ...(reasons.length === 0 ? [] : ['', ...reasons]), ...rest].join('\n')
}

const RECORD_COLUMNS = [
  { title: 'provider', value: ({ provider }: ProviderRecord) => provider },
  { title: 'audited', align: 'right' as const, value: ({ audited }: ProviderRecord) => String(audited) },
  {
    title: 'failed',
    align: 'right' as const,
    value: ({ failed, isCut }: ProviderRecord) => `${failed}${isCut ? ' or more' : ''}`,
  },
  { title: 'silent', align: 'right' as const, value: ({ unanswered }: ProviderRecord) => String(unanswered) },
]

function recordsText(records: readonly ProviderRecord[]): string {
  return records.length === 0 ? 'Nothing was audited yet.' : table(records, RECORD_COLUMNS)
}
