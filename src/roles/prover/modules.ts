/** What a prover is built from. */
import type { ProverPlane } from '../../dataplane/index.js'
import type { ProverBehaviour } from '../behaviour.js'
import type { RoleModules } from '../modules.js'

/** What a policy judges a request by. */
export interface PolicyRequest {
  readonly payer: Uint8Array
  readonly coordinator: Uint8Array
  readonly claimKbps: number
  /** Most layer-3 bytes the challenge may cost the prover's link. */
  readonly maxBytes: number
}

/** The operator's terms: quotas, quiet hours, allow-list (config). */
export interface AdmissionPolicy {
  /** Says why a request may not be served now, or undefined. */
  refusal(request: PolicyRequest): Promise<string | undefined>
  /** Told once a challenge runs its first slot: terms like a least interval count from here. */
  began(): Promise<void>
}

export interface ProverModules extends RoleModules {
  readonly openPlane: () => Promise<ProverPlane>
  readonly policy: AdmissionPolicy
  /** Called with the layer-3 bytes received, for the data cap. */
  readonly account: (bytes: number) => Promise<void>
  readonly behaviour?: ProverBehaviour
}
