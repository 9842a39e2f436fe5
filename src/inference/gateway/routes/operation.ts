/** For whoever runs it: `/health`, `/ready`, `/metrics`. */
import { ApiError } from '../api-error.js'
import type { GatewayContext, Route } from '../context.js'

/** Of a look at the models; a probe gives up soon after. */
const READY_MS = 3000

/** The server answers. */
export const health: Route = {
  method: 'GET',
  path: '/health',
  isOpen: true,
  answer: async (exchange) => exchange.json({ status: 'ok' }),
}

/** There is a model to send a job to, and what it costs could be paid: as far as is known, since whoever asks without a key must not make others wait. */
export const ready: Route = {
  method: 'GET',
  path: '/ready',
  isOpen: true,
  answer: async (exchange, context) => {
    const count = context.models.lastCount() ?? (await awaitedCount(context))
    const reason = count > 0 && context.models.isAllPaid ? context.source.unpayable?.() : undefined
    if (reason !== undefined) return exchange.json({ status: 'cannot pay', models: count, reason }, 503)
    exchange.json({ status: count > 0 ? 'ready' : 'no models', models: count }, count > 0 ? 200 : 503)
  },
}

async function awaitedCount({ models, probes, limits }: GatewayContext): Promise<number> {
  if (probes.used >= limits.probes)
    throw new ApiError('more probes wait than there is room for; ask again', {
      status: 503,
      code: 'unavailable',
    })
  probes.take(1)
  try {
    return await models.count(READY_MS)
  } finally {
    probes.give(1)
  }
}

export const metrics: Route = {
  method: 'GET',
  path: '/metrics',
  answer: async (exchange, context) =>
    exchange.text(context.metrics.text(context), 'text/plain; version=0.0.4'),
}
