// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What pairs call on the receiver of a flash swap: Uniswap V2, Pancake V2, Solidly. `sender` is who asked.
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

/// @notice What lenders call on the borrower: V3 pools, Balancer V2, Aave V3.
interface ILoanCallbacks {
    function uniswapV3FlashCallback(uint256 fee0, uint256 fee1, bytes calldata data) external;
    function pancakeV3FlashCallback(uint256 fee0, uint256 fee1, bytes calldata data) external;
    function receiveFlashLoan(
        address[] calldata tokens,
        uint256[] calldata amounts,
        uint256[] calldata fees,
        bytes calldata data
    ) external;
    function executeOperation(address asset, uint256 amount, uint256 premium, address initiator, bytes calldata params)
        external
        returns (bool);
}
