// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBeaconRegistry} from "./interfaces/IBeaconRegistry.sol";
import {Bls12381} from "./libraries/Bls12381.sol";

/// @title Rounds of public randomness, verified on-chain
/// @notice drand's `bls-unchained-g1-rfc9380` scheme: a round's signature is verified once, by whoever brings it,
/// and serves every challenge that named the round. The beacons are fixed at deployment: drand quicknet
/// everywhere, and local beacons (same arithmetic, a key of their own) on development chains only.
contract BeaconRegistry is IBeaconRegistry {
    /// @notice A beacon of one's own, for a development chain.
    /// @param publicKey in G2, EIP-2537 form (256 bytes).
    struct LocalBeacon {
        uint64 genesisTime;
        uint32 period;
        bytes publicKey;
    }

    struct Schedule {
        uint64 genesisTime;
        uint32 period;
    }

    /// @notice No beacon of this chain hash was fixed at deployment.
    error UnknownBeacon(bytes32 chainHash);
    /// @notice Rounds are counted from 1.
    error NoSuchRound();
    /// @notice The signature is not the beacon's for that round, or no point.
    error InvalidBeaconSignature(bytes32 chainHash, uint64 round);
    /// @notice Local beacons are for chain ids 31337 and 1337 alone.
    error LocalBeaconOnPublicChain(uint256 chainId);
    /// @notice A local beacon without period or key, or given twice.
    error InvalidLocalBeacon();
    /// @notice The constructor's known round did not verify: the precompiles answer, but wrongly.
    error SelfTestFailed();

    /// @notice A beacon that this contract verifies, fixed at deployment.
    event BeaconAdded(bytes32 indexed chainHash, uint64 genesisTime, uint32 period, bytes publicKey);
    /// @notice A round's signature was verified and its randomness stored.
    event RoundVerified(bytes32 indexed chainHash, uint64 indexed round, bytes32 randomness);

    /// @notice Chain hash of drand quicknet.
    bytes32 public constant QUICKNET = 0x52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971;

    bytes private constant QUICKNET_KEY = hex"000000000000000000000000000000000d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
        hex"0000000000000000000000000000000003cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451"
        hex"000000000000000000000000000000000e5db2b6bfbb01c867749cadffca88b36c24f3012ba09fc4d3022c5c37dce0f977d3adb5d183c7477c442b1f04515273"
        hex"0000000000000000000000000000000001a714f2edb74119a2f2b0d5a7c75ba902d163700a61bc224ededd8e63aef7be1aaf8e93d7a9718b047ccddb3eb5d68b";
    uint64 private constant QUICKNET_GENESIS = 1_692_803_367;
    uint32 private constant QUICKNET_PERIOD = 3;

    bytes private constant DOMAIN_TAG = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";
    bytes private constant LOCAL_TAG = "plumbline/local-beacon/1";

    /// A real round of quicknet (from randa-mu/bls-solidity's test data): the constructor's self-test.
    uint64 private constant KNOWN_ROUND = 20_791_007;
    bytes private constant KNOWN_SIGNATURE = hex"0d2c8bbc37170dbacc5e280a21d4e195cff5f32a19fd6a58633fa4e4670478b5fb39bc13dd8f8c4372c5a76191198ac5"
        hex"0823ff37364b4060af65c7ec4dde05a428e4a444713680d95c34a4b109f112af1792643c742b75d85940c4bdcfdfbfa1";

    mapping(bytes32 chainHash => Schedule) private _schedules;
    mapping(bytes32 chainHash => bytes) private _localKeys;
    mapping(bytes32 chainHash => mapping(uint64 round => bytes32)) private _randomness;

    /// @dev Verifies a known round first: on a chain without EIP-2537 the deployment ends in
    /// `Bls12381.PrecompileAbsent`.
    constructor(LocalBeacon[] memory locals) {
        bytes memory point = _pad(KNOWN_SIGNATURE);
        if (!Bls12381.verifyG1Signature(point, QUICKNET_KEY, _message(KNOWN_ROUND), DOMAIN_TAG)) {
            revert SelfTestFailed();
        }
        _schedules[QUICKNET] = Schedule(QUICKNET_GENESIS, QUICKNET_PERIOD);
        emit BeaconAdded(QUICKNET, QUICKNET_GENESIS, QUICKNET_PERIOD, QUICKNET_KEY);
        if (locals.length > 0 && block.chainid != 31337 && block.chainid != 1337) {
            revert LocalBeaconOnPublicChain(block.chainid);
        }
        for (uint256 i = 0; i < locals.length; ++i) {
            _addLocal(locals[i]);
        }
    }

    /// @notice Verifies a round and stores its randomness. Anyone may bring it; a round that is already there is
    /// left alone, so that nobody is hurt by being second.
    /// @param signature the uncompressed G1 point, x (48 bytes) || y (48 bytes).
    function submit(bytes32 chainHash, uint64 round, bytes calldata signature)
        external
        returns (bytes32 value)
    {
        if (_schedules[chainHash].period == 0) revert UnknownBeacon(chainHash);
        if (round == 0) revert NoSuchRound();
        value = _randomness[chainHash][round];
        if (value != 0) return value;
        if (signature.length != 96) revert InvalidBeaconSignature(chainHash, round);
        bytes memory point = _pad(signature);
        bytes memory key = chainHash == QUICKNET ? QUICKNET_KEY : _localKeys[chainHash];
        if (!Bls12381.verifyG1Signature(point, key, _message(round), DOMAIN_TAG)) {
            revert InvalidBeaconSignature(chainHash, round);
        }
        value = sha256(_compress(point));
        _randomness[chainHash][round] = value;
        emit RoundVerified(chainHash, round, value);
    }

    /// @inheritdoc IBeaconRegistry
    function roundTime(bytes32 chainHash, uint64 round) external view returns (uint256) {
        Schedule memory schedule = _schedules[chainHash];
        if (schedule.period == 0) revert UnknownBeacon(chainHash);
        if (round == 0) revert NoSuchRound();
        return uint256(schedule.genesisTime) + uint256(round - 1) * schedule.period;
    }

    /// @inheritdoc IBeaconRegistry
    function randomness(bytes32 chainHash, uint64 round) external view returns (bytes32) {
        return _randomness[chainHash][round];
    }

    /// @notice Chain hash of a local beacon: SHA-256 over a tag of its own, so that none can carry the name of a
    /// public beacon, then period (u32), genesis (u64) and the compressed key.
    function localChainHash(LocalBeacon memory local) public pure returns (bytes32) {
        bytes memory compressed = _compressKey(local.publicKey);
        return sha256(abi.encodePacked(LOCAL_TAG, local.period, local.genesisTime, compressed));
    }

    function _addLocal(LocalBeacon memory local) private {
        if (local.period == 0 || local.publicKey.length != 256) revert InvalidLocalBeacon();
        bytes32 chainHash = localChainHash(local);
        if (_schedules[chainHash].period != 0) revert InvalidLocalBeacon();
        _schedules[chainHash] = Schedule(local.genesisTime, local.period);
        _localKeys[chainHash] = local.publicKey;
        emit BeaconAdded(chainHash, local.genesisTime, local.period, local.publicKey);
    }

    function _message(uint64 round) private pure returns (bytes memory) {
        return abi.encodePacked(sha256(abi.encodePacked(round)));
    }

    /// x || y of 48 bytes each -> EIP-2537 form.
    function _pad(bytes memory point) private pure returns (bytes memory padded) {
        padded = new bytes(128);
        assembly ("memory-safe") {
            mcopy(add(padded, 48), add(point, 32), 48)
            mcopy(add(padded, 112), add(point, 80), 48)
        }
    }

    /// EIP-2537 form -> 48 bytes with the flags "compressed" (0x80) and "larger y" (0x20).
    function _compress(bytes memory point) private pure returns (bytes memory compressed) {
        (uint256 high, uint256 low) = _element(point, 1);
        uint256 flags = Bls12381.isUpperHalf(high, low) ? 0xa0 : 0x80;
        compressed = new bytes(48);
        assembly ("memory-safe") {
            mcopy(add(compressed, 32), add(point, 48), 48)
        }
        // Both operands fit a byte: x is below 2^381.
        compressed[0] = bytes1(uint8(uint8(compressed[0]) | flags));
    }

    /// A key in G2 -> 96 bytes, x.c1 || x.c0, flags from y.c1, or from y.c0 where y.c1 is zero.
    function _compressKey(bytes memory key) private pure returns (bytes memory compressed) {
        (uint256 high, uint256 low) = _element(key, 3);
        if (high == 0 && low == 0) (high, low) = _element(key, 2);
        uint256 flags = Bls12381.isUpperHalf(high, low) ? 0xa0 : 0x80;
        compressed = new bytes(96);
        assembly ("memory-safe") {
            mcopy(add(compressed, 32), add(key, 112), 48)
            mcopy(add(compressed, 80), add(key, 48), 48)
        }
        compressed[0] = bytes1(uint8(uint8(compressed[0]) | flags));
    }

    function _element(bytes memory point, uint256 index) private pure returns (uint256 high, uint256 low) {
        assembly ("memory-safe") {
            let at := add(add(point, 32), mul(index, 64))
            high := mload(at)
            low := mload(add(at, 32))
        }
    }
}
