/**
 * Places for looks at the chain. Who has an account here goes first; strangers, whose names cost nothing, take turns by
 * where they come from. A place is held for a while even where the chain answers at once: that bounds what all of them
 * together may ask it.
 */
import { UserError } from '../../errors.js'

export interface LookPlacesOptions {
  /** Looks that run, at most. */
  readonly most: number
  /** How long a place is taken at least. */
  readonly heldMs: number
  /** Looks that wait, at most, of each kind. */
  readonly mostWaiting: number
  /** Of these of strangers who come from one network. */
  readonly mostWaitingOfOne: number
}

/** Gives the place back. */
export type LeavePlace = () => void

interface Waiting {
  readonly begin: (leave: LeavePlace) => void
  readonly refuse: (reason: UserError) => void
}

/** Neither kind keeps the other one out. */
const MOST_SHARE_OF_A_KIND = 3 / 4

export class LookPlaces {
  readonly #options: LookPlacesOptions
  readonly #mostOfAKind: number
  readonly #known: Waiting[] = []
  /** By network, whose turn is next first. */
  readonly #strangers = new Map<string, Waiting[]>()
  #strangersWaiting = 0
  readonly #taken = { known: 0, strangers: 0 }

  constructor(options: LookPlacesOptions) {
    this.#options = options
    this.#mostOfAKind = Math.max(1, Math.floor(options.most * MOST_SHARE_OF_A_KIND))
  }

  /**
   * Resolves when it is one's turn.
   * @param network where a stranger comes from; undefined for who has an account here
   * @throws UserError BUSY with `details.retryAfterSeconds` where too many wait
   */
  take(network: string | undefined): Promise<LeavePlace> {
    return new Promise((begin, refuse) => {
      const waiting = { begin, refuse }
      if (network === undefined) this.#addKnown(waiting)
      else this.#addStranger(waiting, network)
      this.#fill()
    })
  }

  #addKnown(waiting: Waiting): void {
    const { mostWaiting } = this.#options
    if (this.#known.length >= mostWaiting) waiting.refuse(full(this.#known.length, mostWaiting))
    else this.#known.push(waiting)
  }

  #addStranger(waiting: Waiting, network: string): void {
    const { mostWaiting, mostWaitingOfOne } = this.#options
    const line = this.#strangers.get(network) ?? []
    if (line.length >= mostWaitingOfOne) {
      waiting.refuse(full(line.length, mostWaitingOfOne))
      return
    }
    if (this.#strangersWaiting >= mostWaiting) {
      // Whoever sends most makes room, the last who came first.
      const [longest] = [...this.#strangers.values()].sort((a, b) => b.length - a.length)
      const last = longest !== undefined && longest.length > line.length + 1 ? longest.pop() : undefined
      const refused = last ?? waiting
      refused.refuse(full(this.#strangersWaiting, mostWaiting))
      if (last === undefined) return
      this.#strangersWaiting--
    }
    line.push(waiting)
    this.#strangers.set(network, line)
    this.#strangersWaiting++
  }

  #fill(): void {
    while (this.#taken.known + this.#taken.strangers < this.#options.most) {
      const known = this.#taken.known < this.#mostOfAKind ? this.#known.shift() : undefined
      if (known !== undefined) {
        this.#begin(known, 'known')
        continue
      }
      const stranger = this.#taken.strangers < this.#mostOfAKind ? this.#nextStranger() : undefined
      if (stranger === undefined) return
      this.#begin(stranger, 'strangers')
    }
  }

  #nextStranger(): Waiting | undefined {
    for (const [network, line] of this.#strangers) {
      this.#strangers.delete(network)
      const [next] = line.splice(0, 1)
      if (line.length > 0) this.#strangers.set(network, line)
      if (next === undefined) continue
      this.#strangersWaiting--
      return next
    }
    return undefined
  }

  #begin({ begin }: Waiting, kind: 'known' | 'strangers'): void {
    this.#taken[kind]++
    const begunMs = performance.now()
    const free = (): void => {
      this.#taken[kind]--
      this.#fill()
    }
    begin(() => {
      const restMs = begunMs + this.#options.heldMs - performance.now()
      if (restMs > 0) setTimeout(free, restMs)
      else free()
    })
  }
}

const full = (waiting: number, most: number): UserError =>
  new UserError(`the chain is being asked about too many channels: ${waiting} wait, ${most} at most`, {
    code: 'BUSY',
    remedy: 'try again in 1 s',
    details: { retryAfterSeconds: 1 },
  })
