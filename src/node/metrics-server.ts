/** `/metrics` in Prometheus' text format and `/healthz`, from the daemon's status; on loopback unless configured otherwise. */
import { createServer, type Server } from 'node:http'
import { UserError } from '../errors.js'
import type { DaemonStatus } from './daemon.js'

const REQUEST_TIMEOUT_MS = 5_000
/** A scraper and a person or two. */
const MAX_CONNECTIONS = 16

interface Metric {
  readonly name: string
  readonly type: 'gauge' | 'counter'
  readonly help: string
  readonly value: (status: DaemonStatus) => number | null | undefined
}

const WEI_PER_ETHER = 1e18
const inEther = (wei: string): number => Number(wei) / WEI_PER_ETHER

export const METRICS: readonly Metric[] = [
  {
    name: 'plumbline_healthy',
    type: 'gauge',
    help: '1 where the daemon can do its job.',
    value: (s) => Number(s.healthy),
  },
  { name: 'plumbline_peers', type: 'gauge', help: 'Connections open.', value: (s) => s.peers },
  {
    name: 'plumbline_uptime_seconds',
    type: 'counter',
    help: 'Since the daemon started.',
    value: (s) => s.uptimeSeconds,
  },
  {
    name: 'plumbline_memory_bytes',
    type: 'gauge',
    help: 'Resident set size.',
    value: (s) => s.memoryMiB * 2 ** 20,
  },
  {
    name: 'plumbline_registry_entries',
    type: 'gauge',
    help: 'Challengers in the registry.',
    value: (s) => s.registry?.entries,
  },
  {
    name: 'plumbline_chain_seats',
    type: 'gauge',
    help: 'Seats on the chain that this node is drawn by.',
    value: (s) => (s.chain?.isKnown ? s.chain.seats : undefined),
  },
  {
    name: 'plumbline_chain_pending_transactions',
    type: 'gauge',
    help: 'Transactions sent and not final.',
    value: (s) => s.chain?.pendingTransactions,
  },
  {
    name: 'plumbline_chain_balance_ether',
    type: 'gauge',
    help: 'What pays for gas.',
    value: (s) => (s.chain?.isKnown ? inEther(s.chain.balanceWei) : undefined),
  },
  {
    name: 'plumbline_chain_claimable_ether',
    type: 'gauge',
    help: 'Fees earned and not paid out.',
    value: (s) => s.chain && inEther(s.chain.claimableWei),
  },
  { name: 'plumbline_transcripts', type: 'gauge', help: 'Transcripts kept.', value: (s) => s.transcripts },
  {
    name: 'plumbline_challenger_challenges',
    type: 'gauge',
    help: 'Challenges served right now.',
    value: (s) => s.challenger?.challenges,
  },
  {
    name: 'plumbline_challenger_sent_bytes_total',
    type: 'counter',
    help: 'Layer-3 bytes sent as a challenger.',
    value: (s) => s.challenger?.sentBytes,
  },
  {
    name: 'plumbline_prover_busy',
    type: 'gauge',
    help: '1 while a challenge runs.',
    value: (s) => (s.prover === null ? undefined : Number(s.prover.challenge !== null)),
  },
  {
    name: 'plumbline_prover_received_bytes_month',
    type: 'gauge',
    help: 'Layer-3 bytes of challenges this calendar month.',
    value: (s) => s.prover?.bytesThisMonth,
  },
  {
    name: 'plumbline_provider_jobs',
    type: 'gauge',
    help: 'Jobs of others under way.',
    value: (s) => s.provider?.jobs,
  },
  {
    name: 'plumbline_provider_served_total',
    type: 'counter',
    help: 'Jobs done for others since the daemon started.',
    value: (s) => s.provider?.served,
  },
  {
    name: 'plumbline_provider_channels',
    type: 'gauge',
    help: 'Channels of clients in the ledger.',
    value: (s) => s.provider?.channels,
  },
  {
    name: 'plumbline_provider_unredeemed_ether',
    type: 'gauge',
    help: 'Vouchers taken and not redeemed yet.',
    value: (s) => s.provider && inEther(s.provider.unredeemedWei),
  },
  {
    name: 'plumbline_auditor_channels',
    type: 'gauge',
    help: 'Channels whose receipts are watched.',
    value: (s) => s.auditor?.channels,
  },
  {
    name: 'plumbline_auditor_receipts',
    type: 'gauge',
    help: 'Receipts with a verdict, by this node and the auditors that it believes.',
    value: (s) => s.auditor?.audited,
  },
  {
    name: 'plumbline_auditor_failed_receipts',
    type: 'gauge',
    help: 'Those of them that failed.',
    value: (s) => s.auditor?.failed,
  },
]

export function metricsText(status: DaemonStatus): string {
  return METRICS.flatMap(({ name, type, help, value }) => {
    const number = value(status)
    return number === undefined || number === null
      ? []
      : [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, `${name} ${number}`]
  })
    .join('\n')
    .concat('\n')
}

/** @throws UserError UNAVAILABLE where the address cannot be bound */
export async function serveMetrics(
  { host, port }: { readonly host: string; readonly port: number },
  status: () => Promise<DaemonStatus>,
): Promise<{ close(): Promise<void> }> {
  const server: Server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, async (request, response) => {
    try {
      const current = await status()
      if (request.method !== 'GET') response.writeHead(405).end()
      else if (request.url === '/metrics')
        response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(metricsText(current))
      else if (request.url === '/healthz')
        response.writeHead(current.healthy ? 200 : 503).end(`${current.problems.join('\n') || 'ok'}\n`)
      else response.writeHead(404).end()
    } catch {
      response.writeHead(500).end()
    }
  })
  server.maxConnections = MAX_CONNECTIONS
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new UserError(
          `cannot serve metrics on ${host}:${port} (${'code' in cause ? String(cause.code) : cause.message})`,
          {
            code: 'UNAVAILABLE',
            remedy: 'change metrics.port, or set it to off',
            cause,
          },
        ),
      ),
    )
    server.listen(port, host, resolve)
  })
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
