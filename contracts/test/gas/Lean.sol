// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "../../src/interfaces/IERC20.sol";
import {IPair, IPoolV3} from "../../src/interfaces/IPools.sol";

/// @notice The yardstick: a bare flash arbitrage over two pools, after the interfaces that Uniswap documents. It knows its
/// owner and nothing else: amounts come precomputed, no callback is checked, no deadline, no gain, no lock.
contract Lean {
    address private immutable OWNER = msg.sender;

    /// @notice What the first pair's callback does: pay the second, take its output, repay.
    struct Rest {
        address tokenIn;
        address tokenMid;
        address next;
        bool nextZeroForOne;
        uint256 amountIn;
        uint256 amountOut;
    }

    function pairs(address first, bool zeroForOne, uint256 amountMid, Rest calldata rest) external {
        require(msg.sender == OWNER);
        IPair(first).swap(zeroForOne ? 0 : amountMid, zeroForOne ? amountMid : 0, address(this), abi.encode(rest));
    }

    function pools(address first, bool zeroForOne, Rest calldata rest) external {
        require(msg.sender == OWNER);
        _swap(first, zeroForOne, rest.amountIn, abi.encode(rest));
    }

    function uniswapV2Call(address, uint256 amount0, uint256 amount1, bytes calldata data) external {
        Rest memory rest = abi.decode(data, (Rest));
        IERC20(rest.tokenMid).transfer(rest.next, amount0 + amount1);
        (uint256 out0, uint256 out1) = rest.nextZeroForOne ? (uint256(0), rest.amountOut) : (rest.amountOut, 0);
        IPair(rest.next).swap(out0, out1, address(this), "");
        IERC20(rest.tokenIn).transfer(msg.sender, rest.amountIn);
    }

    function uniswapV3SwapCallback(int256 amount0, int256 amount1, bytes calldata data) external {
        (int256 owed, int256 got) = amount0 > 0 ? (amount0, amount1) : (amount1, amount0);
        if (data.length == 32) {
            IERC20(abi.decode(data, (address))).transfer(msg.sender, uint256(owed));
            return;
        }
        Rest memory rest = abi.decode(data, (Rest));
        _swap(rest.next, rest.nextZeroForOne, uint256(-got), abi.encode(rest.tokenMid));
        IERC20(rest.tokenIn).transfer(msg.sender, uint256(owed));
    }

    function _swap(address pool, bool zeroForOne, uint256 amount, bytes memory data) private {
        uint160 limit = zeroForOne ? 4295128740 : 1461446703485210103287273052203988822378723970341;
        IPoolV3(pool).swap(address(this), zeroForOne, int256(amount), limit, data);
    }
}
