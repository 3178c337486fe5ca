// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Test} from "../base/Test.sol";

interface MeterVm {
    struct Gas {
        uint64 gasLimit;
        uint64 gasTotalUsed;
        uint64 gasMemoryUsed;
        int64 gasRefunded;
        uint64 gasRemaining;
    }

    function lastCallGas() external view returns (Gas memory);
    function snapshotState() external returns (uint256);
    function revertToState(uint256 id) external returns (bool);
}

/// @notice What a call would cost as a transaction of its own.
abstract contract Meter is Test {
    event log_named_uint(string key, uint256 value);

    /// @notice The transaction's own gas, that of its bytes (EIP-2028), that of the call, less the refund (EIP-3529).
    function transactionGas(address sender, address to, bytes memory call_) internal returns (uint256 used) {
        used = 21_000;
        for (uint256 i; i < call_.length; ++i) {
            used += call_[i] == 0 ? 4 : 16;
        }
        vm.prank(sender);
        uint256 left = gasleft();
        (bool succeeded,) = to.call(call_);
        used += left - gasleft();
        assertTrue(succeeded, "the measured call settles");
        uint256 refund = uint256(int256(MeterVm(address(vm)).lastCallGas().gasRefunded));
        used -= refund < used / 5 ? refund : used / 5;
    }
}
