/** What a challenger is built from. */
import type { MemberPlane } from '../../dataplane/index.js'
import type { ChallengerBehaviour } from '../behaviour.js'
import type { RoleModules } from '../modules.js'

export interface ChallengerOptions {
  /** Trains armed or running at once: two would share one uplink and spoil both. */
  readonly maxConcurrentSlots: number
}

export interface ChallengerModules extends RoleModules {
  readonly plane: MemberPlane
  readonly behaviour: ChallengerBehaviour
}
