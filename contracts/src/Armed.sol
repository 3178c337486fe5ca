// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MissedCallback, Reentered, UnexpectedCallback} from "./Errors.sol";

/// @title Who may call back, and with what: nobody, but for one callback that was asked for in this very call.
/// @notice One slot is enough for any depth: a callback disarms before anything else is armed, so at no time are two
/// expected. The slot holds a seal, never an amount or an address, so nothing that others choose can pass for one.
abstract contract Armed {
    /* TRANSIENT: one slot per meaning, all zero between calls */

    uint256 internal transient locked;
    bytes32 internal transient armed;
    uint256 internal transient managerUnlocked;

    /* MODIFIERS */

    modifier exclusive() {
        if (locked != 0) revert Reentered();
        locked = 1;
        _;
        locked = 0;
    }

    /* ARMING */

    /// @dev From here on `who` may call back once, with exactly `data`.
    function _arm(address who, bytes memory data) internal {
        bytes32 seal;
        assembly ("memory-safe") {
            let size := mload(data)
            mstore(data, shr(96, shl(96, who)))
            seal := keccak256(data, add(0x20, size))
            mstore(data, size)
        }
        armed = seal;
    }

    /// @dev Takes the callback that was asked of `who`, and no other. Disarms before anything is paid, so that a second
    /// callback finds nothing.
    function _disarm(address who, bytes calldata data) internal {
        bytes32 seal;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, caller())
            calldatacopy(add(free, 0x20), data.offset, data.length)
            seal := keccak256(free, add(0x20, data.length))
        }
        if (msg.sender != who || seal != armed) revert UnexpectedCallback(msg.sender);
        armed = 0;
    }

    /// @dev Who was armed must have called: otherwise nothing was paid, or somebody still may call.
    function _requireCalled(address who) internal view {
        if (armed != 0) revert MissedCallback(who);
    }
}
