/** The role auditor of a daemon: audits whoever sells on its chain, with the models of its catalogue. */
import { type Chain, channelsContract, readChannelEvents, readNode } from '../../chain/index.js'
import { dataPaths } from '../../config/paths.js'
import type { Config } from '../../config/schema.js'
import type { Identity } from '../../crypto/identity.js'
import { Contradictions } from '../../inference/audit/contradictions.js'
import { untilNextDrawMs } from '../../inference/audit/drawing.js'
import { EvidenceShelf } from '../../inference/audit/evidence-shelf.js'
import { openExecutions } from '../../inference/audit/executions.js'
import { FindingsBook } from '../../inference/audit/findings-book.js'
import { FindingsGossip } from '../../inference/audit/findings-gossip.js'
import { LastAnswers } from '../../inference/audit/last-answers.js'
import { NetworkAudit } from '../../inference/audit/network-audit.js'
import { OldFindings, serveFindings } from '../../inference/audit/old-findings.js'
import { Refusals } from '../../inference/audit/refusals.js'
import { Offers } from '../../inference/client/offers.js'
import { FINDINGS_MESSAGE } from '../../inference/network/messages.js'
import { paymentDomain } from '../../inference/payment/index.js'
import type { StandingStill } from '../../inference/standing-still.js'
import type { Host } from '../../p2p/index.js'
import type { Logger } from '../../telemetry/logger.js'
import { openRandomness } from './randomness.js'

export interface AuditorRoleModules {
  readonly config: Config
  readonly identity: Identity
  readonly host: Host
  readonly log: Logger
  readonly standingStill: StandingStill
}

export interface AuditorStatus {
  readonly channels: number
  /** By this node's record: receipts with a verdict, and those that failed. */
  readonly audited: number
  readonly failed: number
  /** Some failed more often than is kept. */
  readonly isCut: boolean
}

export interface AuditorRole {
  /** The chain is there: its channels are watched from now on. */
  watch(chain: Chain): void
  status(): AuditorStatus
  stop(): Promise<void>
}

/** Evidence against providers: no longer than their clients were told. */
const KEPT_SECONDS = 86_400
const MOST_BYTES = 512 * 2 ** 20

export async function startAuditor({
  config,
  identity,
  host,
  log,
  standingStill,
}: AuditorRoleModules): Promise<AuditorRole> {
  const { beacon, of } = openRandomness(config)
  const book = await FindingsBook.open({
    directory: dataPaths(config.dataDir).findings,
    trusted: [identity.peerId, ...config.inference.client.auditors],
  })
  const shelf = await EvidenceShelf.open({
    directory: dataPaths(config.dataDir).auditedEvidence,
    mostBytes: MOST_BYTES,
    keptSeconds: KEPT_SECONDS,
    log,
  })
  const refusals = await Refusals.open(dataPaths(config.dataDir).auditRefusals)
  const answers = await LastAnswers.open(dataPaths(config.dataDir).auditAnswers)
  const contradictions = await Contradictions.open(dataPaths(config.dataDir).auditContradictions)
  const gossip = new FindingsGossip({ host, book, own: identity.publicKey, log })
  const offers = new Offers({ host, log, named: [] })
  gossip.start()
  offers.start()
  await serveFindings(host, book)
  const old = new OldFindings({ host, book, auditors: config.inference.client.auditors, log })
  const over = new AbortController()
  let audit: NetworkAudit | undefined
  let running: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  return {
    watch: (chain) => {
      let found: Awaited<ReturnType<Offers['find']>> = []
      let next = BigInt(chain.deployment.deployedAtBlock)
      const channels = new NetworkAudit({
        beacon,
        randomness: of,
        openExecutions: () => openExecutions({ dataDir: config.dataDir, log, standingStill }),
        signer: identity,
        onFinding: async (message) => {
          await book.add(message)
          await gossip.publish(message)
        },
        log,
        now: () => Date.now(),
        host,
        domain: paymentDomain(chain.chainId, channelsContract(chain)),
        chainTime: async () => (await chain.clock()).timestamp,
        events: async (signal) => {
          const { blockNumber } = await chain.clock()
          // Deep enough that no re-organisation takes it back.
          const toBlock = blockNumber - BigInt(chain.confirmations - 1)
          if (toBlock < next) return { opened: [], redeemed: [], closed: [] }
          const events = await readChannelEvents(chain, { fromBlock: next, toBlock, signal })
          next = toBlock + 1n
          return events
        },
        offers: () => found.map(({ offer }) => offer),
        isSeated: seatCheck(chain, identity),
        keep: (evidence) =>
          shelf
            .put(evidence)
            .catch((error: unknown) =>
              log.warn({ reason: String(error) }, 'evidence of a failed job is not kept'),
            ),
        refusals,
        answers,
        contradictions,
        isFound: (channelId, index, receipt) => book.has(identity.publicKey, channelId, index, receipt),
      })
      audit = channels
      const round = async (): Promise<void> => {
        try {
          shelf.sweep(Date.now() / 1000)
          found = await offers.find(over.signal)
          // What auditors that it trusts found before it came makes its record of a provider whole; it judges by itself.
          const met = found.map(({ offer }) => offer)
          void old.meet([], met)
          await channels.round(over.signal)
        } catch (error) {
          if (over.signal.aborted) return
          log.warn({ reason: error instanceof Error ? error.message : String(error) }, 'audits did not run')
        }
      }
      const plan = (): void => {
        if (over.signal.aborted) return
        // As soon as the beacon has drawn, whenever this node was started.
        timer = setTimeout(
          () => {
            running = round().finally(plan)
          },
          untilNextDrawMs(beacon, Date.now() / 1000),
        )
        timer.unref()
      }
      plan()
    },
    status: () => {
      const records = book.records()
      return {
        channels: audit?.channels ?? 0,
        audited: records.reduce((sum, each) => sum + each.audited, 0),
        failed: records.reduce((sum, each) => sum + each.failed, 0),
        isCut: records.some(({ isCut }) => isCut),
      }
    },
    stop: async () => {
      clearTimeout(timer)
      over.abort()
      await running
      offers.stop()
      gossip.stop()
      await host.unhandle(FINDINGS_MESSAGE)
      await shelf.settled()
    },
  }
}

/** The chain is asked seldom: a seat is taken for weeks. */
const SEAT_KNOWN_MS = 10 * 60_000

/** Whether this node has a seat, so that providers must show it evidence. */
function seatCheck(chain: Chain, { address }: Pick<Identity, 'address'>): () => Promise<boolean> {
  let known: { readonly isSeated: boolean; readonly atMs: number } | undefined
  return async () => {
    const now = performance.now()
    if (known === undefined || now - known.atMs >= SEAT_KNOWN_MS) {
      const node = await readNode(chain, address)
      known = { isSeated: node !== undefined && node.seats > 0 && node.hotKey === address, atMs: now }
    }
    return known.isSeated
  }
}
