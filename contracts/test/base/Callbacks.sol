// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILoanCallbacks, IPairCallbacks, IPoolCallbacks, IUnlockCallbacks} from "../../src/interfaces/ICallbacks.sol";
import {Flight, Flights} from "../../src/libraries/Flights.sol";

/// @notice Every callback the executor has, and every shape of data it is ever given.
library Callbacks {
    uint256 internal constant COUNT = 12;
    uint256 internal constant SHAPES = 5;

    function all(address sender, uint256 amount, bytes memory data) internal pure returns (bytes[] memory calls) {
        calls = new bytes[](COUNT);
        int256 asked = int256(amount >> 1);
        uint256[] memory one = new uint256[](1);
        one[0] = amount;
        calls[0] = abi.encodeCall(IPairCallbacks.uniswapV2Call, (sender, amount, amount, data));
        calls[1] = abi.encodeCall(IPairCallbacks.pancakeCall, (sender, amount, amount, data));
        calls[2] = abi.encodeCall(IPairCallbacks.hook, (sender, amount, amount, data));
        calls[3] = abi.encodeCall(IPoolCallbacks.uniswapV3SwapCallback, (asked, -asked, data));
        calls[4] = abi.encodeCall(IPoolCallbacks.pancakeV3SwapCallback, (asked, -asked, data));
        calls[5] = abi.encodeCall(IPoolCallbacks.algebraSwapCallback, (asked, -asked, data));
        calls[6] = abi.encodeCall(IUnlockCallbacks.unlockCallback, (data));
        calls[7] = abi.encodeCall(IUnlockCallbacks.balancerUnlocked, (data));
        calls[8] = abi.encodeCall(ILoanCallbacks.uniswapV3FlashCallback, (amount, amount, data));
        calls[9] = abi.encodeCall(ILoanCallbacks.pancakeV3FlashCallback, (amount, amount, data));
        calls[10] = abi.encodeCall(ILoanCallbacks.receiveFlashLoan, (new address[](1), one, one, data));
        calls[11] = abi.encodeCall(ILoanCallbacks.executeOperation, (sender, amount, amount, sender, data));
    }

    /// @notice Noise, nothing, a debt, a flight with a hop left, and a chain of pairs.
    function shaped(uint256 shape, address token, uint256 amount, address to, uint256 word, bytes memory noise)
        internal
        pure
        returns (bytes memory)
    {
        if (shape == 0) return noise;
        if (shape == 1) return "";
        if (shape == 2) return abi.encode(token, amount);
        uint256 rest = shape == 3 ? 0 : Flights.CHAIN;
        return bytes.concat(abi.encode(Flight(token, amount, 0, 0, token, to, 0, rest)), abi.encode(word, amount));
    }
}
