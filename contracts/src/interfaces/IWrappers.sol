// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A vault that issues shares of one asset (EIP-4626).
interface IERC4626 {
    function asset() external view returns (address);
    function deposit(uint256 assets, address receiver) external returns (uint256 shares);
    function redeem(uint256 shares, address receiver, address owner) external returns (uint256 assets);
}

/// @notice The native coin as a token (WETH9 and its kin).
interface IWrappedNative {
    function deposit() external payable;
    function withdraw(uint256 amount) external;
}

/// @notice Lido's stETH at a growing rate instead of a growing balance.
interface IWstETH {
    function stETH() external view returns (address);
    function wrap(uint256 stEthAmount) external returns (uint256);
    function unwrap(uint256 wstEthAmount) external returns (uint256);
}
