/** The store as the roles see it: synced locks and single-use ids, and a bounded archive of transcripts. */
import type { SafetyStore } from '../roles/modules.js'
import type { Store } from '../store/index.js'

export function safetyStore(store: Store): SafetyStore {
  return {
    signOnce: (key, digest) => store.signOnce(key, digest),
    useOnce: (id, expiresAtMs) => store.useOnce(id, expiresAtMs),
    saveTranscript: (challengeId, transcript) => store.transcripts.put(challengeId, transcript),
  }
}
