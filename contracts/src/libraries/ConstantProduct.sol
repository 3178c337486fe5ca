// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AmountTooLarge, FeeTooLarge} from "../Errors.sol";

/// @notice x · y = k with an input fee.
library ConstantProduct {
    uint256 internal constant PPM = 1_000_000;

    /// @notice The most a pair gives for `amountIn`, rounded down: r_out · a / (r_in + a), where a is `amountIn` less
    /// the fee. With a fee of 3,000 ppm this is Uniswap V2's 997/1000 formula, to the unit.
    /// @dev Refuses an amount no such pair can hold and a fee above a million; below them nothing overflows, since reserves
    /// have 112 bits and a million has 20.
    function amountOut(uint256 amountIn, uint256 reserveIn, uint256 reserveOut, uint256 feePpm)
        internal
        pure
        returns (uint256)
    {
        if (amountIn > type(uint112).max) revert AmountTooLarge(amountIn);
        if (feePpm > PPM) revert FeeTooLarge(feePpm);
        unchecked {
            uint256 afterFee = amountIn * (PPM - feePpm);
            return afterFee * reserveOut / (reserveIn * PPM + afterFee);
        }
    }
}
