/** The EIP-712 structures of docs/protocol.md section 1.2, and the digests over them. */
import { type FieldValue, type TypedDomain, type TypedStructure, typedDigest } from '../crypto/eip712.js'

export const REQUEST: TypedStructure = {
  name: 'Request',
  fields: [
    ['address', 'prover'],
    ['address', 'payer'],
    ['address', 'coordinator'],
    ['uint8', 'direction'],
    ['uint8', 'profile'],
    ['uint64', 'claimKbps'],
    ['uint16', 'committeeSize'],
    ['uint16', 'faulty'],
    ['uint16', 'teams'],
    ['uint32', 'betaMillionths'],
    ['uint32', 'deltaMillionths'],
    ['bytes32', 'registryHash'],
    ['bytes32', 'beaconChain'],
    ['uint64', 'beaconRound'],
    ['uint64', 'expiresAt'],
    ['bytes32', 'salt'],
  ],
}
export const ACCEPTANCE: TypedStructure = {
  name: 'Acceptance',
  fields: [
    ['bytes32', 'challengeId'],
    ['uint64', 'acceptedAt'],
  ],
}
export const PLAN: TypedStructure = {
  name: 'Plan',
  fields: [
    ['bytes32', 'challengeId'],
    ['bytes32', 'planHash'],
  ],
}
export const CONSENT: TypedStructure = {
  name: 'Consent',
  fields: [
    ['bytes32', 'challengeId'],
    ['address', 'member'],
    ['bytes32', 'nonce'],
    ['uint64', 'expiresAt'],
    ['uint64', 'maxBytes'],
  ],
}
export const COMMITMENT: TypedStructure = {
  name: 'Commitment',
  fields: [
    ['bytes32', 'challengeId'],
    ['uint16', 'slot'],
    ['uint8', 'attempt'],
    ['bytes32', 'seedHash'],
    ['uint64', 'rateKbps'],
    ['uint32', 'packetCount'],
  ],
}
export const ACK_LIST: TypedStructure = {
  name: 'AckList',
  fields: [
    ['bytes32', 'challengeId'],
    ['uint16', 'slot'],
    ['uint8', 'attempt'],
    ['bytes32[]', 'roots'],
  ],
}
export const TESTIMONY: TypedStructure = {
  name: 'Testimony',
  fields: [
    ['bytes32', 'challengeId'],
    ['uint16', 'slot'],
    ['uint8', 'attempt'],
    ['bytes32', 'seed'],
    ['bytes32', 'ackListHash'],
    ['uint64[]', 'ownMicros'],
    ['uint32', 'rttMicros'],
    ['uint32', 'latenessMicros'],
    ['uint32', 'sentPackets'],
  ],
}
/** Of an uplink: counts instead of acks. */
export const ECHO_TESTIMONY: TypedStructure = {
  name: 'EchoTestimony',
  fields: [
    ['bytes32', 'challengeId'],
    ['uint16', 'slot'],
    ['uint8', 'attempt'],
    ['bytes32', 'seed'],
    ['uint64[]', 'echoCounts'],
    ['uint64[]', 'ownMicros'],
    ['uint32', 'rttMicros'],
    ['uint32', 'latenessMicros'],
    ['uint32', 'sentPackets'],
  ],
}
/** Of trains to several provers at once: when this one's began, on the one clock of who sent them. */
export const FIRST_SEND: TypedStructure = {
  name: 'FirstSend',
  fields: [
    ['bytes32', 'challengeId'],
    ['uint16', 'slot'],
    ['uint8', 'attempt'],
    ['bytes32', 'clock'],
    ['uint64', 'firstSendMicros'],
  ],
}
export const VOTE: TypedStructure = {
  name: 'Vote',
  fields: [
    ['bytes32', 'challengeId'],
    ['bytes32', 'evidenceHash'],
  ],
}
const resultFields: TypedStructure['fields'] = [
  ['bytes32', 'challengeId'],
  ['bytes32', 'evidenceHash'],
  ['uint64', 'guaranteedKbps'],
  ['uint64', 'estimateKbps'],
  ['uint256', 'owed'],
]
/** Signed where a contract can settle it. */
export const RESULT: TypedStructure = { name: 'Result', fields: resultFields }
/** Signed without a chain: another type hash, so that it never settles. */
export const LOCAL_RESULT: TypedStructure = { name: 'LocalResult', fields: resultFields }
export const REGISTRY: TypedStructure = { name: 'Registry', fields: [['bytes32', 'registryHash']] }

/** The domain of what is signed outside any chain. */
export const LOCAL_DOMAIN: TypedDomain = { chainId: 0, verifyingContract: new Uint8Array(20) }

/** Digests of one challenge: everything but the request carries its id. */
export class ChallengeDigests {
  constructor(
    readonly domain: TypedDomain,
    readonly challengeId: Uint8Array,
  ) {}

  digest(structure: TypedStructure, values: Readonly<Record<string, FieldValue>>): Uint8Array {
    return typedDigest(this.domain, structure, { challengeId: this.challengeId, ...values })
  }

  /** The structure that members sign as the result: `Result` on a chain, `LocalResult` without. */
  get resultStructure(): TypedStructure {
    return this.domain.chainId === 0 ? LOCAL_RESULT : RESULT
  }
}
