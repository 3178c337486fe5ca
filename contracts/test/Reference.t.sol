// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "../src/Errors.sol";
import {Inventory} from "../src/Inventory.sol";
import {Kind} from "../src/libraries/Hops.sol";
import {Mean} from "../src/libraries/Mean.sol";
import {Referenced} from "./base/Referenced.sol";
import {EvilPool, FixedPricePool, MeanPool} from "./mocks/Pools.sol";
import {PlainToken} from "./mocks/Tokens.sol";

/// @notice What must come back for what is drawn: the mean price of Uniswap's own pools, and what nobody can do about it.
contract ReferenceTest is Referenced {
    FixedPricePool internal flat;

    function setUp() public override {
        super.setUp();
        flat = pool(weth, dai, 30);
    }

    function least(PlainToken from, uint256 amount, PlainToken to) private view returns (uint256) {
        return inventory.leastOut(address(from), amount, address(to));
    }

    /// @dev Another inventory, of three tokens in an order of choice; each reference is a pool that never moved.
    function inventoryOf(address[3] memory three, int24[2] memory ticks, uint32 slippagePpm)
        private
        returns (Inventory)
    {
        Inventory.Stock memory made;
        (made.tokens, made.caps, made.references) = (new address[](3), new uint128[](3), new address[](2));
        for (uint256 i; i < 3; ++i) {
            (made.tokens[i], made.caps[i]) = (three[i], CAP);
            if (i > 0) made.references[i - 1] = address(new MeanPool(ticks[i - 1]));
        }
        (made.window, made.slippagePpm) = (WINDOW, slippagePpm);
        return new Inventory(OWNER, TREASURY, made);
    }

    function testTheLeastIsTheMeanLessTheSlippage() public view {
        uint256 forth = least(weth, 1e18, dai);
        assertTrue(forth > 2.6998e18 && forth < 2.7004e18, "nine tenths of three");
        uint256 back = least(dai, 3e18, weth);
        assertTrue(back > 0.8999e18 && back < 0.9002e18, "nine tenths of one");
        assertEq(least(weth, 0, dai), 0);
        assertTrue(least(weth, 1, dai) >= 3, "a unit is rounded up");
    }

    function testATradeMayEndAtTheLeastAndNotBelow() public {
        uint256 asked = least(weth, 1e18, dai);
        FixedPricePool poor = pool(weth, dai, 26);
        vm.expectRevert(abi.encodeWithSelector(OutputBelowReference.selector, 2.6e18, asked));
        exchange(weth, 1e18, dai, 0, path(v3(poor, true)));
        assertEq(exchange(weth, 1e18, dai, 0, path(v3(flat, true))), 3e18);
    }

    function testTheTradersOwnMinimumHoldsWhereItIsMore() public {
        vm.expectRevert(abi.encodeWithSelector(OutputBelowMinimum.selector, 3e18, 3e18 + 1));
        exchange(weth, 1e18, dai, 3e18 + 1, path(v3(flat, true)));
    }

    function testRoutesMustBringWhatAllOfThemDrewTogether() public {
        uint256 share = 4e18 | 1 << 160 | uint256(Kind.Route) << 184;
        uint256 rest = 1 << 160 | uint256(Kind.Route) << 184;
        uint256[] memory words = new uint256[](4);
        (words[0], words[1], words[2], words[3]) = (share, v3(flat, true), rest, v3(pool(weth, dai, 20), true));
        uint256 asked = least(weth, 4e18, dai) + least(weth, 1e18, dai);
        assertEq(exchange(weth, 5e18, dai, 0, words), 14e18);
        assertTrue(14e18 >= asked, "the good route makes up for the bad one");
        words[0] = 2e18 | 1 << 160 | uint256(Kind.Route) << 184;
        asked = least(weth, 2e18, dai) + least(weth, 3e18, dai);
        vm.expectRevert(abi.encodeWithSelector(OutputBelowReference.selector, 12e18, asked));
        exchange(weth, 5e18, dai, 0, words);
    }

    /// @dev Each unit of rounding is the inventory's.
    function testSplittingATheftGainsNothing(uint256 amount, uint256 part) public view {
        amount = bound(amount, 1, CAP);
        part = bound(part, 0, amount);
        assertTrue(least(weth, part, dai) + least(weth, amount - part, dai) >= least(weth, amount, dai), "no less");
    }

    function testNothingInTheSameBlockMovesTheMean(uint256 amount, bool zeroForOne, uint256 again) public {
        uint256 before = least(weth, 1e18, dai);
        mover.move(meanPool, bound(amount, 1, 1e30), zeroForOne);
        assertEq(least(weth, 1e18, dai), before);
        mover.move(meanPool, bound(again, 1, 1e30), !zeroForOne);
        assertEq(least(weth, 1e18, dai), before);
    }

    /// @dev What stands for a second counts for a second: a thousandth of the window moves the tick's mean as much.
    function testWhatOutlastsItsBlockCountsForItsTime() public {
        uint256 before = least(weth, 1e18, dai);
        bool wethFirst = address(weth) < address(dai);
        mover.move(meanPool, 1000e18, !wethFirst);
        vm.warp(block.timestamp + BLOCK_S);
        uint256 dearer = least(weth, 1e18, dai);
        assertTrue(dearer > before && dearer < before * 103 / 100, "a fiftieth of what the swap moved it by");
        vm.warp(block.timestamp + WINDOW);
        assertTrue(least(weth, 1e18, dai) > before * 2, "after a window it is the price");
    }

    function testAThiefWhoMovesTheReferenceFirstIsAskedForTheSame() public {
        uint256 asked = least(weth, CAP, dai);
        mover.move(meanPool, 1e24, address(weth) < address(dai));
        EvilPool.Script memory script;
        script.delivers = asked - 1;
        EvilPool thief = evil(weth, dai, script);
        dai.mint(address(thief), asked);
        vm.expectRevert(abi.encodeWithSelector(OutputBelowReference.selector, asked - 1, asked));
        exchange(weth, CAP, dai, 0, path(word(address(thief), Kind.ConstantProduct, true)));
    }

    function testAReferenceThatDoesNotRememberSoFarIsNamed() public {
        address young = mover.make(mid, dai);
        address[] memory tokens = new address[](2);
        (tokens[0], tokens[1]) = (address(mid), address(dai));
        Inventory forgetful = new Inventory(OWNER, TREASURY, bounded(tokens, young, SLIPPAGE_PPM));
        vm.warp(block.timestamp + WINDOW - 1);
        vm.expectRevert(abi.encodeWithSelector(NoReference.selector, address(dai), young));
        forgetful.leastOut(address(mid), 1, address(dai));
        vm.warp(block.timestamp + 1);
        assertTrue(forgetful.leastOut(address(mid), 1e18, address(dai)) > 2.6998e18, "now it is as old as the window");
        Inventory nowhere = new Inventory(OWNER, TREASURY, bounded(tokens, address(7), SLIPPAGE_PPM));
        vm.expectRevert(abi.encodeWithSelector(NoReference.selector, address(dai), address(7)));
        nowhere.leastOut(address(dai), 1, address(mid));
    }

    /// @dev However the three lie in the order of addresses, and whichever two of them are traded.
    function testEveryOrderOfTokensIsPricedAlike() public {
        address[3] memory sorted = [address(0x1111), address(0x2222), address(0x3333)];
        for (uint256 i; i < 6; ++i) {
            address[3] memory three = [sorted[i % 3], sorted[(i + 1 + i / 3) % 3], sorted[(i + 2 - i / 3) % 3]];
            // The second costs 1.0001^1000 of the first, and the third 1.0001^-300 of it.
            int24[2] memory ticks =
                [three[0] < three[1] ? int24(-1000) : int24(1000), three[0] < three[2] ? int24(300) : int24(-300)];
            Inventory priced = inventoryOf(three, ticks, 0);
            assertEq(priced.leastOut(three[1], 1e18, three[0]), Mean.worth(1e18, 1000));
            assertEq(priced.leastOut(three[0], 1e18, three[1]), Mean.worth(1e18, -1000));
            assertEq(priced.leastOut(three[2], 1e18, three[0]), Mean.worth(1e18, -300));
            assertEq(priced.leastOut(three[1], 1e18, three[2]), Mean.worth(1e18, 1300));
            assertEq(priced.leastOut(three[2], 1e18, three[1]), Mean.worth(1e18, -1300));
            assertEq(priced.leastOut(three[2], 1e18, three[2]), 1e18);
        }
    }

    function testOnlyTheInventorysTokensArePriced() public {
        vm.expectRevert(abi.encodeWithSelector(UnlistedToken.selector, address(mid)));
        inventory.leastOut(address(mid), 1, address(dai));
        vm.expectRevert(abi.encodeWithSelector(UnlistedToken.selector, address(mid)));
        inventory.leastOut(address(dai), 1, address(mid));
    }

    /// @dev By rational arithmetic: `ceil(Fraction(10001, 10000) ** tick * amount)`.
    function testPowersAreExactToTheUnit() public pure {
        assertEq(Mean.worth(1e18, 10_986), 2999798361757480836);
        assertEq(Mean.worth(1e18, -10_986), 333355739088454492);
        assertEq(Mean.worth(1, 0), 1);
        assertEq(Mean.worth(7, 1), 8);
        assertEq(Mean.worth(1e6, -1), 999_901);
        assertEq(Mean.worth(2500e6, 200_311), 1249974819477202038);
        assertEq(Mean.worth(1e18, -201_000), 1866884073);
        assertEq(Mean.worth(1e30, -443_636), 54212146311);
        assertEq(Mean.worth(1 << 127, -887_272), 1);
        assertEq(Mean.worth(1 << 127, -1_774_544), 1);
        assertEq(Mean.worth(1, 887_272) >> 27, uint256(340256786836388094050805785052946541067) >> 27);
    }

    function testMoreThanAnAmountCanBeIsRefused() public {
        PowerProbe probe = new PowerProbe();
        vm.expectRevert(abi.encodeWithSelector(AmountTooLarge.selector, 2));
        probe.worth(2, 887_272);
        vm.expectRevert(abi.encodeWithSelector(AmountTooLarge.selector, 1 << 128));
        probe.worth(1 << 128, -1);
        vm.expectRevert(abi.encodeWithSelector(AmountTooLarge.selector, 1));
        probe.worth(1, 1_774_544);
    }

    function testThereAndBackLosesNoMoreThanRounding(uint128 amount, int24 tick) public pure {
        int256 power = int256(tick) % 200_000;
        uint256 there = Mean.worth(amount >> 64, power);
        uint256 back = Mean.worth(there, -power);
        // A unit of rounding on the way there is as many here as a unit there is worth.
        assertTrue(back >= amount >> 64 && back <= (amount >> 64) + Mean.worth(1, -power) + 1, "there and back");
    }

    function testAMeanIsRoundedUpOnEitherSideOfZero() public pure {
        int256[5] memory sums = [int256(601), 600, 0, -599, -600];
        int256[5] memory means = [int256(2), 1, 0, 0, -1];
        for (uint256 i; i < 5; ++i) {
            assertTrue(Mean.up(sums[i], WINDOW) == means[i], "rounded up");
        }
    }

    function testTermsThatCannotWorkAreRefused() public {
        address[] memory tokens = new address[](2);
        (tokens[0], tokens[1]) = (address(weth), address(dai));
        Inventory.Stock[7] memory wrong;
        for (uint256 i; i < wrong.length; ++i) {
            wrong[i] = bounded(tokens, meanPool, SLIPPAGE_PPM);
        }
        wrong[0].window = 0;
        wrong[1].slippagePpm = 1_000_001;
        wrong[2].references = new address[](0);
        wrong[3].references = new address[](1);
        wrong[4].slippagePpm = 1e6;
        wrong[5].caps = new uint128[](2);
        wrong[6].caps = new uint128[](1);
        for (uint256 i; i < wrong.length; ++i) {
            vm.expectRevert(InvalidSettings.selector);
            new Inventory(OWNER, TREASURY, wrong[i]);
        }
        Inventory asksNothing = new Inventory(OWNER, TREASURY, unbounded(tokens));
        assertEq(asksNothing.leastOut(address(weth), 1e18, address(dai)), 0);
    }
}

/// @notice A frame for what a library refuses.
contract PowerProbe {
    function worth(uint256 amount, int256 tick) external pure returns (uint256) {
        return Mean.worth(amount, tick);
    }
}
