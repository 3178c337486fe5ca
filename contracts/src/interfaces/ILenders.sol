// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Aave V3's pool: lends one asset, calls `executeOperation` on the receiver, and pulls the debt by an approval.
interface IAavePool {
    function flashLoanSimple(
        address receiver,
        address asset,
        uint256 amount,
        bytes calldata params,
        uint16 referralCode
    ) external;
}

/// @notice The lending side of Balancer V2's vault: calls `receiveFlashLoan`, and wants the debt back by then.
interface IBalancerLender {
    function flashLoan(address recipient, address[] calldata tokens, uint256[] calldata amounts, bytes calldata data)
        external;
}

/// @notice The lending side of a V3 pool: calls `uniswapV3FlashCallback` on whoever asked.
interface IPoolLender {
    function flash(address recipient, uint256 amount0, uint256 amount1, bytes calldata data) external;
}
