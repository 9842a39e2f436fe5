/** Reordering of a train (RFC 4737) from its arrival order: how much of it came late, and by how many places. */
import { orderLength, type Run } from '../arrival-order.js'

export interface Reordering {
  readonly packets: number
  /** Type-P-Reordered (section 3.3): arrived after a packet with a higher sequence. */
  readonly reordered: number
  /** The largest extent (section 4.2.1): places between a reordered packet and the first arrival that overtook it. */
  readonly maxExtent: number
}

interface InOrder {
  /** Last sequence of the run. */
  readonly last: number
  readonly first: number
  /** Place of its first packet among the arrivals. */
  readonly place: number
}

/** Of runs as decodeOrder gives them: no sequence twice, so that a run is in order or late as a whole. */
export function reorderingOf(runs: readonly Run[]): Reordering {
  const inOrder: InOrder[] = []
  let place = 0
  let nextExpected = 0
  let reordered = 0
  let maxExtent = 0
  for (const { first, length } of runs) {
    const last = first + length - 1
    if (first >= nextExpected) {
      inOrder.push({ first, last, place })
      nextExpected = last + 1
    } else {
      reordered += length
      // The packets of a late run lie behind the same overtaker, so its last one has the largest extent.
      maxExtent = Math.max(maxExtent, place + length - 1 - overtakerOf(inOrder, last))
    }
    place += length
  }
  return { packets: orderLength(runs), reordered, maxExtent }
}

/** Place of the first arrival with a higher sequence. */
function overtakerOf(inOrder: readonly InOrder[], sequence: number): number {
  let low = 0
  let high = inOrder.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((inOrder[middle]?.last ?? 0) > sequence) high = middle
    else low = middle + 1
  }
  const run = inOrder[low]
  return run === undefined ? 0 : run.place + Math.max(0, sequence + 1 - run.first)
}
