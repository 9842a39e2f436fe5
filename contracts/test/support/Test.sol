// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The cheatcodes that these tests use (instead of forge-std).
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function warp(uint256) external;
    function roll(uint256) external;
    function chainId(uint256) external;
    function deal(address, uint256) external;
    function prank(address) external;
    function startPrank(address) external;
    function stopPrank() external;
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function addr(uint256 key) external pure returns (address);
    function expectRevert() external;
    function expectRevert(bytes4) external;
    function expectRevert(bytes calldata) external;
    function expectPartialRevert(bytes4) external;
    function expectEmit() external;
    function assume(bool) external pure;
    function mockCall(address, bytes calldata, bytes calldata) external;
    function clearMockedCalls() external;
    function computeCreateAddress(address, uint256 nonce) external pure returns (address);
    function getNonce(address) external view returns (uint64);
    function snapshotGasLastCall(string calldata group, string calldata name) external returns (uint256);
    function lastCallGas() external view returns (Gas memory);
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function snapshotState() external returns (uint256);
    function revertToState(uint256) external returns (bool);
    function readFile(string calldata) external view returns (string memory);
    function parseJsonUint(string calldata, string calldata) external pure returns (uint256);
    function parseJsonUintArray(string calldata, string calldata) external pure returns (uint256[] memory);
    function parseJsonBoolArray(string calldata, string calldata) external pure returns (bool[] memory);
    function parseJsonBytes(string calldata, string calldata) external pure returns (bytes memory);
    function parseJsonBytesArray(string calldata, string calldata) external pure returns (bytes[] memory);
    function parseJsonBytes32(string calldata, string calldata) external pure returns (bytes32);
    function parseJsonBytes32Array(string calldata, string calldata) external pure returns (bytes32[] memory);
    function parseJsonAddress(string calldata, string calldata) external pure returns (address);
    function parseJsonAddressArray(string calldata, string calldata) external pure returns (address[] memory);
    function toString(uint256) external pure returns (string memory);

    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }
}

/// @notice Assertions that revert with what differed.
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    bool public constant IS_TEST = true;

    error NotEqual(string what, uint256 have, uint256 need);
    error NotEqualBytes(string what, bytes32 have, bytes32 need);
    error NotTrue(string what);
    error TooLarge(string what, uint256 have, uint256 limit);

    function check(bool value, string memory what) internal pure {
        if (!value) revert NotTrue(what);
    }

    function same(uint256 have, uint256 need, string memory what) internal pure {
        if (have != need) revert NotEqual(what, have, need);
    }

    function same(address have, address need, string memory what) internal pure {
        if (have != need) revert NotEqual(what, uint160(have), uint160(need));
    }

    function same(bytes32 have, bytes32 need, string memory what) internal pure {
        if (have != need) revert NotEqualBytes(what, have, need);
    }

    function atMost(uint256 have, uint256 limit, string memory what) internal pure {
        if (have > limit) revert TooLarge(what, have, limit);
    }

    /// A number in [low, high] from any number.
    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + value % (high - low + 1);
    }
}
