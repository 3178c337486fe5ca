// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AmountTooLarge} from "../Errors.sol";

/// @notice Amounts as signed integers.
library Signed {
    /// @dev A V3 pool reads a negative amount as "exact output", so one that would wrap is refused.
    function signed(uint256 amount) internal pure returns (int256) {
        if (amount > uint256(type(int256).max)) revert AmountTooLarge(amount);
        // forge-lint: disable-next-line(unsafe-typecast)
        return int256(amount);
    }
}
