/** `plumbline status`: asks the running daemon over its control socket. */

import { formatEther } from '../chain/ether.js'
import { DEFAULT_DATA_DIR, dataPaths } from '../config/paths.js'
import { UserError } from '../errors.js'
import type { Spending } from '../inference/client/daily-budget.js'
import type { ChainStatus } from '../node/chain/link.js'
import type { DaemonStatus } from '../node/daemon.js'
import { configOptions, defineCommand } from './command.js'
import { formatBytes, formatDuration, labelled, plural, printable } from './format.js'
import type { CommandIo } from './io.js'
import type { Style } from './output.js'
import { loadSettings } from './settings.js'

const LABEL_WIDTH = 15
const SHOWN_MODELS = 3

export const statusCommand = defineCommand({
  path: 'status',
  group: 'look',
  summary: 'What the running daemon is doing',
  description: [
    'Exit status 0 means that it runs and can do its job. Where none runs, what this data directory has spent is shown all the same.',
  ],
  options: { 'data-dir': configOptions['data-dir'], config: configOptions.config },
  examples: [
    ['status', 'Ask the daemon of ~/.plumbline'],
    ['status --config /etc/plumbline/config.yaml', 'Ask the daemon that runs with that configuration'],
    ['status --json', 'For a monitoring script'],
  ],
  run: async (args, io) => {
    const { callControlSocket } = await import('../p2p/control-client.js')
    const { readSpending } = await import('../inference/client/daily-budget.js')
    const paths = dataPaths(await dataDirOf(args, io))
    // A gateway and the commands that buy write it, beside the daemon or without one.
    const spending = await readSpending(paths.spending, Date.now())
    const purchases =
      spending === undefined
        ? null
        : { spentWei: String(spending.spentWei), dailyBudgetWei: String(spending.budgetWei) }
    // Our own daemon wrote it: the socket is the owner's alone.
    const status = await callControlSocket(paths.controlSocket, 'status').then(
      (told) => told as DaemonStatus,
      (error: unknown) => {
        const isNone = error instanceof UserError && error.code === 'UNAVAILABLE'
        if (spending !== undefined && isNone) return undefined
        throw error
      },
    )
    if (status === undefined) {
      const problem = 'no daemon runs here'
      io.output.result({ healthy: false, problems: [problem], purchases }, () =>
        [`${problem}; what was bought with this data directory:`, '', ...spendingRows(spending)].join('\n'),
      )
      return 1
    }
    io.output.result({ ...status, purchases }, () => statusText(status, io.style, spending))
    return status.healthy ? 0 : 1
  },
})

/** A configuration is read only where one is named: `status` works where the rest of it is wrong. */
async function dataDirOf(
  { dataDir, config }: { readonly dataDir: string | undefined; readonly config: string | undefined },
  io: CommandIo,
): Promise<string> {
  if (dataDir !== undefined || config === undefined)
    return dataDir ?? io.env.PLUMBLINE_DATA_DIR ?? DEFAULT_DATA_DIR
  const settings = await loadSettings({ dataDir, config, logLevel: undefined, logFormat: undefined }, io)
  return settings.config.dataDir
}

const row = (label: string, text: string): string => labelled(`  ${label}`, text, LABEL_WIDTH)

/** Of what was ever bought with this data directory. */
function spendingRows(spending: Spending | undefined): string[] {
  if (spending === undefined) return []
  const { spentWei, budgetWei } = spending
  return [
    row('bought jobs', `${formatEther(spentWei, 'up')} in 24 hours, of ${formatEther(budgetWei)} at most`),
  ]
}

export function statusText(status: DaemonStatus, style: Style, spending?: Spending): string {
  const { addresses, dataPlane, prover, challenger, provider, auditor, registry, chain } = status
  const uptime = formatUptime(status.uptimeSeconds)
  const head = `${status.roles.join(', ')} running for ${uptime}, ${plural(status.peers, 'peer')}, ${status.memoryMiB} MiB`
  return [
    `${status.healthy ? style('good', 'healthy') : style('bad', 'in trouble')}: ${head}`,
    ...status.problems.map((problem) => row('', printable(problem))),
    '',
    row('peer id', status.peerId),
    row('address', status.address),
    ...addresses.map((address, i) => row(i === 0 ? 'listens' : '', address)),
    ...(dataPlane === null ? [] : [row('data plane', `${dataPlane.name} (${dataPlane.reason})`)]),
    ...(prover === null
      ? []
      : [
          row(
            'prover',
            `${prover.challenge === null ? 'idle' : `in challenge ${prover.challenge.slice(0, 16)}...`}, ` +
              `${formatBytes(prover.bytesThisMonth)} received this month`,
          ),
        ]),
    ...(challenger === null
      ? []
      : [
          row(
            'challenger',
            `${plural(challenger.challenges, 'challenge')} under way, ${formatBytes(challenger.sentBytes)} sent`,
          ),
        ]),
    ...(provider === null ? [] : providerRows(provider, row)),
    ...(auditor === null
      ? []
      : [
          row(
            'auditor',
            `${plural(auditor.channels, 'channel')} watched, ${plural(auditor.audited, 'receipt')} audited, ${auditor.failed}${auditor.isCut ? ' or more' : ''} failed`,
          ),
        ]),
    ...(registry === null
      ? []
      : [
          row(
            'registry',
            `${plural(registry.entries, 'challenge server')}, this node ${registry.listed ? 'among them' : 'not among them'}; ${registry.path}`,
          ),
        ]),
    ...(chain === null ? [] : chainRows(chain, row)),
    ...spendingRows(spending),
    row('transcripts', String(status.transcripts)),
  ].join('\n')
}

function providerRows(
  { models, jobs, served, channels, unredeemedWei }: NonNullable<DaemonStatus['provider']>,
  row: (label: string, text: string) => string,
): string[] {
  const more = models.length - SHOWN_MODELS
  return [
    row('provider', `${plural(jobs, 'job')} under way, ${served} done`),
    row(
      '',
      `sells ${models.slice(0, SHOWN_MODELS).map(printable).join(', ')}${more > 0 ? ` and ${more} more` : ''}`,
    ),
    ...(channels === 0
      ? []
      : [row('', `${plural(channels, 'channel')}, ${formatEther(BigInt(unredeemedWei))} not redeemed yet`)]),
  ]
}

function chainRows(chain: ChainStatus, row: (label: string, text: string) => string): string[] {
  if (chain.chainId === null) return [row('chain', 'not reached yet')]
  if (!chain.isKnown) return [row('chain', `${chain.chainId}, what this node has there is not known yet`)]
  const waiting = chain.pendingTransactions
  return [
    row(
      'chain',
      `${chain.chainId}, ${chain.registered ? plural(chain.seats, 'seat') : 'not registered'}` +
        `${waiting === 0 ? '' : `, ${plural(waiting, 'transaction')} waiting`}`,
    ),
    row(
      '',
      `${formatEther(BigInt(chain.balanceWei))} for gas, ${formatEther(BigInt(chain.depositWei))} deposited`,
    ),
    row('', `${formatEther(BigInt(chain.claimableWei))} of fees to claim`),
  ]
}

/** `3 d 4 h`, `2 h 5 min`, or as short durations are written. */
function formatUptime(seconds: number): string {
  const [minutes, hours, days] = [60, 3600, 86_400].map((unit) => Math.floor(seconds / unit))
  if (days) return `${days} d ${(hours ?? 0) % 24} h`
  if (hours) return `${hours} h ${(minutes ?? 0) % 60} min`
  return formatDuration(seconds * 1000)
}
