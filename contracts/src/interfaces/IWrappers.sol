// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A vault that issues shares of one asset (EIP-4626).
interface IERC4626 {
    function asset() external view returns (address);
    function deposit(uint256 assets, address receiver) external returns (uint256 shares);
    function redeem(uint256 shares, address receiver, address owner) external returns (uint256 assets);
}

/// @notice What Aave V3 gives for a reserve's asset, one for one; its balances grow by themselves.
interface IAToken {
    function UNDERLYING_ASSET_ADDRESS() external view returns (address);
    function POOL() external view returns (address);
}

/// @notice Aave V3's pool, as those who lend to it see it.
interface IAaveReserves {
    function supply(address asset, uint256 amount, address onBehalfOf, uint16 referralCode) external;
    function withdraw(address asset, uint256 amount, address to) external returns (uint256);
    /// @dev The first words of its reserve's data; the ninth is the aToken.
    function getReserveData(address asset) external view returns (uint256[9] memory);
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
