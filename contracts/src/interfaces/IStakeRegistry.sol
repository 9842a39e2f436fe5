// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice One committee draw. See docs/contracts.md, "The draw".
/// @param seed what orders the tries.
/// @param snapshot the registry as it stood at the end of this second.
/// @param size members wanted.
/// @param minUplinkKbps the least declared uplink that is able to serve.
/// @param proverPrefix no member shares it.
/// @param excluded owners that are not drawn; zero entries exclude nobody.
struct DrawQuery {
    bytes32 seed;
    uint48 snapshot;
    uint256 size;
    uint32 minUplinkKbps;
    uint56 proverPrefix;
    address[3] excluded;
}

/// @title What the other contracts ask of the stake registry
interface IStakeRegistry {
    /// @notice Seconds for which a freed seat is not reused, and the oldest snapshot that can be drawn from.
    function QUARANTINE() external view returns (uint48);

    /// @notice Seconds for which leaving stake stays slashable.
    function UNBONDING() external view returns (uint48);

    /// @notice The contract that may slash.
    function SLASHER() external view returns (address);

    /// @notice The cold wallet of a hot key, for ever; zero for a key that was never registered.
    function ownerOf(address hotKey) external view returns (address);

    /// @notice Owner and prefix of a key that is current and has been since `snapshot`; reverts otherwise.
    function activeSince(address hotKey, uint48 snapshot) external view returns (address owner, uint56 prefix);

    /// @notice The name of a past state: changes when any entry does.
    function snapshotHash(uint48 snapshot) external view returns (bytes32);

    /// @notice The committee's hot keys, in order; fewer than asked for where the pool has no more.
    function draw(DrawQuery calldata query) external view returns (address[] memory committee);

    /// @notice Takes a part of a node's stake, ends its seats, and pays the reporter's share to the slasher.
    function slash(address hotKey) external returns (uint256 reward);
}
