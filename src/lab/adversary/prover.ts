/** A corrupt prover: the real daemon, its acks and probes bent, and the seeds that rushing challengers leak to it. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import type { CaptureBehaviour } from '../../dataplane/index.js'
import type { ProverBehaviour } from '../../roles/behaviour.js'
import type { ProverAttack } from './attack.js'
import type { SideChannel } from './side-channel.js'

const PROBE_CLOSE_DELAY_MS = 50
const HOLD_ACKS_MS = 20
const DROP_SHARE = 0.2
const STAGGER_MS = 40
/** Seeds come over a Unix socket, at once. */
const LEAK_WAIT_MS = 5

export function corruptProver(attacks: readonly ProverAttack[], channel: SideChannel): ProverBehaviour {
  const has = (attack: ProverAttack) => attacks.includes(attack)
  return {
    probeCloseDelayMs: () => (has('rtt-inflate') ? PROBE_CLOSE_DELAY_MS : 0),
    capture: async ({ slot, attempt }, challengeId, members, packetCount): Promise<CaptureBehaviour> => {
      await sleep(LEAK_WAIT_MS)
      const leaks = channel.of(bytesToHex(challengeId), slot, attempt)
      const phantoms = members.flatMap((key, position) => {
        const leaked = leaks.find((each) => each.member === bytesToHex(key))
        return leaked === undefined
          ? []
          : [{ position, seed: hexToBytes(leaked.seed), packetCount, afterMs: 0 }]
      })
      // A member's seed is secret until it reveals it: what is acknowledged before it came can only be made up.
      if (has('early-ack'))
        phantoms.push({ position: 0, seed: new Uint8Array(randomBytes(32)), packetCount, afterMs: 0 })
      return {
        ...(phantoms.length > 0 ? { phantoms } : {}),
        ...(has('hold-acks') ? { holdAcksMs: HOLD_ACKS_MS } : {}),
        ...(has('drop') ? { dropShare: DROP_SHARE } : {}),
        ...(has('stagger') ? { staggerMs: members.map((_, i) => (i % 2 === 0 ? 0 : STAGGER_MS)) } : {}),
        ...(has('equivocate-ack') ? { equivocateTo: [0] } : {}),
      }
    },
  }
}
