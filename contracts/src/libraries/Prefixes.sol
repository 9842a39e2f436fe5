// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Network prefixes of hosts
/// @notice A host is 16 bytes: an IPv6 address, or an IPv4 address as ::ffff:a.b.c.d. Its prefix is the /24 or
/// the /48 under the family's number, so that no IPv4 prefix equals an IPv6 one.
library Prefixes {
    uint128 private constant V4_MAPPED = 0xffff;

    function isV4(bytes16 host) internal pure returns (bool) {
        return uint128(host) >> 32 == V4_MAPPED;
    }

    /// @return (4 << 48) + 24 bits, or (6 << 48) + 48 bits.
    function prefixOf(bytes16 host) internal pure returns (uint56) {
        // The shifts leave 24 and 48 bits.
        if (isV4(host)) return (uint56(4) << 48) | uint56(uint24(uint128(host) >> 8));
        return (uint56(6) << 48) | uint56(uint128(host) >> 80);
    }

    /// @notice Whether a host can be reached from the internet by its form (IANA special-purpose registries).
    /// IPv6: only 2000::/3 without Teredo (2001::/32) and 6to4 (2002::/16): a single IPv4 address owns a whole
    /// /48 of 6to4, so one /24 would count as 256 prefixes.
    function isGlobal(bytes16 host) internal pure returns (bool) {
        if (isV4(host)) return _isGlobalV4(uint32(uint128(host)));
        uint128 value = uint128(host);
        return
            value >> 125 == 1 && value >> 96 != 0x20010000 && value >> 112 != 0x2002
                && value >> 96 != 0x20010db8;
    }

    function _isGlobalV4(uint32 ip) private pure returns (bool) {
        uint32 a = ip >> 24;
        if (a == 0 || a == 10 || a == 127 || a >= 224) return false;
        if (ip >> 22 == 0x6440 >> 6) return false; // 100.64.0.0/10
        if (ip >> 16 == 0xa9fe) return false; // 169.254.0.0/16
        if (ip >> 20 == 0xac1) return false; // 172.16.0.0/12
        if (ip >> 16 == 0xc0a8) return false; // 192.168.0.0/16
        if (ip >> 17 == 0xc612 >> 1) return false; // 198.18.0.0/15
        uint32 net = ip >> 8;
        // 192.0.0.0/24, and the documentation nets 192.0.2.0, 198.51.100.0, 203.0.113.0
        return net != 0xc00000 && net != 0xc00002 && net != 0xc63364 && net != 0xcb0071;
    }
}
