/**
 * Sends packets back as they came (docs/protocol.md section 7.1): the keystream untouched, under a header and a tag of the
 * prover's own, to the member whose session it is and nowhere else. Never more than came in, each packet once.
 */
import type { Region } from '../../crypto/fast/index.js'
import {
  DatagramType,
  HEADER_BYTES,
  LAYER3_OVERHEAD_BYTES,
  MAX_DATAGRAM_BYTES,
  PAYLOAD_BYTES,
  writeHeader,
} from '../../pob/datagram.js'
import type { Counters } from '../counters.js'
import { sealInPlace } from '../seal.js'
import type { Transport } from '../transport.js'
import type { Path } from './path.js'

/** Held at most before they leave: what one batch of the receiver brings. */
const BATCH = 64

export class Echoer {
  readonly #transport: Transport
  readonly #counters: Counters
  readonly #region: Region
  #path: Path | undefined
  #count = 0

  constructor(transport: Transport, counters: Counters) {
    this.#transport = transport
    this.#counters = counters
    this.#region = transport.allocate(BATCH * MAX_DATAGRAM_BYTES)
    // Touched now: a page fault in the slot may wait behind another thread's.
    this.#region.bytes.fill(0)
  }

  /** Takes the packet whose datagram begins at `offset`: its tag is right, and it is the first with its sequence. */
  add(
    path: Path,
    id: { slot: number; attempt: number },
    sequence: number,
    from: Region,
    offset: number,
  ): void {
    if (this.#count === BATCH || this.#path !== path) this.flush()
    this.#path = path
    const at = this.#count++ * MAX_DATAGRAM_BYTES
    const { bytes } = this.#region
    const { slot, attempt } = id
    writeHeader(bytes, at, { type: DatagramType.echo, slot, attempt, sessionId: path.sessionId, sequence })
    bytes.set(
      from.bytes.subarray(offset + HEADER_BYTES, offset + HEADER_BYTES + PAYLOAD_BYTES),
      at + HEADER_BYTES,
    )
    sealInPlace(path.gmac, this.#region, at, MAX_DATAGRAM_BYTES)
  }

  /** Hands over what is held; what the kernel has no room for is lost, as on a full line. */
  flush(): void {
    if (this.#path === undefined || this.#count === 0) return
    const sent = this.#transport.sendTrain(this.#path.remote, this.#region, 0, this.#count, 1)
    this.#counters.sentBytes += sent * (MAX_DATAGRAM_BYTES + LAYER3_OVERHEAD_BYTES)
    this.#count = 0
  }
}
