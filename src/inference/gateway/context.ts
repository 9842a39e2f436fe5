/** What the routes have in common: the parts of one gateway. */
import type { Logger } from '../../telemetry/logger.js'
import type { JobSource } from '../job.js'
import type { Budget } from './budget.js'
import type { Exchange } from './exchange.js'
import type { GatewayLimits } from './limits.js'
import type { GatewayMetrics } from './metrics.js'
import type { ModelList } from './model-list.js'
import type { PaidAnswers } from './paid-answers.js'
import type { SoundDecoder } from './sound-decoder.js'

export interface GatewayContext {
  readonly source: JobSource
  readonly models: ModelList
  readonly decoder: SoundDecoder
  readonly limits: GatewayLimits
  /** Names that clients insist on, and the models that they mean here. */
  readonly aliases: ReadonlyMap<string, string>
  /** Whether `auto` may mean a model that nobody here knows. */
  readonly anyModel: boolean
  /** Of one request; what the source is willing to pay unless given. */
  readonly maxPriceWei: bigint | undefined
  readonly paidAnswers: PaidAnswers
  /** How wide the vectors of models are, by hash: known from their first answer on. */
  readonly widths: Map<string, number>
  /** Requests being worked on. */
  readonly active: Budget
  /** Probes that wait for the first look at the models. */
  readonly probes: Budget
  /** Bytes of bodies in memory, and of answers. */
  readonly held: Budget
  readonly metrics: GatewayMetrics
  readonly log: Logger
}

export interface Route {
  readonly method: 'GET' | 'POST'
  /** `/v1/models/` ends in a slash: one name follows. */
  readonly path: string
  /** Answered without an API key: says nothing but whether this server works. */
  readonly isOpen?: boolean
  /** @param name what follows the path; empty where nothing does */
  readonly answer: (exchange: Exchange, context: GatewayContext, name: string) => Promise<void>
}
