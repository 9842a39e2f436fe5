/**
 * How long a request may take. A client that gives up first asks again by itself, and what it asked for is bought again;
 * one that is told "no" in time does not.
 */
import type { IncomingHttpHeaders } from 'node:http'

/** Of what the client waits itself: the rest is for the way of the request and of the refusal. */
const SHARE = 0.9

/**
 * @returns milliseconds from the request's headers to the head of its answer
 * @param answerMs whatever the client says; the official one says its own limit in seconds
 */
export function patienceMs(headers: IncomingHttpHeaders, answerMs: number): number {
  const told = headers['x-stainless-timeout']
  const seconds = typeof told === 'string' && /^\d{1,7}(?:\.\d{1,6})?$/.test(told) ? Number(told) : 0
  return seconds > 0 ? Math.min(answerMs, seconds * 1000 * SHARE) : answerMs
}
