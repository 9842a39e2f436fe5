// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What the other contracts ask of a beacon
interface IBeaconRegistry {
    /// @notice Unix time of a round of a known beacon; reverts for an unknown beacon and for round 0.
    function roundTime(bytes32 chainHash, uint64 round) external view returns (uint256);

    /// @notice Randomness of a verified round; zero where none was submitted yet.
    function randomness(bytes32 chainHash, uint64 round) external view returns (bytes32);
}
