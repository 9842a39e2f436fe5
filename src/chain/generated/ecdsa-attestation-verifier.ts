// Made by `node scripts/contracts.mjs build`; do not edit by hand.
export const ecdsaAttestationVerifierAbi = [
  {"type":"function","name":"verify","inputs":[{"name":"digest","type":"bytes32"},{"name":"committeeHash","type":"bytes32"},{"name":"proof","type":"bytes"}],"outputs":[{"name":"signers","type":"uint256"}],"stateMutability":"pure"},
  {"type":"error","name":"NotSignedBy","inputs":[{"name":"member","type":"address"}]},
  {"type":"error","name":"SignerOutOfRange","inputs":[{"name":"signers","type":"uint256"},{"name":"size","type":"uint256"}]},
  {"type":"error","name":"WrongCommittee","inputs":[{"name":"have","type":"bytes32"},{"name":"need","type":"bytes32"}]},
  {"type":"error","name":"WrongSignatureLength","inputs":[{"name":"have","type":"uint256"},{"name":"need","type":"uint256"}]},
] as const
