/**
 * UDP packet trains of docs/protocol.md section 6, in a worker thread. Two planes share one worker design:
 * a challenger's {@link MemberPlane} (one public socket, many sessions) and a prover's {@link ProverPlane}
 * (one socket a challenge). Both have a native backend (koffi) and a portable one (node:dgram).
 */

export { openMemberPlane } from './member-plane.js'
export { openProverPlane } from './prover-plane.js'
export * from './types.js'
