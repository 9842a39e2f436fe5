// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The strict profile's corrupt-member budget (docs/protocol.md section 4)
/// @notice Fixed point with 228 fractional bits. Every value below differs from the exact rational by less than
/// 2^-140, so a comparison that is further than 2^-100 from equality comes out as in exact arithmetic; nearer
/// ones are refused instead of decided.
library BinomialTail {
    uint256 private constant ONE = 1 << 228;
    uint256 private constant GUARD = 1 << 128;
    uint256 private constant MILLION = 1_000_000;

    /// @notice The parameters lie within 2^-100 of the border between two budgets, or out of range.
    error UndecidableParameters();

    /// @notice The least f with P(Bin(size, beta) > f) <= delta / 2.
    /// @param size 1 to 64.
    /// @param beta corrupt fraction in millionths, 1 to 499,999 (so that (1 - beta)^64 stays above 2^-64).
    /// @param delta accepted probability in millionths, 1 to 999,999.
    function budget(uint256 size, uint256 beta, uint256 delta) internal pure returns (uint256 f) {
        if (size == 0 || size > 64 || beta == 0 || beta > 499_999 || delta == 0 || delta >= MILLION) {
            revert UndecidableParameters();
        }
        uint256 target = ONE - (ONE * delta) / (2 * MILLION);
        uint256 mass = ONE;
        for (uint256 i = 0; i < size; ++i) {
            mass = (mass * (MILLION - beta)) / MILLION;
        }
        uint256 sum = mass;
        while (sum < target) {
            if (target - sum < GUARD) revert UndecidableParameters();
            // P(X = f + 1) = P(X = f) (size - f) beta / ((f + 1)(1 - beta))
            mass = (mass * (size - f) * beta) / ((f + 1) * (MILLION - beta));
            sum += mass;
            ++f;
        }
        if (sum - target < GUARD) revert UndecidableParameters();
    }
}
