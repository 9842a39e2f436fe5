/** Opens a path to every member that sends: session, consent, probes. */
import type { ProverPlane } from '../../dataplane/index.js'
import { addressBytesOf } from '../../pob/party.js'
import type { RegistryEntry } from '../../pob/registry.js'
import { CONSENT } from '../../pob/structures.js'
import { askAgain } from '../ask-again.js'
import { sourceFor } from '../committee-source.js'
import { type Admission, type PathReport, SESSION_MESSAGE } from '../control-messages.js'
import type { Remote } from '../modules.js'
import { ensure, Refusal } from '../protocol-error.js'
import { type Challenge, maxBytesOf } from './challenge.js'
import type { ProverTurn } from './turn.js'

const PROBES = 8
const PROBE_INTERVAL_MS = 12
/** hello and consent, each with retransmissions. */
const CONSENT_DEADLINE_MS = 3_000
/**
 * One path in all, so that a member that is slow at every step costs its own place, and not the answer to the coordinator
 * (15 s) and with it everybody's.
 */
const PATH_DEADLINE_MS = 11_000

export async function openPaths(
  turn: ProverTurn,
  body: { challengeId: Uint8Array; beaconSignature: Uint8Array },
  remote: Remote,
) {
  const challenge = turn.known(body.challengeId, remote)
  ensure(challenge.committee === undefined, 'conflict', 'the paths are being opened already')
  const { committees, now, openPlane } = turn.modules
  const admission: Admission = {
    request: challenge.request,
    payerSignature: challenge.payerSignature,
    acceptedAt: challenge.acceptedAt,
    acceptanceSignature: challenge.acceptanceSignature,
    beaconSignature: body.beaconSignature,
  }
  const committee = await sourceFor(committees, challenge.request).committeeOf(admission, now())
  // A second message may have come in meanwhile.
  ensure(challenge.committee === undefined, 'conflict', 'the paths are being opened already')
  challenge.committee = committee
  challenge.openedMs = now()
  const plane = await openPlane()
  if (turn.current !== challenge) {
    // Given up meanwhile: nobody else would close it.
    await plane.close()
    throw new Refusal('conflict', 'the challenge was given up')
  }
  challenge.plane = plane
  const { members, teamSize, teams } = committee
  const senders = members.slice(0, teamSize * teams)
  const opened = await Promise.all(
    senders.map(async (member, index): Promise<PathReport> => {
      try {
        return await within(PATH_DEADLINE_MS, openPath(turn, challenge, plane, admission, member, index))
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        turn.modules.log.warn({ challenge: challenge.id, member: index, reason }, 'no path to a challenger')
        return { ready: 0, rttMicros: 0, jitterMicros: 0, reason: reason.slice(0, 200) }
      }
    }),
  )
  challenge.reports = opened
  return { paths: opened }
}

/** @throws Error where it takes longer; what comes of it then is dropped */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no path within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

async function openPath(
  turn: ProverTurn,
  challenge: Challenge,
  plane: ProverPlane,
  admission: Admission,
  member: RegistryEntry,
  index: number,
): Promise<PathReport> {
  const { control, identity } = turn.modules
  const session = await askAgain(() => control.request(member, SESSION_MESSAGE, admission))
  // Where the registry says, and nowhere else: a member cannot point our datagrams at others.
  const remote = { host: member.host, port: member.udpPort }
  const path = { sessionId: session.sessionId, key: session.key, remote }
  await plane.addPath(path)
  await turn.behaviour.path(path)
  const nonce = await plane.hello(session.sessionId, CONSENT_DEADLINE_MS)
  const terms = { nonce, expiresAt: challenge.request.expiresAt, maxBytes: maxBytesOf(challenge.request) }
  const digest = challenge.digests.digest(CONSENT, { ...terms, member: addressBytesOf(member.publicKey) })
  const signature = identity.sign(digest)
  const consent = { ...terms, signature }
  await turn.behaviour.path(path, consent)
  await plane.consent(session.sessionId, consent, CONSENT_DEADLINE_MS)
  const closeDelayMs = turn.behaviour.probeCloseDelayMs()
  const probes = await plane.probe(session.sessionId, {
    count: PROBES,
    intervalMs: PROBE_INTERVAL_MS,
    ...(closeDelayMs > 0 ? { behaviour: { closeDelayMs } } : {}),
  })
  if (probes.received === 0) throw new Error('no probe came back')
  const rttMicros = Math.round(probes.rttMinMicros)
  challenge.paths.set(index, { sessionId: session.sessionId, rttMicros })
  return {
    ready: 1,
    rttMicros,
    jitterMicros: Math.round(probes.jitterMicros),
    idleMicros: probes.rttMicros,
  }
}
