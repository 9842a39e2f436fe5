/** The audits of a node that buys: what it keeps of its jobs, whom it avoids, and, in a gateway, the running of them. */
import { dataPaths } from '../../config/paths.js'
import type { Config } from '../../config/schema.js'
import type { Identity } from '../../crypto/identity.js'
import { epochSeconds, isTimely } from '../../inference/audit/drawing.js'
import { EvidenceShelf } from '../../inference/audit/evidence-shelf.js'
import { type Executions, type ExecutionsOptions, openExecutions } from '../../inference/audit/executions.js'
import { FindingsBook } from '../../inference/audit/findings-book.js'
import { FindingsGossip } from '../../inference/audit/findings-gossip.js'
import { OldFindings, serveFindings } from '../../inference/audit/old-findings.js'
import { auditShelf, drawShelf, type ShelfAuditModules } from '../../inference/audit/shelf-audit.js'
import type { BuyerAudits } from '../../inference/client/purchases.js'
import { FINDINGS_MESSAGE } from '../../inference/network/messages.js'
import type { Host } from '../../p2p/index.js'
import type { Logger } from '../../telemetry/logger.js'
import { openRandomness } from './randomness.js'
import { followHolds } from './standing-still.js'

export interface OwnAuditsModules {
  readonly config: Config
  readonly identity: Identity
  /** To ask auditors by; without it nobody is asked. */
  readonly host?: Host
  readonly log: Logger
}

/** Long enough to look into an answer that seems wrong; the disk is the buyer's own. */
const KEPT_SECONDS = 86_400
const MOST_BYTES = 512 * 2 ** 20

/** Of one job's choice: an auditor that does not answer holds nobody up for long. */
const MOST_MEETING_MS = 3000

export interface OwnAudits {
  readonly shelf: EvidenceShelf
  readonly book: FindingsBook
  readonly modules: ShelfAuditModules
  /** For the jobs that are bought. */
  readonly buyer: BuyerAudits
}

/** @throws UserError BAD_CONFIG for an incomplete beacon */
export async function openOwnAudits({ config, identity, host, log }: OwnAuditsModules): Promise<OwnAudits> {
  const paths = dataPaths(config.dataDir)
  const { beacon, of } = openRandomness(config)
  const shelf = await EvidenceShelf.open({
    directory: paths.boughtEvidence,
    mostBytes: MOST_BYTES,
    keptSeconds: KEPT_SECONDS,
    log,
  })
  shelf.sweep(Date.now() / 1000)
  const { auditors } = config.inference.client
  const trusted = [identity.peerId, ...auditors]
  const book = await FindingsBook.open({ directory: paths.findings, trusted })
  const old = host === undefined ? undefined : new OldFindings({ host, book, auditors, log })
  const modules: ShelfAuditModules = {
    shelf,
    beacon,
    randomness: of,
    openExecutions: () => openBesideDaemon({ dataDir: config.dataDir, log }),
    signer: identity,
    onFinding: async (message) => void (await book.add(message)),
    log,
    now: () => Date.now(),
  }
  const buyer: BuyerAudits = {
    isTimely: (issuedAt, at = Date.now() / 1000) => isTimely(beacon, issuedAt, at),
    keep: (evidence) =>
      void shelf
        .put(evidence)
        .catch((error: unknown) => log.warn({ reason: String(error) }, 'a job is not kept for its audit')),
    ...(old === undefined || auditors.length === 0
      ? {}
      : {
          meet: (candidates, others) => within(MOST_MEETING_MS, old.meet(candidates, others)),
        }),
    isAvoided: (peerId) => book.isAvoided(peerId, Date.now() / 1000),
    goodFindings: (peerId) => book.goodFindings(peerId),
  }
  return { shelf, book, modules, buyer }
}

/** Resolves when it has, or the time is over. */
async function within(ms: number, done: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([done, late]).finally(() => clearTimeout(timer))
}

/** The daemon of this data directory comes first: these stand still when its models do. */
async function openBesideDaemon(options: ExecutionsOptions): Promise<Executions> {
  const holds = followHolds(options.dataDir)
  try {
    const [first, ...others] = await openExecutions({ ...options, standingStill: holds })
    const close = async (): Promise<void> => {
      holds.close()
      await first.close()
    }
    return [{ ...first, close }, ...others]
  } catch (error) {
    holds.close()
    throw error
  }
}

/** Audits go on in a process that lives: what is drawn is run again, and told. */
export function runOwnAudits(
  { shelf, book, modules }: OwnAudits,
  { host, identity, log }: { readonly host: Host; readonly identity: Identity; readonly log: Logger },
): { stop(): Promise<void> } {
  const gossip = new FindingsGossip({ host, book, own: identity.publicKey, log })
  gossip.start()
  const serving = serveFindings(host, book)
  const over = new AbortController()
  let running: Promise<void> | undefined
  const round = async (): Promise<void> => {
    try {
      shelf.sweep(Date.now() / 1000)
      await book.refresh()
      await drawShelf(modules, over.signal)
      const told: ShelfAuditModules = {
        ...modules,
        onFinding: async (message) => {
          await modules.onFinding(message)
          await gossip.publish(message)
        },
      }
      await auditShelf(told, shelf.list('drawn'), over.signal)
    } catch (error) {
      if (over.signal.aborted) return
      log.warn({ reason: error instanceof Error ? error.message : String(error) }, 'audits did not run')
    }
  }
  const timer = setInterval(() => {
    running ??= round().finally(() => {
      running = undefined
    })
  }, epochSeconds(modules.beacon) * 1000)
  timer.unref()
  return {
    stop: async () => {
      clearInterval(timer)
      over.abort()
      await running
      gossip.stop()
      await serving
      await host.unhandle(FINDINGS_MESSAGE)
      await shelf.settled()
    },
  }
}
