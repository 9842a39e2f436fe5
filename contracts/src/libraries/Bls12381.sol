// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title BLS12-381 signatures over the precompiles of EIP-2537
/// @notice Points are in EIP-2537 form: field elements of 64 bytes (16 zero bytes, then 48), G1 = x || y (128
/// bytes), G2 = x.c0 || x.c1 || y.c0 || y.c1 (256 bytes). Decompression is the caller's, off-chain. Hashing to
/// the curve is RFC 9380 (XMD:SHA-256, SSWU, RO). The pairing precompile checks that its points are on the curve
/// and in the subgroup; the addition precompile does not check the subgroup, and here it only adds mapped points.
library Bls12381 {
    /// @notice A precompile answered with no output: it does not exist on this chain (docs/contracts.md).
    error PrecompileAbsent(address precompile);
    /// @notice Longer than the 255 bytes that RFC 9380 section 5.3.1 takes without hashing.
    error DomainTagTooLong(uint256 length);
    /// @notice expand_message_xmd gives at most 255 blocks of 32 bytes.
    error ExpansionTooLong(uint256 length);

    address internal constant MODEXP = address(0x05);
    address internal constant G1_ADD = address(0x0b);
    address internal constant G2_ADD = address(0x0d);
    address internal constant PAIRING = address(0x0f);
    address internal constant MAP_FP_TO_G1 = address(0x10);
    address internal constant MAP_FP2_TO_G2 = address(0x11);

    uint256 private constant G1_BYTES = 128;
    uint256 private constant G2_BYTES = 256;
    /// Bytes that become one field element: ceil((381 + 128) / 8), RFC 9380 section 8.8.
    uint256 private constant L = 64;

    bytes private constant MODULUS =
        hex"1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";
    bytes internal constant NEGATED_G1 = hex"0000000000000000000000000000000017f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
        hex"00000000000000000000000000000000114d1d6855d545a8aa7d76c8cf2e21f267816aef1db507c96655b9d5caac42364e6f38ba0ecb751bad54dcd6b939c2ca";
    bytes private constant NEGATED_G2 = hex"00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
        hex"0000000000000000000000000000000013e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
        hex"000000000000000000000000000000000d1b3cc2c7027888be51d9ef691d77bcb679afda66c73f17f9ee3837a55024f78c71363275a75d75d86bab79f74782aa"
        hex"0000000000000000000000000000000013fa4d4a0ad8b1ce186ed5061789213d993923066dddaf1040bc3ff59f825c78df74f2d75467e25e0f55f8a00fa030ed";

    /// @notice A signature in G1 under a key in G2 (drand's g1-rfc9380 scheme). Infinity is refused on both sides.
    function verifyG1Signature(
        bytes memory signature,
        bytes memory publicKey,
        bytes memory message,
        bytes memory domainTag
    ) internal view returns (bool) {
        if (!_isPoint(signature, G1_BYTES) || !_isPoint(publicKey, G2_BYTES)) {
            return false;
        }
        bytes memory hashed = hashToG1(message, domainTag);
        return pairsToOne(bytes.concat(signature, NEGATED_G2, hashed, publicKey));
    }

    /// @notice A signature in G2 under a key in G1 (min-pk). Infinity is refused on both sides.
    function verifyG2Signature(
        bytes memory signature,
        bytes memory publicKey,
        bytes memory message,
        bytes memory domainTag
    ) internal view returns (bool) {
        if (!_isPoint(signature, G2_BYTES) || !_isPoint(publicKey, G1_BYTES)) {
            return false;
        }
        bytes memory hashed = hashToG2(message, domainTag);
        return pairsToOne(bytes.concat(NEGATED_G1, signature, publicKey, hashed));
    }

    /// @notice RFC 9380 hash_to_curve, suite BLS12381G1_XMD:SHA-256_SSWU_RO_. The mapping precompile clears the
    /// cofactor, which commutes with the addition.
    function hashToG1(bytes memory message, bytes memory domainTag) internal view returns (bytes memory) {
        bytes memory uniform = expandMessage(message, domainTag, 2 * L);
        bytes memory first = _must(MAP_FP_TO_G1, _field(uniform, 0), G1_BYTES);
        bytes memory second = _must(MAP_FP_TO_G1, _field(uniform, 1), G1_BYTES);
        return _must(G1_ADD, bytes.concat(first, second), G1_BYTES);
    }

    /// @notice RFC 9380 hash_to_curve, suite BLS12381G2_XMD:SHA-256_SSWU_RO_.
    function hashToG2(bytes memory message, bytes memory domainTag) internal view returns (bytes memory) {
        bytes memory uniform = expandMessage(message, domainTag, 4 * L);
        bytes memory first = bytes.concat(_field(uniform, 0), _field(uniform, 1));
        bytes memory second = bytes.concat(_field(uniform, 2), _field(uniform, 3));
        first = _must(MAP_FP2_TO_G2, first, G2_BYTES);
        second = _must(MAP_FP2_TO_G2, second, G2_BYTES);
        return _must(G2_ADD, bytes.concat(first, second), G2_BYTES);
    }

    /// @notice Whether the product of the pairings of the given (G1, G2) pairs is one; false for malformed points.
    function pairsToOne(bytes memory pairs) internal view returns (bool) {
        (bool ok, bytes memory output) = _call(PAIRING, pairs, 32);
        return ok && abi.decode(output, (uint256)) == 1;
    }

    /// @notice RFC 9380 section 5.3.1, expand_message_xmd with SHA-256.
    function expandMessage(bytes memory message, bytes memory domainTag, uint256 length)
        internal
        pure
        returns (bytes memory output)
    {
        if (domainTag.length > 255) revert DomainTagTooLong(domainTag.length);
        uint256 blocks = (length + 31) / 32;
        if (blocks > 255) revert ExpansionTooLong(length);
        // The length is at most 255 x 32 and the tag at most 255 bytes: neither conversion cuts anything off.
        bytes memory tag = abi.encodePacked(domainTag, uint8(domainTag.length));
        bytes memory pad = new bytes(64);
        bytes32 start = sha256(abi.encodePacked(pad, message, uint16(length), uint8(0), tag));
        bytes32 last = bytes32(0);
        output = new bytes(blocks * 32);
        for (uint256 i = 1; i <= blocks; ++i) {
            last = sha256(abi.encodePacked(start ^ last, uint8(i), tag));
            assembly ("memory-safe") {
                mstore(add(output, mul(i, 32)), last)
            }
        }
        assembly ("memory-safe") {
            mstore(output, length)
        }
    }

    /// @notice Whether a field element in EIP-2537 form lies above (p - 1) / 2: the sign bit of a compressed point.
    /// @param high its first 32 bytes. @param low its last 32 bytes.
    function isUpperHalf(uint256 high, uint256 low) internal pure returns (bool) {
        uint256 halfHigh = 0x0d0088f51cbff34d258dd3db21a5d66b;
        uint256 halfLow = 0xb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555;
        return high > halfHigh || (high == halfHigh && low > halfLow);
    }

    /// The `index`-th chunk of L bytes, reduced modulo p, as a padded field element.
    function _field(bytes memory uniform, uint256 index) private view returns (bytes memory) {
        uint256 high;
        uint256 low;
        assembly ("memory-safe") {
            let at := add(add(uniform, 32), mul(index, 64))
            high := mload(at)
            low := mload(add(at, 32))
        }
        bytes memory input = abi.encodePacked(L, uint256(1), uint256(48), high, low, uint8(1), MODULUS);
        return bytes.concat(bytes16(0), _must(MODEXP, input, 48));
    }

    function _isPoint(bytes memory point, uint256 length) private pure returns (bool) {
        return point.length == length && keccak256(point) != keccak256(new bytes(length));
    }

    function _must(address precompile, bytes memory input, uint256 length)
        private
        view
        returns (bytes memory)
    {
        (bool ok, bytes memory output) = _call(precompile, input, length);
        // Mapping and adding reduced elements cannot fail where the precompile exists.
        if (!ok) revert PrecompileAbsent(precompile);
        return output;
    }

    function _call(address precompile, bytes memory input, uint256 length)
        private
        view
        returns (bool ok, bytes memory output)
    {
        (ok, output) = precompile.staticcall(input);
        // A call to an address without code succeeds and returns nothing.
        if (ok && output.length != length) revert PrecompileAbsent(precompile);
    }
}
