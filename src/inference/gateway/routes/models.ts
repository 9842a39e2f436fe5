/** `GET /v1/models` and `GET /v1/models/{id}`: what there is, what it is for, and what it costs. */
import type { ServedModel } from '../../job.js'
import { distinctModels, isKnownHere, publicIds } from '../../model-rule.js'
import type { Route } from '../context.js'
import { aliased } from '../hear.js'
import { modelNamed } from '../model-choice.js'

export const models: Route = {
  method: 'GET',
  path: '/v1/models',
  answer: async (exchange, context) => {
    const all = distinctModels(await context.models.get(exchange.signal))
    const called = publicIds(all)
    exchange.json({ object: 'list', data: all.map((each) => described(each, called(each))) })
  },
}

export const model: Route = {
  method: 'GET',
  path: '/v1/models/',
  answer: async (exchange, context, name) => {
    const all = distinctModels(await context.models.get(exchange.signal))
    const found = modelNamed(all, aliased(name, context))
    exchange.json(described(found, publicIds(all)(found)))
  },
}

/** OpenAI's four fields, then ours. */
function described(model: ServedModel, id: string): object {
  const { task, languages, licence, sha256, unit, priceWeiPerUnit, ownedBy, addedAtMs, hearsWithNgrams } =
    model
  return {
    id,
    object: 'model',
    created: Math.floor(addedAtMs / 1000),
    owned_by: ownedBy,
    task,
    languages,
    licence,
    sha256,
    unit,
    price_wei_per_unit: String(priceWeiPerUnit),
    known: isKnownHere(model),
    ...(hearsWithNgrams === true ? { language_model: true } : {}),
  }
}
