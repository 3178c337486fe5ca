// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What every two-token pool says of itself.
interface IPool {
    function token0() external view returns (address);
    function token1() external view returns (address);
}

/// @notice What every pair does: it is paid first, and gives what it is asked for if that is no more than its due.
interface IPair is IPool {
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external;
}

/// @notice A constant-product pair: Uniswap V2 and its forks.
interface IPairV2 is IPair {
    function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 updatedAt);
}

/// @notice A volatile or stable pair of Solidly's kind, which quotes itself: Velodrome, Aerodrome.
interface ISolidlyPair is IPair {
    function getAmountOut(uint256 amountIn, address tokenIn) external view returns (uint256);
}

/// @notice A concentrated-liquidity pool: Uniswap V3 and its forks, and Algebra.
interface IPoolV3 is IPool {
    function swap(
        address recipient,
        bool zeroForOne,
        int256 amountSpecified,
        uint160 sqrtPriceLimitX96,
        bytes calldata data
    ) external returns (int256 amount0, int256 amount1);
}

/// @notice A Curve pool whose indices are int128: StableSwap, plain, meta and lending.
interface ICurvePool {
    function exchange(int128 i, int128 j, uint256 amountIn, uint256 minOut) external;
    function exchange_underlying(int128 i, int128 j, uint256 amountIn, uint256 minOut) external;
}

/// @notice A Curve pool whose indices are uint256: CryptoSwap.
interface ICurveCryptoPool {
    function exchange(uint256 i, uint256 j, uint256 amountIn, uint256 minOut) external;
}

/// @notice What a Uniswap V3 pool, and a fork of it, remembers of its price.
interface IPoolOracle {
    /// @return tickSums The sum of the tick over all seconds until so many seconds ago; reverts for what it has forgotten.
    function observe(uint32[] calldata secondsAgo) external view returns (int56[] memory tickSums, uint160[] memory);
}
