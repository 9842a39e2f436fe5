/**
 * Laboratory attacks, apart from the honest code: what a dishonest member does to its train and a dishonest prover to
 * its capture. An honest node never has a behaviour, and every function here is then the identity.
 */
import { randomBytes } from 'node:crypto'
import { MAX_ACKS, ROOT_BYTES } from '../pob/datagram.js'
import type { CaptureBehaviour, TrainBehaviour } from './types.js'

/** A train as it will be sent: item i goes at start + i * stepMicros. */
export interface TrainShape {
  readonly items: number
  readonly stepMicros: number
  /** Packet number of item i. */
  readonly sequenceOf: (item: number) => number
  readonly startDelayMicros: number
  /** The payload is not the committed keystream. */
  readonly garbage: boolean
}

/** @param stepMicros the honest distance between packets. */
export function shapeTrain(
  packetCount: number,
  stepMicros: number,
  behaviour: TrainBehaviour | undefined,
): TrainShape {
  if (behaviour === undefined)
    return {
      items: packetCount,
      stepMicros,
      sequenceOf: (item) => item,
      startDelayMicros: 0,
      garbage: false,
    }
  const share = Math.min(1, Math.max(0, behaviour.sendShare ?? 1))
  const copies = Math.max(1, Math.floor(behaviour.copies ?? 1))
  const distinct = Math.round(packetCount * share)
  const rate = (behaviour.rateFactor ?? 1) * share * copies
  return {
    items: distinct * copies,
    stepMicros: stepMicros / Math.max(rate, Number.EPSILON),
    sequenceOf: (item) =>
      distinct === 0 ? 0 : Math.floor((Math.floor(item / copies) * packetCount) / distinct),
    startDelayMicros: (behaviour.startDelayMs ?? 0) * 1000,
    garbage: behaviour.garbage === true,
  }
}

/** Drops an even share of arriving packets, by their number. */
export function dropsPacket(behaviour: CaptureBehaviour | undefined, sequence: number): boolean {
  const share = behaviour?.dropShare ?? 0
  return share > 0 && Math.floor((sequence + 1) * share) > Math.floor(sequence * share)
}

/** Where packets of the member at `position` count beside it; a place that is filled this way takes none of its own. */
export function mirrorsOf(
  behaviour: CaptureBehaviour | undefined,
  position: number,
): { readonly isTarget: boolean; readonly targets: readonly number[] } {
  const mirrors = behaviour?.mirrors ?? []
  return {
    isTarget: mirrors.some(({ to }) => to === position),
    targets: mirrors.filter(({ from }) => from === position).map(({ to }) => to),
  }
}

/** Numbers and roots of the acks that a flood adds to ack k: from the last number that is allowed downwards. */
export function decoyAcks(
  behaviour: CaptureBehaviour | undefined,
  k: number,
): readonly { readonly k: number; readonly root: Uint8Array }[] {
  const count = Math.min(behaviour?.ackFlood ?? 0, MAX_ACKS - 1 - k)
  return Array.from({ length: Math.max(0, count) }, (_, i) => ({
    k: MAX_ACKS - 1 - i,
    root: new Uint8Array(randomBytes(ROOT_BYTES)),
  }))
}

/** The root that the member at `position` is told. */
export function rootFor(
  behaviour: CaptureBehaviour | undefined,
  position: number,
  root: Uint8Array,
): Uint8Array {
  return behaviour?.equivocateTo?.includes(position) === true ? root.map((byte) => byte ^ 0xff) : root
}
