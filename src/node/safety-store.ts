/** The store as the roles see it: synced locks and single-use ids, bounded archives of transcripts and challenges. */
import { encode } from '../crypto/cbor.js'
import type { SafetyStore, SeenBeside } from '../roles/modules.js'
import type { Store } from '../store/index.js'
import { writeFaultProof } from './fault-files.js'

/** @param onTranscript told of every transcript that is kept */
export function safetyStore(
  store: Store,
  faultsDirectory: string,
  onTranscript: (transcript: Uint8Array, beside?: SeenBeside) => Promise<void> = async () => {},
): SafetyStore {
  return {
    signOnce: (key, digest) => store.signOnce(key, digest),
    lockedDigest: (key) => store.lockedDigest(key),
    useOnce: (id, expiresAtMs) => store.useOnce(id, expiresAtMs),
    saveTranscript: async (challengeId, transcript, beside) => {
      await store.transcripts.put(challengeId, transcript)
      await onTranscript(transcript, beside)
    },
    saveEvidence: (challengeId, evidence) => store.evidence.put(challengeId, evidence),
    keptEvidence: (challengeId) => store.evidence.get(challengeId),
    keepFault: async (scope, fault) => {
      await writeFaultProof(faultsDirectory, scope, fault)
    },
    noteChallenge: async ({ id, role, phase, claimKbps, prover, payer }) => {
      const now = Date.now()
      const known = await store.challenges.get(id)
      await store.challenges.put(id, {
        id,
        role,
        phase,
        createdAtMs: known?.createdAtMs ?? now,
        updatedAtMs: now,
        body: encode({ claimKbps, prover, payer }),
      })
    },
  }
}
