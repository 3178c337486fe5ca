// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AmountTooLarge, NoReference} from "../Errors.sol";
import {IPoolOracle} from "../interfaces/IPools.sol";

/// @title The geometric mean price of a Uniswap V3 pool over a span of time, and what an amount is worth at it.
/// @notice A price is a power of 1.0001, its tick (Uniswap V3 whitepaper, 6.1). The pool sums its tick over time (5.2):
/// the sum's growth over a span, by the span's seconds, is the logarithm of the geometric mean price (5.1). What a swap
/// does to the tick counts from the next second on, never within its own block: until then the sum goes by the tick
/// that the block began with.
library Mean {
    /// @dev Powers are a mantissa of 128 bits, at least a half of what those can hold, and an exponent of two.
    uint256 private constant ONE = 1 << 127;
    uint256 private constant STEP = (ONE * 10_001) / 10_000;

    /// @notice What `pool`'s ticks of the last `span` seconds sum to; `token` is named where it cannot tell.
    function ticks(address pool, address token, uint32 span) internal view returns (int256) {
        uint32[] memory ago = new uint32[](2);
        ago[0] = span;
        if (pool.code.length == 0) revert NoReference(token, pool);
        try IPoolOracle(pool).observe(ago) returns (int56[] memory sums, uint160[] memory) {
            return int256(sums[1]) - sums[0];
        } catch {
            revert NoReference(token, pool);
        }
    }

    /// @notice `dividend / divisor`, rounded towards more.
    function up(int256 dividend, uint32 divisor) internal pure returns (int256 quotient) {
        quotient = dividend / int256(uint256(divisor));
        if (dividend > 0 && dividend % int256(uint256(divisor)) != 0) ++quotient;
    }

    /// @notice `amount * 1.0001 ** tick`, rounded up; the power is off by less than 2^-100 of itself.
    /// @param amount Below 2^128, as the result must be.
    function worth(uint256 amount, int256 tick) internal pure returns (uint256 result) {
        if (amount == 0) return 0;
        if (amount >> 128 != 0) revert AmountTooLarge(amount);
        (uint256 mantissa, uint256 exponent) = _power(tick < 0 ? uint256(-tick) : uint256(tick));
        if (tick < 0) return exponent > 127 ? 1 : _upDiv(amount << 127, mantissa << exponent);
        if (exponent < 128) result = _upDiv(amount * mantissa, 1 << (127 - exponent));
        if (exponent > 127 || result >> 128 != 0) revert AmountTooLarge(amount);
    }

    /// @dev 1.0001 to the `power`, by squaring.
    function _power(uint256 power) private pure returns (uint256 mantissa, uint256 exponent) {
        (mantissa, exponent) = (ONE, 0);
        (uint256 square, uint256 twos) = (STEP, 0);
        for (; power != 0; power >>= 1) {
            if (power & 1 != 0) (mantissa, exponent) = _times(mantissa, exponent, square, twos);
            (square, twos) = _times(square, twos, square, twos);
        }
    }

    function _times(uint256 a, uint256 twosOfA, uint256 b, uint256 twosOfB) private pure returns (uint256, uint256) {
        unchecked {
            uint256 product = a * b;
            uint256 carry = product >> 255;
            return (product >> (127 + carry), twosOfA + twosOfB + carry);
        }
    }

    function _upDiv(uint256 dividend, uint256 divisor) private pure returns (uint256 quotient) {
        quotient = dividend / divisor;
        if (dividend % divisor != 0) ++quotient;
    }
}
