// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Who of a committee attested to a digest
interface IAttestationVerifier {
    /// @notice Checks a proof that members of a committee signed `digest`; reverts where any part of it is wrong.
    /// @param digest the EIP-712 digest of the statement; chain, contract and challenge are inside it.
    /// @param committeeHash keccak-256 of the members' addresses as 32-byte words, in committee order.
    /// @param proof the scheme's own.
    /// @return signers bit i is set when member i signed.
    function verify(bytes32 digest, bytes32 committeeHash, bytes calldata proof)
        external
        view
        returns (uint256 signers);
}
