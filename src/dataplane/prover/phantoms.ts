/**
 * Laboratory only: the `rush` attack. A side channel tells the prover a member's seed, and the member's whole train
 * counts as arrived although it never crossed the link.
 */
import type { FastCrypto, Region } from '../../crypto/fast/index.js'
import { firstBlock, keystreamKey } from '../../crypto/keystream.js'
import {
  HEADER_BYTES,
  MAX_DATAGRAM_BYTES,
  PAYLOAD_BYTES,
  SEQUENCE_OFFSET,
  writeU32,
} from '../../pob/datagram.js'
import type { CaptureBehaviour } from '../types.js'
import type { SlotMember } from './slot-member.js'

export type Phantom = NonNullable<CaptureBehaviour['phantoms']>[number]

export class Phantoms {
  #waiting: readonly Phantom[]
  readonly #crypto: FastCrypto
  readonly #datagram: Region

  constructor(phantoms: readonly Phantom[], crypto: FastCrypto) {
    this.#waiting = phantoms
    this.#crypto = crypto
    this.#datagram = crypto.allocate(MAX_DATAGRAM_BYTES)
  }

  /** After the slot's first arrival; Infinity where none waits. */
  get nextAfterMicros(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#waiting.map(({ afterMs }) => afterMs * 1000))
  }

  /** Those whose time has come; each is returned once. */
  due(sinceFirstMicros: number): readonly Phantom[] {
    const due = this.#waiting.filter(({ afterMs }) => afterMs * 1000 <= sinceFirstMicros)
    if (due.length > 0) this.#waiting = this.#waiting.filter((phantom) => !due.includes(phantom))
    return due
  }

  /** Returns how many packets were not there yet. */
  deliver(phantom: Phantom, member: SlotMember, sinceFirstMicros: number): number {
    const keystream = this.#crypto.createKeystream(keystreamKey(phantom.seed))
    const { bytes } = this.#datagram
    let added = 0
    for (let sequence = 0; sequence < Math.min(phantom.packetCount, member.packetCount); sequence++) {
      if (member.has(sequence)) continue
      writeU32(bytes, SEQUENCE_OFFSET, sequence)
      keystream.seek(firstBlock(sequence))
      keystream.write(this.#datagram, HEADER_BYTES, PAYLOAD_BYTES)
      if (member.accept(sequence, this.#datagram, 0, sinceFirstMicros)) added++
    }
    keystream.free()
    return added
  }
}
