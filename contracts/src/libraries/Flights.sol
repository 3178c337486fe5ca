// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What the callback of a flash swap or a loan needs to know. It travels through the pool with the hops that are
/// left, sealed on the way out and held against the seal on return: what comes back is what was sent.
/// @dev `owed` of `token` is the debt. The pool is to deliver `tokenOut` to `recipient`, who held `deliveredBefore` of it.
/// `balanceBefore` is what the executor held of `token` when the cycle began, which must have grown by `minGain` at its
/// end. `rest` is how many of the words are the accounted hop to swap first; `Flights.CHAIN` when they are pairs, each
/// followed by its output.
struct Flight {
    address token;
    uint256 owed;
    uint256 balanceBefore;
    uint256 minGain;
    address tokenOut;
    address recipient;
    uint256 deliveredBefore;
    uint256 rest;
}

library Flights {
    uint256 internal constant CHAIN = type(uint256).max;

    /// @dev The bytes of a flight, all of whose fields are words.
    uint256 private constant SIZE = 8 * 32;

    /// @dev The bytes of a debt: the token and the amount.
    uint256 private constant DEBT_SIZE = 2 * 32;

    /// @notice The flight and the words that follow it.
    function pack(Flight memory flight, uint256[] calldata words) internal pure returns (bytes memory data) {
        assembly ("memory-safe") {
            data := mload(0x40)
            let size := shl(5, words.length)
            mstore(data, add(SIZE, size))
            mcopy(add(data, 0x20), flight, SIZE)
            calldatacopy(add(data, add(0x20, SIZE)), words.offset, size)
            mstore(0x40, add(data, add(add(0x20, SIZE), size)))
        }
    }

    /// @notice As `pack`, of words made here.
    function packMade(Flight memory flight, uint256[] memory words) internal pure returns (bytes memory data) {
        assembly ("memory-safe") {
            data := mload(0x40)
            let size := shl(5, mload(words))
            mstore(data, add(SIZE, size))
            mcopy(add(data, 0x20), flight, SIZE)
            mcopy(add(data, add(0x20, SIZE)), add(words, 0x20), size)
            mstore(0x40, add(data, add(add(0x20, SIZE), size)))
        }
    }

    /// @notice The inverse of `pack`, in place.
    /// @dev Only of data whose seal was found whole: nothing is checked here.
    function unpack(bytes calldata data) internal pure returns (Flight calldata flight, uint256[] calldata words) {
        assembly ("memory-safe") {
            flight := data.offset
            words.offset := add(data.offset, SIZE)
            words.length := shr(5, sub(data.length, SIZE))
        }
    }

    /// @notice What `data` says is owed, and of what: the first two words of a flight and of a debt.
    /// @dev Only of data whose seal was found whole, as below.
    function debt(bytes calldata data) internal pure returns (address token, uint256 owed) {
        assembly ("memory-safe") {
            token := calldataload(data.offset)
            owed := calldataload(add(data.offset, 0x20))
        }
    }

    /// @notice Whether `data` says no more than what a hop inside the walk owes its pool.
    function isDebt(bytes calldata data) internal pure returns (bool) {
        return data.length == DEBT_SIZE;
    }
}
