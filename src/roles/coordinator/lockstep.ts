/** Several challenges of one coordinator that run their slots at the same moments: they meet before each, or none goes on. */
import { UserError } from '../../errors.js'

interface Meeting {
  readonly values: Map<number, unknown>
  readonly resolve: (values: readonly unknown[]) => void
  readonly all: Promise<readonly unknown[]>
}

export class Lockstep {
  readonly #meetings = new Map<string, Meeting>()
  readonly #parties: number
  #left: Error | undefined
  readonly #abort: (error: Error) => void
  readonly #aborted: Promise<never>

  /** @param parties how many challenges there are */
  constructor(parties: number) {
    this.#parties = parties
    let abort: (error: Error) => void = () => {}
    this.#aborted = new Promise<never>((_, reject) => {
      abort = reject
    })
    this.#aborted.catch(() => {})
    this.#abort = abort
  }

  /** One party's hold on it. */
  party(index: number): LockstepParty {
    return {
      meet: async <T>(place: string, value: T) => (await this.#meet(index, place, value)) as readonly T[],
      leave: (error) => this.#leave(index, error),
    }
  }

  async #meet(index: number, place: string, value: unknown): Promise<readonly unknown[]> {
    if (this.#left !== undefined) throw this.#left
    const meeting = this.#meetings.get(place) ?? newMeeting()
    this.#meetings.set(place, meeting)
    meeting.values.set(index, value)
    if (meeting.values.size === this.#parties) {
      this.#meetings.delete(place)
      meeting.resolve(Array.from({ length: this.#parties }, (_, i) => meeting.values.get(i)))
    }
    return Promise.race([meeting.all, this.#aborted])
  }

  #leave(index: number, error: unknown): void {
    if (this.#left !== undefined) return
    const reason = error instanceof Error ? error.message : String(error)
    this.#left = new UserError(`the measurement of prover ${index + 1} failed: ${reason}`, {
      code: 'UNAVAILABLE',
      remedy: 'measure again',
    })
    this.#abort(this.#left)
  }
}

export interface LockstepParty {
  /** Resolves with everybody's values, by party, once all have come to this place. @throws UserError where one has left */
  meet<T>(place: string, value: T): Promise<readonly T[]>
  /** This party failed: nobody waits for it for ever. */
  leave(error: unknown): void
}

function newMeeting(): Meeting {
  let resolve: Meeting['resolve'] = () => {}
  const all = new Promise<readonly unknown[]>((done) => {
    resolve = done
  })
  return { values: new Map(), resolve, all }
}
