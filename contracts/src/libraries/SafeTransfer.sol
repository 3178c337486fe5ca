// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ApprovalFailed, TransferFailed} from "../Errors.sol";
import {IERC20} from "../interfaces/IERC20.sol";

/// @notice Transfers and approvals of tokens that return true, or nothing at all (USDT).
library SafeTransfer {
    function safeTransfer(address token, address to, uint256 amount) internal {
        if (!_accepts(token, abi.encodeCall(IERC20.transfer, (to, amount)))) revert TransferFailed(token, to, amount);
    }

    function safeApprove(address token, address spender, uint256 amount) internal {
        if (!_accepts(token, abi.encodeCall(IERC20.approve, (spender, amount)))) {
            revert ApprovalFailed(token, spender, amount);
        }
    }

    /// @notice What `holder` has of `token`; the zero address is the native coin.
    function heldBy(address token, address holder) internal view returns (uint256) {
        return token == address(0) ? holder.balance : IERC20(token).balanceOf(holder);
    }

    /// @dev At most one word of the answer is copied, so that a token cannot charge for a long one.
    function _accepts(address token, bytes memory call_) private returns (bool) {
        bool succeeded;
        uint256 answerSize;
        uint256 answer;
        assembly ("memory-safe") {
            succeeded := call(gas(), token, 0, add(call_, 0x20), mload(call_), 0x00, 0x20)
            answerSize := returndatasize()
            answer := mload(0x00)
        }
        return succeeded && (answerSize == 0 ? token.code.length != 0 : answerSize >= 32 && answer == 1);
    }
}
