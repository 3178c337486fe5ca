// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "../src/Errors.sol";
import {Kind} from "../src/libraries/Hops.sol";
import {Families} from "./base/Families.sol";
import {FixedPricePool, Pair} from "./mocks/Pools.sol";
import {PlainToken} from "./mocks/Tokens.sol";

/// @notice Several routes that share one input, in one transaction.
contract SplitsTest is Families {
    FixedPricePool internal out;
    FixedPricePool internal back;

    function setUp() public override {
        super.setUp();
        out = pool(weth, mid, 30);
        back = pool(mid, weth, 5);
        weth.mint(address(manager), STOCK);
    }

    function route(uint256 amount, uint256[] memory hops) private pure returns (uint256[] memory) {
        return join(path(amount | hops.length << 160 | uint256(Kind.Route) << 184), hops);
    }

    function pairs() private returns (uint256[] memory) {
        return path(v2(pair(weth, 100e18, mid, 300e18), true), v2(pair(mid, 200e18, weth, 100e18), true));
    }

    function gainOfPairs(uint256 amount) private pure returns (uint256) {
        return quoted(quoted(amount, 100e18, 300e18), 200e18, 100e18) - amount;
    }

    function testTwoCyclesGainWhatEachDoes() public {
        uint256[] memory words = join(route(1e18, pairs()), route(0, path(v3(out, true), v3(back, true))));
        uint256 expected = gainOfPairs(1e18) + 1.5e18;
        assertEq(run(weth, 4e18, expected, words), expected);
        assertTrue(executor.transientIsClean(), "transient storage is clean");
    }

    function testEveryKindMayBeARouteBesideAnother() public {
        for (uint256 i; i < kinds().length; ++i) {
            Venue memory through = venue(kinds()[i], weth, mid, 30);
            uint256[] memory hops = join(hop(through, true), path(v3(pool(PlainToken(through.token1), weth, 5), true)));
            uint256[] memory words = join(route(1e18, hops), route(0, path(v3(out, true), v3(back, true))));
            assertEq(run(weth, 4e18, 2e18, words), 2e18);
            assertTrue(nothingIsApproved(through), "nothing is approved");
        }
    }

    function testOneLoanServesAllRoutes() public {
        uint256[] memory loan = path(uint256(Kind.LentByUniswapV4) << 184);
        uint256[] memory curve = join(hop(venue(Kind.Curve, weth, mid, 30), true), path(v3(back, true)));
        uint256[] memory words = join(loan, join(route(1e18, curve), route(0, pairs())));
        uint256 expected = 0.5e18 + gainOfPairs(2e18);
        assertEq(run(weth, 3e18, expected, words), expected);
        assertEq(manager.open(), 0);
    }

    function testACycleMaySplitBehindItsFirstHop() public {
        uint256[] memory words = join(
            path(v3(out, true)), join(route(3e18, path(v3(back, true))), route(0, path(v3(pool(mid, weth, 5), true))))
        );
        assertEq(run(weth, 4e18, 2e18, words), 2e18);
    }

    function testAnExchangeSharesTheInventorysInput() public {
        Pair market = pair(weth, 100e18, dai, 300e18);
        FixedPricePool flat = pool(weth, dai, 30);
        uint256 expected = quoted(2e18, 100e18, 300e18) + 9e18;
        uint256[] memory words = join(route(2e18, path(v2(market, true))), route(0, path(v3(flat, true))));
        assertEq(exchange(weth, 5e18, dai, expected, words), expected);
        assertEq(weth.balanceOf(address(inventory)), STOCK - 5e18);
    }

    function testRoutesTogetherKeepToTheCap() public {
        FixedPricePool flat = pool(weth, dai, 30);
        uint256[] memory words = join(route(CAP, path(v3(flat, true))), route(0, path(v3(flat, true))));
        vm.expectRevert(abi.encodeWithSelector(CapExceeded.selector, address(weth), CAP + 1, CAP));
        exchange(weth, CAP + 1, dai, 0, words);
    }

    /// @dev A route that loses is paid for by what another gained; together they must reach the minimum.
    function testWhatAllRoutesGainIsHeldAgainstTheMinimum() public {
        uint256[] memory losing = path(v3(out, true), v3(pool(mid, weth, 3), true));
        uint256[] memory words = join(route(3e18, path(v3(out, true), v3(back, true))), route(0, losing));
        vm.expectRevert(abi.encodeWithSelector(GainBelowMinimum.selector, 1.4e18, 1.4e18 + 1));
        run(weth, 4e18, 1.4e18 + 1, words);
        assertEq(run(weth, 4e18, 1.4e18, words), 1.4e18);
        words = join(route(3e18, losing), route(0, losing));
        vm.expectRevert(abi.encodeWithSelector(GainBelowMinimum.selector, -0.4e18, 0));
        run(weth, 4e18, 0, words);
    }

    function testSharesBeyondTheWholeAreRefused() public {
        uint256[] memory cycle = path(v3(out, true), v3(back, true));
        uint256[] memory words = join(route(5e18, cycle), route(0, cycle));
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 0x11));
        run(weth, 4e18, 0, words);
    }

    function testARouteThatIsEmptyTooLongOrMisshapenIsRefused() public {
        uint256[] memory cycle = path(v3(out, true), v3(back, true));
        uint256 kind = uint256(Kind.Route) << 184;
        uint256[5] memory wrong =
            [kind, kind | 3 << 160, kind | 2 << 160 | 1 << 192, kind | 2 << 160 | 1 << 176, kind | 2 << 160 | 1 << 200];
        for (uint256 i; i < wrong.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(InvalidHop.selector, wrong[i]));
            run(weth, 4e18, 0, join(path(wrong[i]), cycle));
        }
        uint256[] memory second = join(route(1e18, cycle), cycle);
        vm.expectRevert(abi.encodeWithSelector(InvalidHop.selector, second[3]));
        run(weth, 4e18, 0, second);
    }
}
