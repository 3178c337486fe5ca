// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What the executor asks of a token. What may answer nothing is only ever called through `SafeTransfer`.
interface IERC20 {
    function balanceOf(address account) external view returns (uint256);
    function allowance(address owner, address spender) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function approve(address spender, uint256 amount) external returns (bool);
}
