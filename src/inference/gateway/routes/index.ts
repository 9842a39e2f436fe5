/** Every route of the gateway. */
import type { Route } from '../context.js'
import { embeddings } from './embeddings.js'
import { language } from './language.js'
import { later } from './later.js'
import { model, models } from './models.js'
import { health, metrics, ready } from './operation.js'
import { speech } from './speech.js'
import { transcriptions } from './transcriptions.js'
import { translations } from './translations.js'

const ROUTES: readonly Route[] = [
  transcriptions,
  translations,
  language,
  speech,
  embeddings,
  models,
  model,
  ...later,
  health,
  ready,
  metrics,
]

export interface FoundRoute {
  readonly route: Route
  /** What follows a path that ends in a slash; empty otherwise. */
  readonly name: string
}

/**
 * @param path without its query
 * @returns the methods that the path has, where it has not this one
 */
export function findRoute(
  method: string,
  path: string,
): FoundRoute | { readonly route: undefined; readonly allowed: readonly string[] } {
  const matching = ROUTES.flatMap((route): readonly FoundRoute[] => {
    if (route.path === path) return [{ route, name: '' }]
    if (!route.path.endsWith('/') || !path.startsWith(route.path)) return []
    const name = decoded(path.slice(route.path.length))
    return name === '' ? [] : [{ route, name }]
  })
  const wanted = method === 'HEAD' ? 'GET' : method
  const found = matching.find(({ route }) => route.method === wanted)
  return found ?? { route: undefined, allowed: matching.map(({ route }) => route.method) }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}
