/** For whoever runs it: `/health`, `/ready`, `/metrics`. */
import type { Route } from '../context.js'

/** A probe gives up soon after. */
const READY_MS = 3000

/** The server answers. */
export const health: Route = {
  method: 'GET',
  path: '/health',
  isOpen: true,
  answer: async (exchange) => exchange.json({ status: 'ok' }),
}

/** There is a model to send a job to. */
export const ready: Route = {
  method: 'GET',
  path: '/ready',
  isOpen: true,
  answer: async (exchange, { models }) => {
    const count = await Promise.race([
      models.get().then(
        ({ length }) => length,
        () => 0,
      ),
      new Promise<number>((resolve) => setTimeout(() => resolve(0), READY_MS).unref()),
    ])
    exchange.json({ status: count > 0 ? 'ready' : 'no models', models: count }, count > 0 ? 200 : 503)
  },
}

export const metrics: Route = {
  method: 'GET',
  path: '/metrics',
  answer: async (exchange, context) =>
    exchange.text(context.metrics.text(context), 'text/plain; version=0.0.4'),
}
