// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ApprovalFailed, NoBalance, TransferFailed} from "../Errors.sol";
import {IERC20} from "../interfaces/IERC20.sol";

/// @notice Transfers and approvals of tokens that return true, or nothing at all (USDT), and balances of any.
/// @dev At most one word of an answer is copied, so that a token cannot charge for a long one.
library SafeTransfer {
    function safeTransfer(address token, address to, uint256 amount) internal {
        if (!tryTransfer(token, to, amount)) revert TransferFailed(token, to, amount);
    }

    function tryTransfer(address token, address to, uint256 amount) internal returns (bool) {
        return _accepts(token, uint32(IERC20.transfer.selector), to, amount);
    }

    function safeApprove(address token, address spender, uint256 amount) internal {
        if (!_accepts(token, uint32(IERC20.approve.selector), spender, amount)) {
            revert ApprovalFailed(token, spender, amount);
        }
    }

    /// @notice What `holder` has of `token`; the zero address is the native coin.
    function heldBy(address token, address holder) internal view returns (uint256 amount) {
        return token == address(0) ? holder.balance : balanceOf(token, holder);
    }

    /// @dev The second store clears what bits the address may have above it.
    function balanceOf(address token, address holder) internal view returns (uint256 amount) {
        uint256 selector = uint32(IERC20.balanceOf.selector);
        bool answered;
        assembly ("memory-safe") {
            mstore(0x14, holder)
            mstore(0x00, shl(96, selector))
            answered := staticcall(gas(), token, 0x10, 0x24, 0x00, 0x20)
            answered := and(answered, gt(returndatasize(), 0x1f))
            amount := mload(0x00)
        }
        if (!answered) revert NoBalance(token);
    }

    /// @dev `selector(to, amount)` lies in memory from 0x10 to 0x53. That covers the upper bytes of the free memory
    /// pointer, which are zero before and made zero again.
    function _accepts(address token, uint256 selector, address to, uint256 amount) private returns (bool) {
        bool succeeded;
        uint256 answerSize;
        uint256 answer;
        assembly ("memory-safe") {
            mstore(0x14, to)
            mstore(0x34, amount)
            mstore(0x00, shl(96, selector))
            succeeded := call(gas(), token, 0, 0x10, 0x44, 0x00, 0x20)
            answerSize := returndatasize()
            answer := mload(0x00)
            mstore(0x34, 0)
        }
        return succeeded && (answerSize == 0 ? token.code.length != 0 : answerSize >= 32 && answer == 1);
    }
}
