// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "../src/Errors.sol";
import {World} from "./base/World.sol";
import {FixedPricePool, Pair} from "./mocks/Pools.sol";

/// @notice `Executor.exchange` and the inventory it spends from.
contract ExchangeTest is World {
    Pair internal market;
    FixedPricePool internal flat;

    function setUp() public override {
        super.setUp();
        market = pair(weth, 100e18, dai, 300e18);
        flat = pool(weth, dai, 30);
    }

    function testWhatComesOutGoesBackToTheInventory() public {
        uint256 expected = quoted(5e18, 100e18, 300e18);
        assertEq(exchange(weth, 5e18, dai, expected, path(v2(market, true))), expected);
        assertEq(dai.balanceOf(address(inventory)), STOCK + expected);
        assertEq(weth.balanceOf(address(inventory)), STOCK - 5e18);
        assertEq(weth.balanceOf(address(executor)) + dai.balanceOf(address(executor)), 0);
        assertTrue(executor.transientIsClean(), "transient storage is clean");
    }

    function testThroughAPool() public {
        assertEq(exchange(weth, 5e18, dai, 15e18, path(v3(flat, true))), 15e18);
        assertEq(dai.balanceOf(address(inventory)), STOCK + 15e18);
    }

    function testOverTwoHopsOfEitherOrder() public {
        Pair toMid = pair(weth, 100e18, mid, 300e18);
        FixedPricePool toDai = pool(mid, dai, 10);
        uint256 out = quoted(5e18, 100e18, 300e18);
        assertEq(exchange(weth, 5e18, dai, 0, path(v2(toMid, true), v3(toDai, true))), out);
        assertEq(exchange(dai, 5e18, weth, 0, path(v3(toDai, false), v2(toMid, false))), _back(out));
    }

    /// @dev What 5 DAI, taken one to one for MID, buy after the first exchange moved the pair.
    function _back(uint256 out) private pure returns (uint256) {
        return quoted(5e18, 300e18 - out, 105e18);
    }

    function testOutputBelowTheMinimumReverts() public {
        uint256 out = quoted(5e18, 100e18, 300e18);
        vm.expectRevert(abi.encodeWithSelector(OutputBelowMinimum.selector, out, out + 1));
        exchange(weth, 5e18, dai, out + 1, path(v2(market, true)));
    }

    function testABlockAllowsTheCapAndNoMore() public {
        exchange(weth, CAP - 1, dai, 0, path(v3(flat, true)));
        vm.expectRevert(abi.encodeWithSelector(CapExceeded.selector, address(weth), CAP + 1, CAP));
        exchange(weth, 2, dai, 0, path(v3(flat, true)));
        exchange(weth, 1, dai, 0, path(v3(flat, true)));
        exchange(dai, CAP, weth, 0, path(v3(flat, false)));
        vm.roll(101);
        exchange(weth, CAP, dai, 0, path(v3(flat, true)));
    }

    function testAnAmountThatOverflowsTheCapIsRefused() public {
        exchange(weth, 1, dai, 0, path(v3(flat, true)));
        uint256 most = type(uint128).max;
        vm.expectRevert(abi.encodeWithSelector(CapExceeded.selector, address(weth), most + 1, CAP));
        exchange(weth, most, dai, 0, path(v3(flat, true)));
    }

    function testOnlyListedTokensAreSpentAndAccepted() public {
        FixedPricePool toMid = pool(weth, mid, 30);
        vm.expectRevert(abi.encodeWithSelector(UnlistedToken.selector, address(mid)));
        exchange(weth, 1e18, mid, 0, path(v3(toMid, true)));
        vm.expectRevert(abi.encodeWithSelector(UnlistedToken.selector, address(mid)));
        exchange(mid, 1e18, weth, 0, path(v3(toMid, false)));
    }

    function testATokenIsNotExchangedForItself() public {
        vm.expectRevert(abi.encodeWithSelector(SameToken.selector, address(weth)));
        exchange(weth, 1e18, weth, 0, path(v2(market, true), v2(market, false)));
    }

    function testTheHopsMustEndInTheTokenAskedFor() public {
        FixedPricePool astray = pool(weth, mid, 30);
        vm.expectRevert(abi.encodeWithSelector(OutputBelowMinimum.selector, 0, 0));
        exchange(weth, 1e18, dai, 0, path(v3(astray, true)));
    }

    function testNoHopsAreNoExchange() public {
        vm.expectRevert(abi.encodeWithSelector(TooFewHops.selector, 0, 1));
        exchange(weth, 1e18, dai, 0, new uint256[](0));
    }

    function testOnlyTheOperatorExchanges() public {
        vm.expectRevert(abi.encodeWithSelector(NotOperator.selector, OUTSIDER));
        vm.prank(OUTSIDER);
        executor.exchange(head(weth, 100), amounts(1e18, 0), address(dai), 0, path(v3(flat, true)));
    }

    function testItHasALastBlockAndALastSecondAndKnowsItsParent() public {
        vm.prank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(Expired.selector, 100, 99));
        executor.exchange(head(weth, 99), amounts(1e18, 0), address(dai), 0, path(v3(flat, true)));
        vm.warp(1000);
        vm.prank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(TooLate.selector, 1000, 999));
        executor.exchange(head(weth, 100, 999), amounts(1e18, 0), address(dai), 0, path(v3(flat, true)));
        vm.setBlockhash(99, bytes32(uint256(7)));
        vm.prank(OPERATOR);
        vm.expectRevert(abi.encodeWithSelector(WrongParent.selector, bytes32(uint256(7)), bytes32(uint256(8))));
        executor.exchange(head(weth, 100), amounts(1e18, 0), address(dai), bytes32(uint256(8)), path(v3(flat, true)));
    }

    function testOnlyTheExecutorDraws() public {
        address[3] memory others = [OWNER, OPERATOR, OUTSIDER];
        for (uint256 i; i < others.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(NotExecutor.selector, others[i]));
            vm.prank(others[i]);
            inventory.draw(address(weth), 1, others[i], address(dai));
        }
    }
}
