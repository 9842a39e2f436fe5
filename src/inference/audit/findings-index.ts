/**
 * Which findings there are of a receipt's place, and which one would be missed least: one that blames nobody, of a place
 * where none does; failing that the oldest blame, and then what spoke against it. Pure.
 */
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Finding } from './finding.js'

/** By the finding's name: who signed it, and whether it blames. */
type Place = Map<string, { readonly auditor: string; readonly isBlame: boolean }>

export class FindingsIndex {
  readonly #places = new Map<string, Place>()
  /** Names of those that nobody's guilt hangs on, the oldest first. */
  readonly #harmless = new Set<string>()
  /** The oldest first. */
  readonly #blames = new Set<string>()

  add(name: string, finding: Finding): void {
    const key = placeOf(finding)
    const place: Place = this.#places.get(key) ?? new Map()
    this.#places.set(key, place)
    const isBlame = finding.verdict === 'bad' || finding.verdict === 'missing'
    place.set(name, { auditor: bytesToHex(finding.auditor), isBlame })
    if (isBlame) {
      this.#blames.add(name)
      // Without what speaks against it, one auditor alone would convict.
      for (const each of place.keys()) this.#harmless.delete(each)
    } else if (![...place.values()].some((each) => each.isBlame)) this.#harmless.add(name)
  }

  delete(name: string, finding: Finding): void {
    const key = placeOf(finding)
    const place = this.#places.get(key)
    place?.delete(name)
    this.#harmless.delete(name)
    this.#blames.delete(name)
    if (place === undefined) return
    if (place.size === 0) this.#places.delete(key)
    else if (![...place.values()].some((each) => each.isBlame))
      for (const each of place.keys()) this.#harmless.add(each)
  }

  has(auditor: Uint8Array, channelId: Uint8Array, index: number): boolean {
    const place = this.#places.get(placeOf({ channelId, index }))
    if (place === undefined) return false
    const who = bytesToHex(auditor)
    return [...place.values()].some((each) => each.auditor === who)
  }

  /** Undefined where there is none. */
  leastMissed(): string | undefined {
    const [harmless] = this.#harmless
    if (harmless !== undefined) return harmless
    const [blame] = this.#blames
    return blame
  }
}

const placeOf = ({ channelId, index }: Pick<Finding, 'channelId' | 'index'>): string =>
  `${bytesToHex(channelId)}/${index}`
