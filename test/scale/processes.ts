/** Discrete events: processes that wait for moments of simulated time, resumed in the order of those moments. */

/** Yields how many seconds it waits. */
export type Process = Generator<number, void, void>

interface Event {
  readonly at: number
  /** Of events at one moment, the one that was put first comes first. */
  readonly number: number
  readonly process: Process
}

const isBefore = (a: Event, b: Event): boolean => a.at < b.at || (a.at === b.at && a.number < b.number)

/** A binary heap of events and the time of the last one taken. */
export class Timeline {
  readonly #heap: Event[] = []
  #now = 0
  #count = 0
  #handled = 0

  /** Seconds. */
  get now(): number {
    return this.#now
  }

  get handled(): number {
    return this.#handled
  }

  start(at: number, process: Process): void {
    this.#put({ at, number: this.#count++, process })
  }

  run(): void {
    for (let event = this.#take(); event !== undefined; event = this.#take()) {
      this.#now = event.at
      this.#handled++
      const { done, value } = event.process.next()
      if (done !== true) this.#put({ ...event, at: this.#now + value, number: this.#count++ })
    }
  }

  #put(event: Event): void {
    const heap = this.#heap
    let place = heap.push(event) - 1
    for (;;) {
      const above = (place - 1) >> 1
      const parent = heap[above]
      if (place === 0 || parent === undefined || !isBefore(event, parent)) break
      heap[place] = parent
      place = above
    }
    heap[place] = event
  }

  #take(): Event | undefined {
    const heap = this.#heap
    const [first] = heap
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    let place = 0
    for (;;) {
      let below = 2 * place + 1
      const [left, right] = [heap[below], heap[below + 1]]
      if (left === undefined) break
      let child = left
      if (right !== undefined && isBefore(right, left)) {
        child = right
        below++
      }
      if (!isBefore(child, last)) break
      heap[place] = child
      place = below
    }
    heap[place] = last
    return first
  }
}
