// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IAttestationVerifier} from "./interfaces/IAttestationVerifier.sol";

/// @title Attestation by single secp256k1 signatures
/// @notice The cheapest scheme below about 35 signers, and each signer stays answerable for its own signature.
/// Proof: abi.encode(address[] committee, uint256 signers, bytes signatures), the signatures (r || s || v, 65
/// bytes) in the order of the set bits. A member is one bit, so nobody counts twice.
contract EcdsaAttestationVerifier is IAttestationVerifier {
    /// @notice The committee in the proof is not the pinned one.
    error WrongCommittee(bytes32 have, bytes32 need);
    /// @notice `signers` has a bit past the committee.
    error SignerOutOfRange(uint256 signers, uint256 size);
    /// @notice There are more bytes than one signature a signer.
    error WrongSignatureLength(uint256 have, uint256 need);
    /// @notice The signature at this member's place is missing, malformed or another's.
    error NotSignedBy(address member);

    uint256 private constant SIGNATURE_BYTES = 65;

    /// @inheritdoc IAttestationVerifier
    function verify(bytes32 digest, bytes32 committeeHash, bytes calldata proof)
        external
        pure
        returns (uint256 signers)
    {
        address[] memory committee;
        bytes memory signatures;
        (committee, signers, signatures) = abi.decode(proof, (address[], uint256, bytes));
        bytes32 hash = keccak256(abi.encodePacked(committee));
        if (hash != committeeHash) revert WrongCommittee(hash, committeeHash);
        if (signers >> committee.length != 0) revert SignerOutOfRange(signers, committee.length);
        uint256 used = 0;
        for (uint256 i = 0; i < committee.length; ++i) {
            if ((signers >> i) & 1 == 0) continue;
            if (used + SIGNATURE_BYTES > signatures.length) revert NotSignedBy(committee[i]);
            if (_signer(digest, signatures, used) != committee[i]) revert NotSignedBy(committee[i]);
            used += SIGNATURE_BYTES;
        }
        if (signatures.length != used) revert WrongSignatureLength(signatures.length, used);
    }

    /// The signer of the signature at an offset; zero for a malformed one, a high s included. (A committee never
    /// contains the zero address: a draw takes registered keys.)
    function _signer(bytes32 digest, bytes memory signatures, uint256 offset)
        private
        pure
        returns (address signer)
    {
        bytes32 r;
        bytes32 s;
        uint8 v;
        assembly ("memory-safe") {
            let at := add(add(signatures, 32), offset)
            r := mload(at)
            s := mload(add(at, 32))
            v := byte(0, mload(add(at, 64)))
        }
        ECDSA.RecoverError failure;
        (signer, failure,) = ECDSA.tryRecover(digest, v, r, s);
        if (failure != ECDSA.RecoverError.NoError) return address(0);
    }
}
