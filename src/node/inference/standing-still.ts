/**
 * Precedence beyond one process: a gateway or a command beside a daemon, in the same data directory, lets its models stand
 * still whenever the daemon's do.
 */
import { dataPaths } from '../../config/paths.js'
import { Holds, type StandingStill } from '../../inference/standing-still.js'
import { followControlSocket } from '../../p2p/control-socket.js'

export const STANDING_STILL_FEED = 'standing-still'

/** The daemon's part: true while models stand still. */
export function tellHolds(holds: StandingStill, tell: (value: unknown) => void): () => void {
  const leave = holds.join({ pause: () => tell(true), resume: () => tell(false) })
  if (!holds.isHeld) tell(false)
  return leave
}

export interface FollowedHolds extends StandingStill {
  close(): void
}

/** What joins stands still while the daemon of a data directory says so; without a daemon nothing does. */
export function followHolds(dataDir: string): FollowedHolds {
  const holds = new Holds()
  let letGo: (() => void) | undefined
  const free = (): void => {
    letGo?.()
    letGo = undefined
  }
  const end = followControlSocket(dataPaths(dataDir).controlSocket, STANDING_STILL_FEED, {
    onValue: (value) => {
      if (value === true) letGo ??= holds.hold()
      else free()
    },
    onSilence: free,
  })
  return {
    get isHeld() {
      return holds.isHeld
    },
    join: (each) => holds.join(each),
    close: () => {
      end()
      free()
    },
  }
}
