/** What is wrong with evidence or a transcript: a stable code for machines, a sentence for people. */

export type FaultCode =
  | 'malformed'
  | 'request_invalid'
  | 'payer_signature'
  | 'acceptance_signature'
  | 'plan_invalid'
  | 'plan_signature'
  | 'slot_sequence'
  | 'slot_shape'
  | 'stopped_early'
  | 'commitment_signature'
  | 'commitment_terms'
  | 'capture_shape'
  | 'capture_order'
  | 'capture_counts'
  | 'ack_list_signature'
  | 'testimony_signature'
  | 'testimony_shape'
  | 'vote_signature'
  | 'votes_missing'
  | 'result_value'
  | 'result_owed'
  | 'result_signature'
  | 'signatures_missing'
  | 'beacon_unknown'
  | 'beacon_signature'
  | 'round_known_before'
  | 'registry_unknown'
  | 'committee_differs'
  | 'chain_unknown'
  | 'not_settled'
  | 'settled_hash'
  | 'settled_value'
  | 'quorum_faulty'
  | 'prover_faulty'
  | 'too_much_traffic'
  | 'joint_shape'
  | 'joint_provers'
  | 'joint_teams'
  | 'joint_times'
  | 'joint_uplinks'
  | 'first_send_shape'
  | 'first_send_signature'

export interface Fault {
  readonly code: FaultCode
  readonly message: string
}

/** Faults as they are found, in the order of the checks. */
export class FaultList {
  readonly faults: Fault[] = []
  add(code: FaultCode, message: string): void {
    this.faults.push({ code, message })
  }
}
