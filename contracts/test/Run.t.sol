// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "../src/Errors.sol";
import {Executor} from "../src/Executor.sol";
import {Inventory} from "../src/Inventory.sol";
import {Kind} from "../src/libraries/Hops.sol";
import {OpenExecutor, World} from "./base/World.sol";
import {FixedPricePool, Pair} from "./mocks/Pools.sol";
import {PlainToken, RefusingToken, SilentToken, TaxedToken, TolledToken} from "./mocks/Tokens.sol";

/// @notice `Executor.run`: closed cycles of every make, and every refusal.
contract RunTest is World {
    Pair internal cheap;
    Pair internal dear;
    FixedPricePool internal flat;

    function setUp() public override {
        super.setUp();
        cheap = pair(weth, 100e18, mid, 300e18);
        dear = pair(mid, 200e18, weth, 100e18);
        flat = pool(mid, weth, 5);
    }

    function testTwoPairsGainWhatTheFormulaSays() public {
        uint256 expected = quoted(quoted(5e18, 100e18, 300e18), 200e18, 100e18) - 5e18;
        assertEq(run(weth, 5e18, expected, path(v2(cheap, true), v2(dear, true))), expected);
        assertEq(weth.balanceOf(address(executor)), expected);
        assertTrue(executor.transientIsClean(), "transient storage is clean");
    }

    function testPairThenPool() public {
        uint256 expected = quoted(5e18, 100e18, 300e18) / 2 - 5e18;
        assertEq(run(weth, 5e18, expected, path(v2(cheap, true), v3(flat, true))), expected);
        assertEq(mid.balanceOf(address(executor)), 0);
    }

    function testPoolThenPair() public {
        FixedPricePool generous = pool(weth, mid, 30);
        uint256 expected = quoted(15e18, 200e18, 100e18) - 5e18;
        assertEq(run(weth, 5e18, expected, path(v3(generous, true), v2(dear, true))), expected);
    }

    function testPoolThenPool() public {
        FixedPricePool generous = pool(weth, mid, 30);
        assertEq(run(weth, 5e18, 2.5e18, path(v3(generous, true), v3(flat, true))), 2.5e18);
        assertTrue(executor.transientIsClean(), "transient storage is clean");
    }

    function testThreeHopsOfBothKinds() public {
        FixedPricePool toDai = pool(mid, dai, 10);
        Pair home = pair(dai, 200e18, weth, 100e18);
        uint256 expected = quoted(quoted(5e18, 100e18, 300e18), 200e18, 100e18) - 5e18;
        assertEq(run(weth, 5e18, 0, path(v2(cheap, true), v3(toDai, true), v2(home, true))), expected);
    }

    function testSecondProfitTokenMayEarn() public {
        Pair first = pair(dai, 100e18, mid, 300e18);
        Pair second = pair(mid, 200e18, dai, 100e18);
        assertTrue(run(dai, 5e18, 1e18, path(v2(first, true), v2(second, true))) > 1e18, "dai is earned");
    }

    function testNoInventoryIsTouched() public {
        run(weth, 5e18, 0, path(v2(cheap, true), v2(dear, true)));
        assertEq(weth.balanceOf(address(inventory)), STOCK);
    }

    function testSilentTokenIsAsGoodAsAny() public {
        PlainToken usdt = PlainToken(address(new SilentToken()));
        Pair first = pair(weth, 100e18, usdt, 300e18);
        Pair second = pair(usdt, 200e18, weth, 100e18);
        assertTrue(run(weth, 5e18, 1e18, path(v2(first, true), v2(second, true))) > 1e18, "it gains");
    }

    function testSmallMoveOfAPoolChangesTheGainNotTheSuccess() public {
        weth.mint(address(dear), 1e18);
        dear.sync();
        uint256 expected = quoted(quoted(5e18, 100e18, 300e18), 200e18, 101e18) - 5e18;
        assertEq(run(weth, 5e18, 1, path(v2(cheap, true), v2(dear, true))), expected);
    }

    function testGainBelowTheMinimumReverts() public {
        uint256 gain = quoted(quoted(5e18, 100e18, 300e18), 200e18, 100e18) - 5e18;
        vm.expectRevert(abi.encodeWithSelector(GainBelowMinimum.selector, int256(gain), gain + 1));
        run(weth, 5e18, gain + 1, path(v2(cheap, true), v2(dear, true)));
    }

    function testLossIsNotPaidFromWhatWasEarnedBefore() public {
        weth.mint(address(executor), 10e18);
        Pair back = pair(mid, 300e18, weth, 100e18);
        uint256 received = quoted(quoted(5e18, 100e18, 300e18), 300e18, 100e18);
        vm.expectRevert(abi.encodeWithSelector(GainBelowMinimum.selector, int256(received) - 5e18, 0));
        run(weth, 5e18, 0, path(v2(cheap, true), v2(back, true)));
    }

    function testALossIsNamedEvenWhenNothingIsHeldToPayItWith() public {
        Pair back = pair(mid, 300e18, weth, 100e18);
        uint256 received = quoted(quoted(5e18, 100e18, 300e18), 300e18, 100e18);
        vm.expectRevert(abi.encodeWithSelector(GainBelowMinimum.selector, int256(received) - 5e18, 0));
        run(weth, 5e18, 0, path(v2(cheap, true), v2(back, true)));
    }

    /// @dev Repaying costs more than is owed here: only the balance after everything tells.
    function testTheLastWordIsTheBalanceAfterRepaying() public {
        TolledToken tolled = new TolledToken();
        address[] memory earns = new address[](1);
        earns[0] = address(tolled);
        Inventory.Stock memory nothing;
        executor = new OpenExecutor(OWNER, operators(), TREASURY, earns, nothing, venues());
        tolled.mint(address(executor), 10e18);
        Pair first = pair(tolled, 100e18, mid, 300e18);
        Pair second = pair(mid, 200e18, tolled, 100e18);
        tolled.charge(address(executor), 3e18);
        int256 gain = int256(quoted(quoted(5e18, 100e18, 300e18), 200e18, 100e18)) - 8e18;
        vm.expectRevert(abi.encodeWithSelector(GainBelowMinimum.selector, gain, 0));
        run(tolled, 5e18, 0, path(v2(first, true), v2(second, true)));
    }

    function testTokenThatRefusesATransferIsNamed() public {
        RefusingToken refusing = new RefusingToken();
        FixedPricePool second = pool(refusing, weth, 5);
        uint256[] memory hops = path(v2(pair(weth, 100e18, refusing, 300e18), true), v3(second, true));
        vm.expectRevert(abi.encodeWithSelector(TransferFailed.selector, refusing, second, 0));
        run(weth, 5e18, 0, hops);
    }

    function testTaxedTokenIsMeasuredNotBelieved() public {
        TaxedToken taxed = new TaxedToken();
        uint256[] memory hops =
            path(v2(pair(weth, 100e18, taxed, 300e18), true), v2(pair(taxed, 200e18, weth, 100e18), true));
        vm.expectRevert(Pair.Underpaid.selector);
        run(weth, 5e18, 0, hops);
    }

    function testOnlyTheOperatorRuns() public {
        uint256[] memory hops = path(v2(cheap, true), v2(dear, true));
        vm.expectRevert(abi.encodeWithSelector(NotOperator.selector, OWNER));
        vm.prank(OWNER);
        executor.run(head(weth, block.number), amounts(5e18, 0), 0, hops);
    }

    function testTheLastBlockIsInclusive() public {
        uint256[] memory hops = path(v2(cheap, true), v2(dear, true));
        vm.expectRevert(abi.encodeWithSelector(Expired.selector, 100, 99));
        vm.prank(OPERATOR);
        executor.run(head(weth, 99), amounts(5e18, 0), 0, hops);
        vm.prank(OPERATOR);
        executor.run(head(weth, 100), amounts(5e18, 0), 0, hops);
    }

    function testTheLastSecondIsInclusive() public {
        uint256[] memory hops = path(v2(cheap, true), v2(dear, true));
        vm.warp(1000);
        vm.expectRevert(abi.encodeWithSelector(TooLate.selector, 1000, 999));
        vm.prank(OPERATOR);
        executor.run(head(weth, 100, 999), amounts(5e18, 0), 0, hops);
        vm.prank(OPERATOR);
        executor.run(head(weth, 100, 1000), amounts(5e18, 0), 0, hops);
    }

    function testAChainThatSplitsOffIsRefused() public {
        uint256[] memory hops = path(v2(cheap, true), v2(dear, true));
        vm.chainId(10001);
        vm.expectRevert(abi.encodeWithSelector(WrongChain.selector, 10001, 31337));
        vm.prank(OPERATOR);
        executor.run(head(weth, 100), amounts(5e18, 0), 0, hops);
    }

    function testAnotherBranchOfTheChainIsRefused() public {
        uint256[] memory hops = path(v2(cheap, true), v2(dear, true));
        vm.setBlockhash(99, bytes32(uint256(7)));
        vm.expectRevert(abi.encodeWithSelector(WrongParent.selector, bytes32(uint256(7)), bytes32(uint256(8))));
        vm.prank(OPERATOR);
        executor.run(head(weth, 100), amounts(5e18, 0), bytes32(uint256(8)), hops);
        vm.prank(OPERATOR);
        executor.run(head(weth, 100), amounts(5e18, 0), bytes32(uint256(7)), hops);
    }

    function testOnlyAListedTokenCountsAsProfit() public {
        vm.expectRevert(abi.encodeWithSelector(NotProfitToken.selector, address(mid)));
        run(mid, 5e18, 0, path(v2(dear, true), v2(cheap, true)));
        vm.expectRevert(abi.encodeWithSelector(NotProfitToken.selector, address(0)));
        run(PlainToken(address(0)), 5e18, 0, path(v2(dear, true), v2(cheap, true)));
    }

    function testOneHopIsNoCycle() public {
        vm.expectRevert(abi.encodeWithSelector(TooFewHops.selector, 1, 2));
        run(weth, 5e18, 0, path(v2(cheap, true)));
    }

    function testACycleThatDoesNotCloseIsRefused() public {
        uint256[] memory hops = path(v2(cheap, true), v3(pool(mid, dai, 10), true));
        vm.expectRevert(abi.encodeWithSelector(GainBelowMinimum.selector, -5e18, 0));
        run(weth, 5e18, 0, hops);
    }

    function testUnknownKindsAndBitsAreRefused(uint256 junk) public {
        uint256 hop = v2(dear, true) ^ (junk >> 184 << 184);
        vm.assume(hop >> 193 != 0 || uint8(hop >> 184) > uint8(type(Kind).max));
        vm.expectRevert(abi.encodeWithSelector(InvalidHop.selector, hop));
        run(weth, 5e18, 0, path(v2(cheap, true), hop));
    }

    function testAnAmountThatNoPairCanHoldIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(AmountTooLarge.selector, 1 << 112));
        run(weth, 1 << 112, 0, path(v2(cheap, true), v2(dear, true)));
    }

    function testAFeeAboveAMillionIsRefused() public {
        uint256 dearer = v2(cheap, true) & ~(uint256(type(uint24).max) << 160) | 1_000_001 << 160;
        vm.expectRevert(abi.encodeWithSelector(FeeTooLarge.selector, 1_000_001));
        run(weth, 1e18, 0, path(dearer, v2(dear, true)));
    }

    function testWhatIsNoPoolIsNamed() public {
        address nobody = address(0xDEAD);
        vm.expectRevert(abi.encodeWithSelector(NoPool.selector, nobody));
        run(weth, 1e18, 0, path(word(nobody, Kind.Concentrated, true), v2(dear, true)));
        vm.expectRevert(abi.encodeWithSelector(MissedCallback.selector, nobody));
        run(weth, 1e18, 0, path(v2(cheap, true), word(nobody, Kind.Concentrated, true)));
    }

    function testItGainsAtLeastTheMinimumOrReverts(uint256 amountIn, uint256 minGain, uint256 reserve) public {
        amountIn = bound(amountIn, 1, 1000e18);
        minGain = bound(minGain, 0, 20e18);
        Pair second = pair(mid, bound(reserve, 1e18, 1000e18), weth, 100e18);
        weth.mint(address(executor), 1e18);
        uint256[] memory hops = path(v2(cheap, true), v2(second, true));
        vm.prank(OPERATOR);
        try executor.run(head(weth, block.number), amounts(amountIn, minGain), 0, hops) returns (uint256 gain) {
            assertTrue(gain >= minGain, "the gain is at least the minimum");
            assertEq(weth.balanceOf(address(executor)), 1e18 + gain);
        } catch {
            assertEq(weth.balanceOf(address(executor)), 1e18);
        }
        assertTrue(executor.transientIsClean(), "transient storage is clean");
    }

    function testEveryOperatorRunsAndNoneSweeps() public {
        for (uint256 i; i < 2; ++i) {
            vm.prank(operators()[i]);
            executor.run(head(weth, block.number), amounts(1e18, 0), 0, path(v2(cheap, true), v2(dear, true)));
            vm.expectRevert(abi.encodeWithSelector(NotOwner.selector, operators()[i]));
            vm.prank(operators()[i]);
            executor.sweep(address(weth));
        }
        assertTrue(!executor.isOperator(address(0)), "nobody is no operator");
    }

    function testSettingsThatCannotWorkAreRefused() public {
        address[] memory one = new address[](1);
        one[0] = address(weth);
        address[] memory none = new address[](0);
        address[] memory five = new address[](5);
        for (uint256 i; i < 5; ++i) {
            five[i] = address(uint160(i + 1));
        }
        address[] memory withTheOwner = operators();
        withTheOwner[1] = OWNER;
        address[] memory withNobody = operators();
        withNobody[1] = address(0);
        Inventory.Stock memory nothing;
        address[][4] memory wrong = [none, five, withTheOwner, withNobody];
        for (uint256 i; i < wrong.length; ++i) {
            vm.expectRevert(InvalidSettings.selector);
            new Executor(OWNER, wrong[i], TREASURY, one, nothing, venues());
        }
        vm.expectRevert(InvalidSettings.selector);
        new Executor(address(0), operators(), TREASURY, one, nothing, venues());
        vm.expectRevert(InvalidSettings.selector);
        new Executor(OWNER, operators(), address(0), one, nothing, venues());
        vm.expectRevert(InvalidSettings.selector);
        new Executor(OWNER, operators(), TREASURY, none, nothing, venues());
        vm.expectRevert(InvalidSettings.selector);
        new Executor(OWNER, operators(), TREASURY, five, nothing, venues());
    }
}
