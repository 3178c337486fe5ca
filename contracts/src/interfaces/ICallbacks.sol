// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What pairs call on the receiver of a flash swap: Uniswap V2, Pancake V2, Solidly.
interface IPairCallbacks {
    function uniswapV2Call(address sender, uint256 amount0, uint256 amount1, bytes calldata data) external;
    function pancakeCall(address sender, uint256 amount0, uint256 amount1, bytes calldata data) external;
    function hook(address sender, uint256 amount0, uint256 amount1, bytes calldata data) external;
}

/// @notice What pools call on whoever swaps; a positive delta is what the pool must be paid: Uniswap V3, Pancake V3,
/// Algebra.
interface IPoolCallbacks {
    function uniswapV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata data) external;
    function pancakeV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata data) external;
    function algebraSwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata data) external;
}

/// @notice What singletons call on whoever unlocked them. Balancer V3 lets the caller choose the function.
interface IUnlockCallbacks {
    function unlockCallback(bytes calldata data) external returns (bytes memory);
    function balancerUnlocked(bytes calldata data) external;
}
