// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Executor} from "../../src/Executor.sol";
import {Inventory} from "../../src/Inventory.sol";
import {Settings} from "../../src/Settings.sol";
import {Kind} from "../../src/libraries/Hops.sol";
import {EvilPool, FixedPricePool, MeanPool, Pair} from "../mocks/Pools.sol";
import {PlainToken} from "../mocks/Tokens.sol";
import {Test} from "./Test.sol";

/// @notice The executor, with a window on its transient storage.
contract OpenExecutor is Executor {
    constructor(
        address owner,
        address[] memory operators,
        address treasury,
        address[] memory profitTokens,
        Inventory.Stock memory lends,
        Venues memory venues
    ) Executor(owner, operators, treasury, profitTokens, lends, venues) {}

    function transientIsClean() external view returns (bool) {
        return locked == 0 && armed == 0 && managerUnlocked == 0;
    }
}

/// @notice A small market around an executor: WETH and DAI may be earned, WETH and DAI are in the inventory, MID is not.
abstract contract World is Test {
    address internal constant OWNER = address(0x0A);
    address internal constant OPERATOR = address(0x0B);
    address internal constant SECOND_OPERATOR = address(0x1B);
    address internal constant TREASURY = address(0x0C);
    address internal constant OUTSIDER = address(0x0D);
    uint128 internal constant CAP = 10e18;
    uint256 internal constant STOCK = 1000e18;
    uint32 internal constant WINDOW = 600;
    uint32 internal constant SLIPPAGE_PPM = 100_000;

    /// @dev The tick next to a price of three.
    int24 internal constant THRICE = 10_986;

    PlainToken internal weth;
    PlainToken internal dai;
    PlainToken internal mid;
    OpenExecutor internal executor;
    Inventory internal inventory;

    function setUp() public virtual {
        vm.roll(100);
        (weth, dai, mid) = (new PlainToken(), new PlainToken(), new PlainToken());
        address[] memory tokens = new address[](2);
        (tokens[0], tokens[1]) = (address(weth), address(dai));
        executor = new OpenExecutor(OWNER, operators(), TREASURY, tokens, stocked(tokens), venues());
        inventory = executor.INVENTORY();
        weth.mint(address(inventory), STOCK);
        dai.mint(address(inventory), STOCK);
    }

    function operators() internal pure returns (address[] memory keys) {
        keys = new address[](2);
        (keys[0], keys[1]) = (OPERATOR, SECOND_OPERATOR);
    }

    /// @notice What the inventory lends of two tokens, and on what terms: at a mean of three of the second for the first.
    function stocked(address[] memory tokens) internal virtual returns (Inventory.Stock memory) {
        return bounded(tokens, address(new MeanPool(tokens[0] < tokens[1] ? THRICE : -THRICE)), SLIPPAGE_PPM);
    }

    /// @notice Terms that ask nothing of a trade but its cap.
    function unbounded(address[] memory tokens) internal pure returns (Inventory.Stock memory) {
        return bounded(tokens, address(0), 1e6);
    }

    function bounded(address[] memory tokens, address mean, uint32 slippagePpm)
        internal
        pure
        returns (Inventory.Stock memory made)
    {
        uint128[] memory caps = new uint128[](tokens.length);
        for (uint256 i; i < tokens.length; ++i) {
            caps[i] = CAP;
        }
        address[] memory means = new address[](mean == address(0) ? 0 : 1);
        if (mean != address(0)) means[0] = mean;
        return Inventory.Stock(tokens, caps, means, WINDOW, slippagePpm);
    }

    /// @notice The chain's singletons; none unless a test brings its own.
    function venues() internal virtual returns (Settings.Venues memory) {}

    function pair(PlainToken token0, uint256 reserve0, PlainToken token1, uint256 reserve1)
        internal
        returns (Pair made)
    {
        made = new Pair(address(token0), address(token1), 3000);
        token0.mint(address(made), reserve0);
        token1.mint(address(made), reserve1);
        made.sync();
    }

    /// @param price Tenths of token1 for one token0.
    function pool(PlainToken token0, PlainToken token1, uint256 price) internal returns (FixedPricePool made) {
        made = new FixedPricePool(address(token0), address(token1), price);
        token0.mint(address(made), STOCK);
        token1.mint(address(made), STOCK);
    }

    function evil(PlainToken token0, PlainToken token1, EvilPool.Script memory script) internal returns (EvilPool) {
        return new EvilPool(address(token0), address(token1), script);
    }

    function v2(Pair venue, bool zeroForOne) internal pure returns (uint256) {
        return word(address(venue), Kind.ConstantProduct, zeroForOne);
    }

    function v3(FixedPricePool venue, bool zeroForOne) internal pure returns (uint256) {
        return word(address(venue), Kind.Concentrated, zeroForOne);
    }

    function word(address venue, Kind kind, bool zeroForOne) internal pure returns (uint256) {
        return uint256(uint160(venue)) | 3000 << 160 | uint256(kind) << 184 | (zeroForOne ? 1 << 192 : 0);
    }

    function head(PlainToken token, uint256 maxBlock) internal view returns (uint256) {
        return head(token, maxBlock, block.timestamp);
    }

    function head(PlainToken token, uint256 maxBlock, uint256 deadline) internal pure returns (uint256) {
        return uint160(address(token)) | maxBlock << 160 | deadline << 208;
    }

    function amounts(uint256 amountIn, uint256 least) internal pure returns (uint256) {
        return uint128(amountIn) | least << 128;
    }

    function path(uint256 a) internal pure returns (uint256[] memory hops) {
        hops = new uint256[](1);
        hops[0] = a;
    }

    function path(uint256 a, uint256 b) internal pure returns (uint256[] memory hops) {
        hops = new uint256[](2);
        (hops[0], hops[1]) = (a, b);
    }

    function path(uint256 a, uint256 b, uint256 c) internal pure returns (uint256[] memory hops) {
        hops = new uint256[](3);
        (hops[0], hops[1], hops[2]) = (a, b, c);
    }

    function run(PlainToken token, uint256 amountIn, uint256 minGain, uint256[] memory hops)
        internal
        returns (uint256)
    {
        vm.prank(OPERATOR);
        return executor.run(head(token, block.number), amounts(amountIn, minGain), 0, hops);
    }

    function exchange(PlainToken tokenIn, uint256 amountIn, PlainToken tokenOut, uint256 minOut, uint256[] memory hops)
        internal
        returns (uint256)
    {
        vm.prank(OPERATOR);
        return executor.exchange(head(tokenIn, block.number), amounts(amountIn, minOut), address(tokenOut), 0, hops);
    }

    /// @notice Uniswap V2's own formula, in its own form.
    function quoted(uint256 amountIn, uint256 reserveIn, uint256 reserveOut) internal pure returns (uint256) {
        return amountIn * 997 * reserveOut / (reserveIn * 1000 + amountIn * 997);
    }
}
