// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

interface IERC20 {
    function transfer(address to, uint256 value) external returns (bool);
}

interface IUniswapV3Factory {
    function createPool(address tokenA, address tokenB, uint24 fee) external returns (address pool);
}

interface IUniswapV3Pool {
    function initialize(uint160 sqrtPriceX96) external;
    function mint(address recipient, int24 tickLower, int24 tickUpper, uint128 amount, bytes calldata data)
        external
        returns (uint256 amount0, uint256 amount1);
}

/// @title Opens Uniswap V3 pools at a recorded price and liquidity, for the local twin only.
/// @notice It owns the positions it mints and can never take them out. It pays from balances the twin wrote for it.
contract TwinMinter {
    address private transient _paying;

    error NotThePoolBeingFilled(address caller);

    /// @notice Creates the pool, sets its price and mints exactly `liquidity` over [`tickLower`, `tickUpper`).
    /// @dev `token0` < `token1`; the price lies inside the range.
    function open(
        IUniswapV3Factory factory,
        address token0,
        address token1,
        uint24 feePpm,
        uint160 sqrtPriceX96,
        int24 tickLower,
        int24 tickUpper,
        uint128 liquidity
    ) external returns (address pool) {
        pool = factory.createPool(token0, token1, feePpm);
        IUniswapV3Pool(pool).initialize(sqrtPriceX96);
        _paying = pool;
        IUniswapV3Pool(pool).mint(address(this), tickLower, tickUpper, liquidity, abi.encode(token0, token1));
        _paying = address(0);
    }

    function uniswapV3MintCallback(uint256 owed0, uint256 owed1, bytes calldata data) external {
        if (msg.sender != _paying) revert NotThePoolBeingFilled(msg.sender);
        (address token0, address token1) = abi.decode(data, (address, address));
        if (owed0 > 0) IERC20(token0).transfer(msg.sender, owed0);
        if (owed1 > 0) IERC20(token1).transfer(msg.sender, owed1);
    }
}
