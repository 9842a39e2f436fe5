/**
 * The bandwidth proof comes first: from the first probe of a challenge to its end on the prover's side, and while a train
 * is armed on a member's, models stand still.
 */
import type { MemberPlane, ProverPlane } from '../../dataplane/index.js'
import type { Hold } from '../../inference/standing-still.js'

/** An armed train that nobody collects is no reason to stand still for ever. */
const MOST_ARMED_MS = 15_000

/** The plane of one challenge: models stand still while it is open. */
export function quietProver(plane: ProverPlane, hold: Hold): ProverPlane {
  const release = hold()
  return over(plane, {
    close: async () => {
      release()
      await plane.close()
    },
  })
}

/** Models stand still from a train's preparation until it was collected. */
export function quietMember(plane: MemberPlane, hold: Hold): MemberPlane {
  const armed = new Map<string, () => void>()
  const nameOf = ({ sessionId, slot, attempt }: Train): string =>
    `${Buffer.from(sessionId).toString('hex')}/${slot}/${attempt}`
  const letGo = (name: string): void => {
    armed.get(name)?.()
    armed.delete(name)
  }
  return over(plane, {
    prepareTrain: async (order) => {
      const name = nameOf(order)
      letGo(name)
      const release = hold()
      const timer = setTimeout(() => letGo(name), MOST_ARMED_MS)
      timer.unref()
      armed.set(name, () => {
        clearTimeout(timer)
        release()
      })
      try {
        await plane.prepareTrain(order)
      } catch (error) {
        letGo(name)
        throw error
      }
    },
    collectTrain: async (train) => {
      try {
        return await plane.collectTrain(train)
      } finally {
        letGo(nameOf(train))
      }
    },
  })
}

type Train = Parameters<MemberPlane['collectTrain']>[0]

/** The same object with some methods exchanged; the others keep their own `this`. */
function over<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get: (object, name) => {
      const method = methods[name as keyof T]
      if (method !== undefined) return method
      const value: unknown = Reflect.get(object, name, object)
      return typeof value === 'function' ? value.bind(object) : value
    },
  })
}
