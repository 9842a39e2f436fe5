/** The store as the roles see it: synced locks and single-use ids, bounded archives of transcripts and challenges. */
import { encode } from '../crypto/cbor.js'
import type { SafetyStore } from '../roles/modules.js'
import type { Store } from '../store/index.js'

export function safetyStore(store: Store): SafetyStore {
  return {
    signOnce: (key, digest) => store.signOnce(key, digest),
    lockedDigest: (key) => store.lockedDigest(key),
    useOnce: (id, expiresAtMs) => store.useOnce(id, expiresAtMs),
    saveTranscript: (challengeId, transcript) => store.transcripts.put(challengeId, transcript),
    saveEvidence: (challengeId, evidence) => store.evidence.put(challengeId, evidence),
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
