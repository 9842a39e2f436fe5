/**
 * A prover that wants a third party to be sent to. It holds the session's key, so all it sends has a right tag: hellos and
 * consents from the third party's address before its own, and go and keepalive from there afterwards. What arrives there
 * is counted at the third party's own interface.
 */
import { fastCrypto } from '../../crypto/fast/index.js'
import type { ProverPath } from '../../dataplane/index.js'
import { sealedDatagram } from '../../dataplane/seal.js'
import { DatagramType, type DatagramTypeNumber, encodeConsentBody, writeU32 } from '../../pob/datagram.js'
import type { ConsentTerms, ProverBehaviour } from '../../roles/behaviour.js'
import { RawSocket } from './raw-socket.js'
import type { SideChannel } from './side-channel.js'

const VICTIM_PORT = 53
const HELLOS = 100
const CONSENTS = 20
/** Trains are started from there for as long as a challenge may take. */
const GO_EVERY_MS = 25
const GO_FOR_MS = 20_000
const MAX_TEAMS = 8
const SCRATCH_BYTES = 2048

export interface ReflectionContext {
  readonly victim: string
  readonly channel: SideChannel
}

export function reflection({ victim, channel }: ReflectionContext): ProverBehaviour['path'] {
  const socket = new RawSocket()
  const { crypto } = fastCrypto()
  const scratch = crypto.allocate(SCRATCH_BYTES)
  return async (path: ProverPath, consent?: ConsentTerms) => {
    const gmac = crypto.createGmac(path.key)
    const send = (type: DatagramTypeNumber, sequence: number, body?: Uint8Array, slot = 0) => {
      const payload = sealedDatagram(
        gmac,
        scratch,
        { type, slot, attempt: 0, sessionId: path.sessionId, sequence },
        body,
      )
      const bytes = socket.send({ from: { host: victim, port: VICTIM_PORT }, to: path.remote, payload })
      channel.count('bytes in the name of the third party', bytes)
    }
    if (consent === undefined) {
      for (let i = 0; i < HELLOS; i++) send(DatagramType.hello, 0, new Uint8Array(96))
      return
    }
    // Signed by the prover itself; only the nonce is not the one that was sent there.
    for (let i = 0; i < CONSENTS; i++) send(DatagramType.consent, 0, encodeConsentBody(consent))
    const until = performance.now() + GO_FOR_MS
    let counter = 0
    const timer = setInterval(() => {
      if (performance.now() > until) {
        clearInterval(timer)
        gmac.free()
        return
      }
      send(DatagramType.keepalive, counter++)
      send(DatagramType.go, counter % 8, goBody(), counter % MAX_TEAMS)
    }, GO_EVERY_MS)
    timer.unref()
  }
}

/** Start at once. */
function goBody(): Uint8Array {
  const body = new Uint8Array(4)
  writeU32(body, 0, 0)
  return body
}
