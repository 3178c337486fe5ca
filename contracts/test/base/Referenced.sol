// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Inventory} from "../../src/Inventory.sol";
import {IPoolOracle, IPoolV3} from "../../src/interfaces/IPools.sol";
import {Real} from "../gas/Real.sol";
import {PlainToken} from "../mocks/Tokens.sol";
import {Families} from "./Families.sol";

interface IRealOracle {
    function increaseObservationCardinalityNext(uint16 number) external;
    function slot0() external view returns (uint160 sqrtPriceX96);
}

/// @notice Makes pools of Uniswap's own bytecode and swaps in them, with tokens out of nothing.
contract Mover is Real {
    /// @dev Roots of three and of a third, and the least and most that there are.
    uint160 private constant ROOT_OF_THREE = 137227202865029797602485611888;
    uint160 private constant ROOT_OF_A_THIRD = 45742400955009932534161870629;
    uint160 private constant LEAST_ROOT = 4295128740;
    uint160 private constant MOST_ROOT = 1461446703485210103287273052203988822378723970341;

    /// @notice A pool that sells three of `second` for one `first` and remembers the last hundred blocks.
    function make(PlainToken first, PlainToken second) external returns (address made) {
        made = address(first) < address(second)
            ? realPool(first, second, ROOT_OF_THREE, 1000e18)
            : realPool(second, first, ROOT_OF_A_THIRD, 1000e18);
        IRealOracle(made).increaseObservationCardinalityNext(100);
    }

    function move(address pool, uint256 amount, bool zeroForOne) external {
        _swap(pool, amount, zeroForOne, zeroForOne ? LEAST_ROOT : MOST_ROOT);
    }

    /// @notice Brings a pool that `make` made back to the price it was made at; `first` is what it was made with.
    function bringBack(address pool, PlainToken first) external {
        uint160 root = IPoolV3(pool).token0() == address(first) ? ROOT_OF_THREE : ROOT_OF_A_THIRD;
        uint160 found = IRealOracle(pool).slot0();
        if (found != root) _swap(pool, 1e40, found > root, root);
    }

    function uniswapV3SwapCallback(int256 amount0, int256 amount1, bytes calldata) external {
        if (amount0 > 0) PlainToken(IPoolV3(msg.sender).token0()).mint(msg.sender, uint256(amount0));
        if (amount1 > 0) PlainToken(IPoolV3(msg.sender).token1()).mint(msg.sender, uint256(amount1));
    }

    function _swap(address pool, uint256 amount, bool zeroForOne, uint160 limit) private {
        IPoolV3(pool).swap(address(this), zeroForOne, int256(amount), limit, "");
    }
}

/// @notice A world whose inventory goes by a pool of Uniswap's own bytecode, which anyone may move.
abstract contract Referenced is Families {
    uint256 internal constant BLOCK_S = 12;

    Mover internal mover;
    address internal meanPool;

    function stocked(address[] memory tokens) internal virtual override returns (Inventory.Stock memory) {
        vm.warp(1_000_000);
        mover = new Mover();
        meanPool = mover.make(PlainToken(tokens[0]), PlainToken(tokens[1]));
        vm.warp(block.timestamp + WINDOW);
        return bounded(tokens, meanPool, SLIPPAGE_PPM);
    }

    /// @notice What so much of both tokens comes to in the first, at `tick` of the reference: by powers in decimals, where
    /// the inventory's are binary.
    function valued(uint256 ofFirst, uint256 ofSecond, int256 tick) internal view returns (uint256) {
        uint256 price = 1e27;
        uint256 square = 1.0001e27;
        for (uint256 left = uint256(tick < 0 ? -tick : tick); left != 0; left >>= 1) {
            if (left & 1 != 0) price = price * square / 1e27;
            square = square * square / 1e27;
        }
        // At a positive tick the pool's token0 is worth that many of the other.
        bool firstIsDear = (IPoolV3(meanPool).token0() == inventory.TOKEN_0()) == (tick >= 0);
        return ofFirst + (firstIsDear ? ofSecond * 1e27 / price : ofSecond * price / 1e27);
    }

    /// @notice The mean tick of the last window, rounded down.
    function meanTick() internal view returns (int256) {
        uint32[] memory ago = new uint32[](2);
        ago[0] = WINDOW;
        (int56[] memory sums,) = IPoolOracle(meanPool).observe(ago);
        int256 sum = int256(sums[1]) - sums[0];
        int256 window = int256(uint256(WINDOW));
        return sum >= 0 ? sum / window : -((-sum + window - 1) / window);
    }
}
