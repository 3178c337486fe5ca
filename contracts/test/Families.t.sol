// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "../src/Errors.sol";
import {Settings} from "../src/Settings.sol";
import {Kind} from "../src/libraries/Hops.sol";
import {Families} from "./base/Families.sol";
import {OpenExecutor} from "./base/World.sol";
import {FixedPricePool, Pair} from "./mocks/Pools.sol";
import {PlainToken, SilentToken, TaxedToken} from "./mocks/Tokens.sol";
import {PancakePool, SolidlyPair} from "./mocks/Venues.sol";

/// @notice A hop of every kind, at every place in a cycle, and as an exchange.
contract FamiliesTest is Families {
    function setUp() public override {
        super.setUp();
        weth.mint(address(manager), STOCK);
    }

    /// @dev One WETH buys 3 of the venue's token1, and two of those a WETH: every cycle out and back gains a half.
    function out(Kind kind) private returns (Venue memory) {
        return venue(kind, weth, mid, 30);
    }

    function home(Kind kind, address token) private returns (Venue memory back) {
        // A wrapper's own token comes home through a pool.
        return venue(kind >= Kind.Erc4626 ? Kind.Concentrated : kind, weth, PlainToken(token), 20);
    }

    function assertSettled(Venue memory through) private view {
        assertEq(PlainToken(through.token1).balanceOf(address(executor)), 0);
        assertTrue(executor.transientIsClean(), "transient storage is clean");
        assertTrue(nothingIsApproved(through), "nothing is approved");
        assertEq(address(executor).balance, 0);
        assertEq(manager.open() + vaultV3.open(), 0);
    }

    function testEveryKindComesFirst() public {
        Kind[11] memory all = kinds();
        for (uint256 i; i < all.length; ++i) {
            Venue memory through = out(all[i]);
            FixedPricePool back = pool(PlainToken(through.token1), weth, 5);
            uint256 before = weth.balanceOf(address(executor));
            assertEq(run(weth, 4e18, 2e18, join(hop(through, true), path(v3(back, true)))), 2e18);
            assertEq(weth.balanceOf(address(executor)) - before, 2e18);
            assertSettled(through);
        }
    }

    function testEveryKindComesLast() public {
        Kind[11] memory all = kinds();
        for (uint256 i; i < all.length; ++i) {
            Venue memory through = out(all[i]);
            FixedPricePool first = pool(weth, PlainToken(through.token1), 45);
            uint256[] memory hops = join(path(v3(first, true)), hop(through, false));
            assertEq(run(weth, 4e18, 2e18, hops), 2e18);
            assertSettled(through);
        }
    }

    function testEveryKindPaysAPairThatFollows() public {
        Kind[11] memory all = kinds();
        for (uint256 i; i < all.length; ++i) {
            Venue memory through = out(all[i]);
            Pair back = pair(PlainToken(through.token1), 200e18, weth, 100e18);
            uint256 expected = quoted(12e18, 200e18, 100e18) - 4e18;
            assertEq(run(weth, 4e18, expected, join(hop(through, true), path(v2(back, true)))), expected);
            assertSettled(through);
        }
    }

    function testEveryKindTwice() public {
        Kind[11] memory all = kinds();
        for (uint256 i; i < all.length; ++i) {
            Venue memory through = out(all[i]);
            Venue memory back = home(all[i], through.token1);
            assertEq(run(weth, 4e18, 2e18, join(hop(through, true), hop(back, false))), 2e18);
            assertSettled(through);
            assertSettled(back);
        }
    }

    function testEveryKindTwiceBehindAPair() public {
        Kind[11] memory all = kinds();
        for (uint256 i; i < all.length; ++i) {
            Pair first = pair(weth, 100e18, dai, 100e18);
            Venue memory through = venue(all[i], dai, mid, 30);
            Venue memory back = home(all[i], through.token1);
            uint256[] memory hops = join(path(v2(first, true)), join(hop(through, true), hop(back, false)));
            uint256 expected = quoted(4e18, 100e18, 100e18) * 15 / 10 - 4e18;
            assertEq(run(weth, 4e18, 0, hops), expected);
            assertSettled(through);
        }
    }

    function testEveryPairOfKindsSettles() public {
        Kind[11] memory all = kinds();
        for (uint256 i; i < all.length; ++i) {
            for (uint256 j; j < all.length - 3; ++j) {
                Venue memory through = out(all[i]);
                Venue memory back = venue(all[j], weth, PlainToken(through.token1), 20);
                assertEq(run(weth, 4e18, 2e18, join(hop(through, true), hop(back, false))), 2e18);
                assertSettled(through);
                assertSettled(back);
            }
        }
    }

    function testEveryKindExchangesForTheInventory() public {
        Kind[11] memory all = kinds();
        for (uint256 i; i < all.length - 3; ++i) {
            Venue memory through = venue(all[i], weth, dai, 30);
            uint256 before = dai.balanceOf(address(inventory));
            vm.roll(block.number + 1);
            assertEq(exchange(weth, 4e18, dai, 12e18, hop(through, true)), 12e18);
            assertEq(exchange(dai, 6e18, weth, 2e18, hop(through, false)), 2e18);
            assertEq(dai.balanceOf(address(inventory)) - before, 6e18);
            assertSettled(through);
        }
    }

    function testAWrapperPaysTheInventoryItself() public {
        Venue memory vault = venue(Kind.Erc4626, weth, mid, 30);
        Venue memory staked = venue(Kind.WstEth, weth, mid, 30);
        Venue memory lent = venue(Kind.AaveV3, weth, mid, 30);
        Venue[3] memory all = [vault, staked, lent];
        for (uint256 i; i < all.length; ++i) {
            Venue memory through = all[i];
            FixedPricePool toDai = pool(PlainToken(through.token1), dai, 10);
            vm.roll(block.number + 1);
            assertEq(exchange(weth, 4e18, dai, 0, join(hop(through, true), path(v3(toDai, true)))), 12e18);
            assertEq(exchange(dai, 6e18, weth, 0, join(path(v3(toDai, false)), hop(through, false))), 2e18);
            assertSettled(through);
        }
    }

    function testCurvesUnderlyingCoinsAreExchangedToo() public {
        Venue memory through = out(Kind.Curve);
        uint256[] memory forth = path(word(through.where, Kind.Curve, false), uint160(address(mid)) | 0x010201 << 160);
        assertEq(run(weth, 4e18, 2e18, join(forth, path(v3(pool(mid, weth, 5), true)))), 2e18);
        assertSettled(through);
    }

    function testABufferOfTheVaultWrapsAndUnwraps() public {
        Venue memory through = out(Kind.BalancerV3);
        uint256 buffer = 1 << 160;
        uint256[] memory forth = path(word(through.where, Kind.BalancerV3, true), uint160(address(mid)) | buffer);
        uint256[] memory back = path(word(through.where, Kind.BalancerV3, false), uint160(address(weth)) | buffer);
        assertEq(run(weth, 4e18, 2e18, join(forth, path(v3(pool(mid, weth, 5), true)))), 2e18);
        assertEq(run(weth, 4e18, 2e18, join(path(v3(pool(weth, mid, 45), true)), back)), 2e18);
        assertSettled(through);
    }

    function testPancakesNamesAreAnsweredToo() public {
        PancakePool flat = new PancakePool(address(weth), address(mid), 30);
        stock(address(flat), address(weth), address(mid));
        Venue memory through = venue(Kind.Solidly, weth, mid, 30);
        SolidlyPair(through.where).speakPancake();
        uint256[] memory back = path(v3(pool(mid, weth, 5), true));
        assertEq(run(weth, 4e18, 2e18, join(path(word(address(flat), Kind.Concentrated, true)), back)), 2e18);
        assertEq(run(weth, 4e18, 2e18, join(hop(through, true), back)), 2e18);
    }

    function testASilentTokenIsApprovedToo() public {
        PlainToken usdt = PlainToken(address(new SilentToken()));
        Venue memory through = venue(Kind.Curve, usdt, weth, 5);
        FixedPricePool first = pool(weth, usdt, 30);
        assertEq(run(weth, 4e18, 2e18, join(path(v3(first, true)), hop(through, true))), 2e18);
    }

    /// @dev A tenth is kept on the way here, and a tenth on the way on: what counts is what arrives.
    function testWhatIsPassedOnIsMeasuredWhereItArrives() public {
        TaxedToken taxed = new TaxedToken();
        address[] memory tokens = new address[](2);
        (tokens[0], tokens[1]) = (address(weth), address(taxed));
        executor = new OpenExecutor(
            OWNER,
            operators(),
            TREASURY,
            tokens,
            unbounded(tokens),
            Settings.Venues(address(0), address(0), address(0), address(0), address(0))
        );
        weth.mint(address(executor.INVENTORY()), STOCK);
        Venue memory through = venue(Kind.Curve, weth, taxed, 10);
        assertEq(exchange(weth, 1e18, taxed, 0.81e18, hop(through, true)), 0.81e18);
        assertEq(taxed.balanceOf(address(executor.INVENTORY())), 0.81e18);
    }

    // the native coin

    /// @dev The World's WETH earns; here it is the wrapped coin.
    function native() private returns (Venue memory wrapper, Venue memory coins) {
        weth = wrapped;
        executor = executorEarning(address(wrapped));
        vm.deal(address(wrapped), COINS);
        weth.mint(address(manager), STOCK);
        wrapper = Venue(Kind.WrappedNative, address(wrapped), address(0), address(wrapped), address(0));
        coins = v4(address(0), address(mid), 30, 0, address(0));
    }

    function testCoinsAreUnwrappedForAPoolThatWantsThem() public {
        (Venue memory wrapper, Venue memory coins) = native();
        FixedPricePool back = pool(mid, weth, 5);
        uint256[] memory hops = join(join(hop(wrapper, false), hop(coins, true)), path(v3(back, true)));
        assertEq(run(weth, 4e18, 2e18, hops), 2e18);
        assertSettled(coins);
    }

    function testCoinsAPoolPaysAreWrapped() public {
        (Venue memory wrapper, Venue memory coins) = native();
        FixedPricePool first = pool(weth, mid, 45);
        uint256[] memory hops = join(path(v3(first, true)), join(hop(coins, false), hop(wrapper, true)));
        assertEq(run(weth, 4e18, 2e18, hops), 2e18);
        assertSettled(coins);
    }

    function testCoinsMayBeTheFirstThingBought() public {
        (Venue memory wrapper, Venue memory coins) = native();
        executor = executorEarning(address(mid));
        FixedPricePool back = pool(weth, mid, 45);
        uint256[] memory hops = join(hop(coins, false), join(hop(wrapper, true), path(v3(back, true))));
        assertEq(run(mid, 6e18, 3e18, hops), 3e18);
        assertTrue(executor.transientIsClean(), "transient storage is clean");
    }

    function testCoinsFromAnyoneElseAreRefused() public {
        vm.deal(OUTSIDER, 1e18);
        vm.prank(OUTSIDER);
        (bool accepted, bytes memory answer) = address(executor).call{value: 1e18}("");
        assertTrue(!accepted, "refused");
        assertTrue(bytes4(answer) == UnexpectedCoins.selector, "by name");
    }

    function testCoinsLeftHereAreSweptToTheTreasury() public {
        vm.deal(address(executor), 3e18);
        vm.prank(OWNER);
        assertEq(executor.sweep(address(0)), 3e18);
        assertEq(TREASURY.balance, 3e18);
        assertEq(address(executor).balance, 0);
    }

    // who lends

    function testWithoutAManagerTheVaultLends() public {
        executor = executorWith(
            address(weth), Settings.Venues(address(0), address(0), address(0), address(vaultV3), address(0))
        );
        stock(address(vaultV3), address(weth), address(mid));
        Venue memory through = out(Kind.Curve);
        assertEq(run(weth, 4e18, 2e18, join(hop(through, true), path(v3(pool(mid, weth, 5), true)))), 2e18);
        assertSettled(through);
    }

    function testWithoutALenderOnlyPoolsThatGiveCreditComeFirst() public {
        executor =
            executorWith(address(weth), Settings.Venues(address(0), address(0), address(0), address(0), address(0)));
        Venue memory through = out(Kind.Curve);
        uint256[] memory words = hop(through, true);
        words = join(words, path(v3(pool(mid, weth, 5), true)));
        vm.expectRevert(abi.encodeWithSelector(NoLender.selector, words[0]));
        run(weth, 4e18, 0, words);
    }

    function testASingletonThisChainLacksIsNamed() public {
        executor =
            executorWith(address(weth), Settings.Venues(address(0), address(0), address(0), address(0), address(0)));
        uint256[] memory back = path(v3(pool(mid, weth, 5), true));
        uint256[] memory first = path(v3(pool(weth, dai, 10), true));
        Kind[3] memory absent = [Kind.UniswapV4, Kind.BalancerV3, Kind.BalancerV2];
        for (uint256 i; i < 3; ++i) {
            uint256[] memory words = hop(venue(absent[i], dai, mid, 30), true);
            vm.expectRevert(abi.encodeWithSelector(NoVenue.selector, words[0]));
            run(weth, 4e18, 0, join(first, join(words, back)));
        }
    }
}
