/**
 * Who may ask. Three doors, before a byte of a body is read:
 *
 * - `Host`, on loopback: a page of the web whose name was re-pointed to 127.0.0.1 (DNS rebinding) is, to the browser, of
 *   the same origin as this server; only the name in `Host` gives it away.
 * - `Origin`: without CORS a page cannot read our answers, but a browser still sends a form for it, and a job costs
 *   money. No origin is let in unless it was named.
 * - API keys, where there are any; away from loopback there must be.
 */
import type { IncomingMessage } from 'node:http'
import { ApiError } from './api-error.js'
import type { ApiKeys } from './api-keys.js'

export interface AccessRules {
  readonly isLoopback: boolean
  readonly keys: ApiKeys | undefined
  /** Names beside this machine's own that `Host` may say, in lower case. */
  readonly hosts: ReadonlySet<string>
  /** As browsers write them: `https://app.example`, or `null` for pages without one. */
  readonly origins: ReadonlySet<string>
}

/** 127.0.0.0/8, ::1, and names that never leave the machine (RFC 6761, section 6.3). */
export function isLoopbackName(name: string): boolean {
  const host = name.toLowerCase().replace(/^\[(.*)\]$/, '$1')
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host === '::1' ||
    /^127(?:\.\d{1,3}){3}$/.test(host)
  )
}

/** `host` without its port; undefined where it is malformed. */
function hostNameOf(header: string | undefined): string | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i.exec(header ?? '')
  return match?.[1]?.toLowerCase()
}

/** Whether a request's `Host` could ever say it: a name or an address alone, without scheme, port and path. */
export const isHostName = (text: string): boolean => hostNameOf(text) === text.toLowerCase()

/**
 * As a browser would write it in `Origin`, where it could: `https://app.example` of `https://App.example:443/page`.
 * Schemes of extensions and of apps are taken as they are (RFC 6454, section 6).
 */
export function originOf(text: string): string | undefined {
  if (text === 'null') return text
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^\s/]/i.test(text) || text.includes('*')) return undefined
  try {
    const { origin, protocol, host } = new URL(text)
    return origin === 'null' ? `${protocol}//${host}` : origin
  } catch {
    return undefined
  }
}

/** @throws ApiError 421, 403 */
export function checkSource({ headers }: IncomingMessage, { isLoopback, hosts, origins }: AccessRules): void {
  const host = hostNameOf(headers.host)
  if (isLoopback && (host === undefined || !(isLoopbackName(host) || hosts.has(host))))
    throw new ApiError('this server does not answer to that host name; name it with --allow-host', {
      status: 421,
      code: 'host_not_allowed',
    })
  const { origin } = headers
  if (origin !== undefined && !origins.has(origin))
    throw new ApiError('pages of that origin may not ask; name it with --cors-origin', {
      status: 403,
      code: 'origin_not_allowed',
    })
}

/** @throws ApiError 401 */
export function checkKey({ headers }: IncomingMessage, { keys }: AccessRules): void {
  if (keys === undefined) return
  const presented = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1]
  if (presented === undefined)
    throw new ApiError('no API key: send "Authorization: Bearer <key>"', {
      status: 401,
      code: 'missing_api_key',
    })
  if (!keys.has(presented))
    throw new ApiError('that API key is not known here', { status: 401, code: 'invalid_api_key' })
}

/** All that stands beside an answer and means something. */
const EXPOSED_HEADERS = [
  'retry-after',
  'x-should-retry',
  'x-request-id',
  ...['provider', 'price-wei', 'units', 'receipt', 'run-seconds', 'ignored'].map(
    (name) => `x-plumbline-${name}`,
  ),
].join(', ')

/** What a browser of an allowed origin needs to see; empty for everybody else. */
export function corsHeaders(
  { headers }: IncomingMessage,
  { origins }: AccessRules,
): Readonly<Record<string, string>> {
  const { origin } = headers
  if (origin === undefined || !origins.has(origin)) return {}
  return {
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'GET, POST',
    // The official client says on what it runs in headers of its own.
    'access-control-allow-headers':
      headers['access-control-request-headers'] ?? 'authorization, content-type',
    'access-control-expose-headers': EXPOSED_HEADERS,
    'access-control-max-age': '600',
    vary: 'origin',
  }
}
