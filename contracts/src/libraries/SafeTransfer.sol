// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TransferFailed} from "../Errors.sol";
import {IERC20} from "../interfaces/IERC20.sol";

/// @notice Transfers of tokens that return true, or nothing at all (USDT).
library SafeTransfer {
    /// @dev At most one word of the answer is copied, so that a token cannot charge for a long one.
    function safeTransfer(address token, address to, uint256 amount) internal {
        bytes memory call_ = abi.encodeCall(IERC20.transfer, (to, amount));
        bool succeeded;
        uint256 answerSize;
        uint256 answer;
        assembly ("memory-safe") {
            succeeded := call(gas(), token, 0, add(call_, 0x20), mload(call_), 0x00, 0x20)
            answerSize := returndatasize()
            answer := mload(0x00)
        }
        bool accepted = answerSize == 0 ? token.code.length != 0 : answerSize >= 32 && answer == 1;
        if (!succeeded || !accepted) revert TransferFailed(token, to, amount);
    }
}
