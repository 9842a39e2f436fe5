/**
 * Who makes room where all places for challenges are taken. Keys cost nothing, addresses do: whoever asks from a prefix that
 * holds less than another gets the place of that one's latest challenge, as long as nothing was sent in it. So many requests
 * from one place cost its own challenges, not the others'. Pure.
 */
import { isHostLiteral, prefixOf } from '../../pob/prefix.js'

export interface Place {
  /** Where it was asked for from: see {@link originOf}. */
  readonly from: string
  /** Whether a train was armed for it: then it stays. */
  readonly isUsed: boolean
}

/**
 * The prefix of a peer's multiaddr; through a relay, the relay's. Peers without an IP address share one origin.
 * @param address as `/ip4/203.0.113.7/tcp/4001`
 */
export function originOf(address: string | undefined): string {
  const host = /^\/ip[46]\/([^/]+)/.exec(address ?? '')?.[1]
  return host !== undefined && isHostLiteral(host) ? prefixOf(host) : 'elsewhere'
}

/** Of all places, in the order in which they were taken, the one that `from` gets; undefined where none is due to it. */
export function placeFor<P extends Place>(from: string, places: readonly P[]): P | undefined {
  const held = new Map<string, number>()
  for (const place of places) held.set(place.from, (held.get(place.from) ?? 0) + 1)
  const own = held.get(from) ?? 0
  // With the place changed, nobody holds less than before whoever gets it.
  const due = places.filter((place) => !place.isUsed && (held.get(place.from) ?? 0) > own + 1)
  const most = Math.max(...due.map((place) => held.get(place.from) ?? 0))
  return due.findLast((place) => held.get(place.from) === most)
}
