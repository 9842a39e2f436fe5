/**
 * Memory of trains, kept for the next one: fresh pages cost more (two faults a page, and their return) than the
 * keystream that fills them. Given back after a while without a train.
 */
import type { Region } from '../../crypto/fast/index.js'

/** Kept at most: two trains of 200 ms at 1.5 Gbit/s and some. */
const MAX_KEPT_BYTES = 96 * 2 ** 20
const KEEP_MICROS = 10e6
/** A train of rounded size fits the next one, whose packet count differs a little. */
const GRAIN_BYTES = 2 ** 20

export class RegionPool {
  readonly #allocate: (length: number) => Region
  #kept: Region[] = []
  #lastUse = 0

  constructor(allocate: (length: number) => Region) {
    this.#allocate = allocate
  }

  get isEmpty(): boolean {
    return this.#kept.length === 0
  }

  /** At least `length` bytes, with whatever was in them. */
  take(length: number): Region {
    const rounded = Math.ceil(length / GRAIN_BYTES) * GRAIN_BYTES
    const index = this.#kept.findIndex(({ bytes }) => bytes.length >= length && bytes.length <= 2 * rounded)
    const [found] = index < 0 ? [] : this.#kept.splice(index, 1)
    return found ?? this.#allocate(rounded)
  }

  give(region: Region, now: number): void {
    this.#lastUse = now
    const kept = this.#kept.reduce((total, { bytes }) => total + bytes.length, 0)
    if (kept + region.bytes.length <= MAX_KEPT_BYTES) this.#kept.push(region)
  }

  trim(now: number): void {
    if (now - this.#lastUse > KEEP_MICROS) this.#kept = []
  }
}
