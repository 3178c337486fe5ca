// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What every pool says of itself.
interface IPool {
    function token0() external view returns (address);
    function token1() external view returns (address);
}

/// @notice A constant-product pair: Uniswap V2 and its forks.
interface IPairV2 is IPool {
    function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 updatedAt);
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external;
}

/// @notice A concentrated-liquidity pool: Uniswap V3 and its forks.
interface IPoolV3 is IPool {
    function swap(
        address recipient,
        bool zeroForOne,
        int256 amountSpecified,
        uint160 sqrtPriceLimitX96,
        bytes calldata data
    ) external returns (int256 amount0, int256 amount1);
}

/// @notice What a pair calls on the receiver of a flash swap.
interface ICalleeV2 {
    function uniswapV2Call(address sender, uint256 amount0, uint256 amount1, bytes calldata data) external;
}

/// @notice What a pool calls on whoever swaps; a positive delta is what the pool must be paid.
interface ICallbackV3 {
    function uniswapV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata data) external;
}
