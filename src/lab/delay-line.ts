/**
 * Packets waiting for their time. They lie in one ring of memory in order of arrival, so that nothing is
 * copied or allocated per packet; a heap over their records gives them back in order of their due times.
 */

/** What {@link DelayLine.reserve} gives where the ring is full. */
export const FULL = -1

export class DelayLine {
  readonly #bytes: number
  readonly #records: number
  readonly #offset: Float64Array
  readonly #length: Int32Array
  readonly #due: Float64Array
  readonly #order: Float64Array
  readonly #isDone: Uint8Array
  readonly #heap: Int32Array
  #size = 0
  #oldest = 0
  #next = 0
  #head = 0

  /** @param options capacity: bytes of the ring (which the caller owns) and packets at a time */
  constructor(options: { readonly bytes: number; readonly packets: number }) {
    this.#bytes = options.bytes
    this.#records = options.packets
    this.#offset = new Float64Array(options.packets)
    this.#length = new Int32Array(options.packets)
    this.#due = new Float64Array(options.packets)
    this.#order = new Float64Array(options.packets)
    this.#isDone = new Uint8Array(options.packets)
    this.#heap = new Int32Array(options.packets)
  }

  /** Packets waiting. */
  get size(): number {
    return this.#size
  }

  /** Due time of the first, in the caller's unit; Infinity where none waits. */
  get nextDue(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : this.#at(this.#due, this.#at(this.#heap, 0))
  }

  /** Offset in the ring where `bytes` may be written next, or {@link FULL}. Takes nothing yet. */
  reserve(bytes: number): number {
    if (this.#next - this.#oldest >= this.#records) return FULL
    if (this.#next === this.#oldest) {
      this.#head = 0
      return bytes <= this.#bytes ? 0 : FULL
    }
    const tail = this.#at(this.#offset, this.#oldest % this.#records)
    if (this.#head <= tail) return tail - this.#head > bytes ? this.#head : FULL
    if (this.#bytes - this.#head >= bytes) return this.#head
    if (tail <= bytes) return FULL
    this.#head = 0
    return 0
  }

  /** Keeps `bytes` bytes at the offset that {@link reserve} gave until `due`; returns its record. */
  commit(offset: number, bytes: number, due: number): number {
    const record = this.#next % this.#records
    this.#offset[record] = offset
    this.#length[record] = bytes
    this.#due[record] = due
    this.#order[record] = this.#next
    this.#isDone[record] = 0
    this.#next += 1
    this.#head = offset + bytes
    this.#siftUp(record)
    return record
  }

  /** Record of the first packet, which stays until {@link release}. Only where {@link size} > 0. */
  first(): number {
    return this.#at(this.#heap, 0)
  }

  offsetOf(record: number): number {
    return this.#at(this.#offset, record)
  }

  lengthOf(record: number): number {
    return this.#at(this.#length, record)
  }

  /** Takes the first packet out; its memory may be written again. */
  release(): void {
    const record = this.#at(this.#heap, 0)
    this.#size -= 1
    if (this.#size > 0) this.#siftDown(this.#at(this.#heap, this.#size))
    this.#isDone[record] = 1
    while (this.#oldest < this.#next && this.#isDone[this.#oldest % this.#records] === 1) this.#oldest += 1
  }

  /** Earlier due first; of equals the one that came first, since networks keep a flow's order. */
  #isBefore(a: number, b: number): boolean {
    const dueA = this.#at(this.#due, a)
    const dueB = this.#at(this.#due, b)
    return dueA < dueB || (dueA === dueB && this.#at(this.#order, a) < this.#at(this.#order, b))
  }

  #siftUp(record: number): void {
    let place = this.#size
    this.#size += 1
    while (place > 0) {
      const parent = (place - 1) >> 1
      const above = this.#at(this.#heap, parent)
      if (!this.#isBefore(record, above)) break
      this.#heap[place] = above
      place = parent
    }
    this.#heap[place] = record
  }

  #siftDown(record: number): void {
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= this.#size) break
      if (
        child + 1 < this.#size &&
        this.#isBefore(this.#at(this.#heap, child + 1), this.#at(this.#heap, child))
      )
        child += 1
      if (!this.#isBefore(this.#at(this.#heap, child), record)) break
      this.#heap[place] = this.#at(this.#heap, child)
      place = child
    }
    this.#heap[place] = record
  }

  /** Indices are within bounds by construction; the zero only satisfies the type. */
  #at(array: Float64Array | Int32Array, index: number): number {
    return array[index] ?? 0
  }
}
