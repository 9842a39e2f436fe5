// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the dispute contract asks of the challenge manager
interface IChallengeManager {
    /// @notice The contract that may report proven faults.
    function DISPUTES() external view returns (address);

    /// @notice EIP-712 digest of a structure under the manager's domain, the one every protocol message is under.
    function digestOf(bytes32 structHash) external view returns (bytes32);

    /// @notice Marks a member as faulty: it loses its fee for the challenge. Reverts when the challenge cannot be
    /// disputed (any more), the committee is not the pinned one, or the fault was reported before.
    function markMember(bytes32 challengeId, address[] calldata committee, address member) external;

    /// @notice Marks the prover as faulty: it forfeits its bond, whose reporter's share is paid to the caller.
    function markProver(bytes32 challengeId, address prover) external returns (uint256 reward);
}
