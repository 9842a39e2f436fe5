/** A corrupt prover: the real daemon, its acks and probes bent, and what colluding challengers tell it. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import type { Signer } from '../../crypto/identity.js'
import type { CaptureBehaviour } from '../../dataplane/index.js'
import { MIN_TAU_SHARE } from '../../pob/constants.js'
import { ackListDigest, type SlotId } from '../../pob/slot.js'
import { honestProver, type ProverBehaviour } from '../../roles/behaviour.js'
import type { ProverAttack } from './attack.js'
import { lastPart, secondListFact, slotFacts } from './facts.js'
import type { SideChannel } from './side-channel.js'

const PROBE_CLOSE_DELAY_MS = 50
const HOLD_ACKS_MS = 20
const DROP_SHARE = 0.2
const STAGGER_MS = 40
const ACK_FLOOD = 100
/** What the coalition has to say comes over a Unix socket, at once. */
const LEAK_WAIT_MS = 5

/** Members that say what they have to the prover, by position in the team. */
async function told(
  channel: SideChannel,
  about: 'seed' | 'copy',
  challengeId: Uint8Array,
  id: SlotId,
  members: readonly Uint8Array[],
): Promise<readonly { readonly position: number; readonly value: string }[]> {
  const facts = await channel.list(slotFacts(about, challengeId, id))
  return facts.flatMap(([key, value]) => {
    const position = members.findIndex((member) => bytesToHex(member) === lastPart(key))
    return position < 0 ? [] : [{ position, value }]
  })
}

/** A second list of acks, as a fact on the side channel. */
export interface SecondList {
  /** Hex. */
  readonly roots: readonly string[]
  readonly signature: string
}

export interface ProverContext {
  readonly identity: Signer
  readonly channel: SideChannel
  /** Of the `reflect` attack. */
  readonly path?: ProverBehaviour['path']
}

export function corruptProver(attacks: readonly ProverAttack[], context: ProverContext): ProverBehaviour {
  const { channel, identity } = context
  const has = (attack: ProverAttack) => attacks.includes(attack)
  return {
    ...honestProver,
    probeCloseDelayMs: () => (has('rtt-inflate') ? PROBE_CLOSE_DELAY_MS : 0),
    ...(context.path === undefined ? {} : { path: context.path }),
    signed: async (digests, id, roots) => {
      if (!has('two-lists')) return
      // As if the last ack had never been; where there is one, as if it had come twice.
      const others = roots.length > 1 ? roots.slice(0, -1) : [...roots, ...roots]
      const second: SecondList = {
        roots: others.map(bytesToHex),
        signature: bytesToHex(identity.sign(ackListDigest(digests, id, others))),
      }
      channel.tell(secondListFact(digests.challengeId, id), JSON.stringify(second))
    },
    capture: async (id, challengeId, members, { packetCount, tauMicros }): Promise<CaptureBehaviour> => {
      await sleep(LEAK_WAIT_MS)
      const leaks = await told(channel, 'seed', challengeId, id, members)
      // As late as counts: an ack that has everything and comes before 0.8 tau says nothing, and is the last.
      const afterMs = (tauMicros * MIN_TAU_SHARE) / 1000 + 1
      const phantoms = leaks.map(({ position, value }) => ({
        position,
        seed: hexToBytes(value),
        packetCount,
        afterMs,
      }))
      // A member's seed is secret until it reveals it: what is acknowledged before it came can only be made up.
      if (has('early-ack'))
        phantoms.push({ position: 0, seed: new Uint8Array(randomBytes(32)), packetCount, afterMs: 0 })
      const copies = await told(channel, 'copy', challengeId, id, members)
      const mirrors = copies.flatMap(({ position, value }) => {
        const from = members.findIndex((member) => bytesToHex(member) === value)
        return from < 0 ? [] : [{ from, to: position }]
      })
      return {
        ...(phantoms.length > 0 ? { phantoms } : {}),
        ...(mirrors.length > 0 ? { mirrors } : {}),
        ...(has('rtt-inflate') ? { closeDelayMs: PROBE_CLOSE_DELAY_MS } : {}),
        ...(has('hold-acks') ? { holdAcksMs: HOLD_ACKS_MS } : {}),
        ...(has('drop') ? { dropShare: DROP_SHARE } : {}),
        ...(has('stagger') ? { staggerMs: members.map((_, i) => (i % 2 === 0 ? 0 : STAGGER_MS)) } : {}),
        ...(has('equivocate-ack') ? { equivocateTo: [0] } : {}),
        ...(has('ack-flood') ? { ackFlood: ACK_FLOOD } : {}),
      }
    },
  }
}
