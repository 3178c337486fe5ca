// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "../src/Errors.sol";
import {Executor} from "../src/Executor.sol";
import {Inventory} from "../src/Inventory.sol";
import {IPairCallbacks, IPoolCallbacks} from "../src/interfaces/ICallbacks.sol";
import {Flight} from "../src/libraries/Flights.sol";
import {Kind} from "../src/libraries/Hops.sol";
import {World} from "./base/World.sol";
import {EvilPool, FixedPricePool, Pair} from "./mocks/Pools.sol";
import {HookedToken, PlainToken} from "./mocks/Tokens.sol";

/// @notice Known robberies of trading contracts, re-enacted. The executor holds 10 WETH and 10 DAI to be robbed of.
/// Where the pools are evil the operator's key is taken to be stolen: it chose them.
contract AttacksTest is World {
    uint256 internal constant HELD = 10e18;
    Pair internal cheap;
    Pair internal dear;

    function setUp() public override {
        super.setUp();
        cheap = pair(weth, 100e18, mid, 300e18);
        dear = pair(mid, 200e18, weth, 100e18);
        weth.mint(address(executor), HELD);
        dai.mint(address(executor), HELD);
    }

    function assertNothingLost() private view {
        assertTrue(weth.balanceOf(address(executor)) >= HELD, "no weth is lost");
        assertTrue(dai.balanceOf(address(executor)) >= HELD, "no dai is lost");
        assertTrue(executor.transientIsClean(), "transient storage is clean");
    }

    function evilHop(EvilPool venue, Kind kind) private pure returns (uint256) {
        return word(address(venue), kind, true);
    }

    function honest() private pure returns (EvilPool.Script memory script) {
        script.callbacks = 1;
        script.asks = 1e18;
    }

    // callbacks nobody asked for

    function testACallbackOutOfTheBlueIsRefused(int256 asked, bytes calldata data) public {
        vm.expectRevert(abi.encodeWithSelector(UnexpectedCallback.selector, OUTSIDER));
        vm.prank(OUTSIDER);
        executor.uniswapV3SwapCallback(asked, 0, data);
        vm.expectRevert(abi.encodeWithSelector(UnexpectedCallback.selector, OUTSIDER));
        vm.prank(OUTSIDER);
        executor.uniswapV2Call(address(executor), 1, 0, data);
    }

    function testACallbackWithWellShapedDataIsRefusedToo() public {
        Flight memory flight = Flight(address(weth), 1, 0, 0, address(mid), address(executor), 0, 0);
        vm.expectRevert(abi.encodeWithSelector(UnexpectedCallback.selector, address(cheap)));
        vm.prank(address(cheap));
        executor.uniswapV2Call(address(executor), 0, 3e18, bytes.concat(abi.encode(flight), bytes32(v2(dear, true))));
    }

    function testAPoolThatAnOutsiderSwapsForUsCannotMakeUsPay() public {
        FixedPricePool flat = pool(weth, mid, 30);
        vm.expectRevert(abi.encodeWithSelector(NotOperator.selector, OUTSIDER));
        vm.prank(OUTSIDER);
        executor.run(head(weth, 100), amounts(1e18, 0), 0, path(v3(flat, true), v2(dear, true)));
        vm.expectRevert(abi.encodeWithSelector(UnexpectedCallback.selector, address(cheap)));
        vm.prank(OUTSIDER);
        cheap.swap(0, 1e18, address(executor), hex"01");
    }

    // a stranger, in the middle of an honest run

    function testAStrangerInTheMiddleOfARunGetsNothing() public {
        HookedToken hooked = new HookedToken();
        uint256[] memory hops = path(v2(pair(weth, 100e18, hooked, 300e18), true), v3(pool(hooked, weth, 5), true));
        uint256[] memory mine = path(v2(cheap, true), v2(dear, true));
        bytes[5] memory attempts = [
            abi.encodeCall(IPoolCallbacks.uniswapV3SwapCallback, (1e18, 0, "")),
            abi.encodeCall(IPairCallbacks.uniswapV2Call, (address(executor), 1e18, 0, "")),
            abi.encodeCall(Executor.run, (head(weth, 100), amounts(1e18, 0), 0, mine)),
            abi.encodeCall(Executor.exchange, (head(weth, 100), amounts(1e18, 0), address(dai), 0, mine)),
            abi.encodeCall(Executor.sweep, (address(weth)))
        ];
        for (uint256 i; i < attempts.length; ++i) {
            hooked.hook(address(executor), attempts[i]);
            run(weth, 1e18, 0, hops);
        }
        hooked.hook(
            address(inventory), abi.encodeCall(Inventory.draw, (address(weth), 1, address(hooked), address(dai)))
        );
        run(weth, 1e18, 0, hops);
        assertEq(hooked.calls(), 6 * 2);
        assertEq(hooked.successes(), 0);
        assertNothingLost();
    }

    /// @dev The operator's key and the owner's are behind contracts the attacker may call through, and still the lock holds.
    function testReentryIsRefusedEvenToTheOperator() public {
        HookedToken hooked = new HookedToken();
        Forwarder forwarder = new Forwarder();
        address[] memory tokens = new address[](1);
        tokens[0] = address(weth);
        address[] memory keys = new address[](1);
        keys[0] = address(forwarder);
        Inventory.Stock memory none;
        Executor own = new Executor(address(this), keys, TREASURY, tokens, none, venues());
        uint256[] memory hops =
            path(v2(pair(weth, 100e18, hooked, 300e18), true), v2(pair(hooked, 200e18, weth, 100e18), true));
        bytes memory again = abi.encodeCall(Executor.run, (head(weth, 100), amounts(1e18, 0), 0, hops));
        hooked.hook(address(forwarder), abi.encodeCall(Forwarder.forward, (address(own), again)));
        forwarder.forward(address(own), again);
        assertTrue(hooked.calls() > 0, "the hook was called");
        assertEq(hooked.successes(), 0);
    }

    // pools of the attacker's, chosen with a stolen operator key

    function testAnArmedPoolThatForgesItsDataIsRefused() public {
        EvilPool.Script memory script = honest();
        script.forgesData = true;
        EvilPool venue = evil(weth, mid, script);
        vm.expectRevert(abi.encodeWithSelector(UnexpectedCallback.selector, address(venue)));
        run(weth, 1e18, 0, path(evilHop(venue, Kind.Concentrated), v2(dear, true)));
        script.calledBackAsPair = true;
        venue = evil(weth, mid, script);
        vm.expectRevert(abi.encodeWithSelector(UnexpectedCallback.selector, address(venue)));
        run(weth, 1e18, 0, path(evilHop(venue, Kind.Solidly), v2(dear, true)));
        assertNothingLost();
    }

    /// @dev Of a cycle of pairs the last gives on credit: only it may call back, once, and with what it was given.
    function testTheLastOfAChainOfPairsIsHeldToItsCallback() public {
        EvilPool.Script memory script = honest();
        (script.calledBackAsPair, script.delivers) = (true, 2e18);
        for (uint256 i; i < 3; ++i) {
            script.forgesData = i == 0;
            script.callbacks = i == 1 ? 0 : 2;
            EvilPool venue = evil(mid, weth, script);
            weth.mint(address(venue), 10e18);
            bytes4 refusal = i == 1 ? MissedCallback.selector : UnexpectedCallback.selector;
            vm.expectRevert(abi.encodeWithSelector(refusal, address(venue)));
            run(weth, 1e18, 0, path(v2(cheap, true), evilHop(venue, Kind.ConstantProduct)));
        }
        assertNothingLost();
    }

    /// @dev It claims to give much, and delivers nothing: what is held does not pay for it.
    function testAChainWhoseEndDeliversNothingIsUndone() public {
        EvilPool.Script memory script = honest();
        script.calledBackAsPair = true;
        EvilPool venue = evil(mid, weth, script);
        vm.expectRevert(abi.encodeWithSelector(GainBelowMinimum.selector, -1e18, 0));
        run(weth, 1e18, 0, path(v2(cheap, true), evilHop(venue, Kind.ConstantProduct)));
        assertNothingLost();
    }

    function testAPoolThatAsksForMoreThanItsDueIsRefused() public {
        EvilPool.Script memory script = honest();
        script.asks = 1e18 + 1;
        EvilPool venue = evil(weth, mid, script);
        vm.expectRevert(abi.encodeWithSelector(WrongDebt.selector, address(venue), 1e18 + 1, 1e18));
        run(weth, 1e18, 0, path(evilHop(venue, Kind.Concentrated), v2(dear, true)));
        vm.expectRevert(abi.encodeWithSelector(WrongDebt.selector, address(venue), 1e18 + 1, 1e18));
        exchange(weth, 1e18, dai, 0, path(evilHop(venue, Kind.Concentrated), v2(dear, true)));
        assertNothingLost();
    }

    function testAPoolThatCallsBackTwiceIsRefused() public {
        EvilPool.Script memory script = honest();
        script.callbacks = 2;
        script.delivers = 50e18;
        EvilPool venue = evil(weth, dai, script);
        dai.mint(address(venue), 50e18);
        uint256[] memory hops = path(evilHop(venue, Kind.Concentrated), v3(pool(dai, weth, 10), true));
        vm.expectRevert(abi.encodeWithSelector(UnexpectedCallback.selector, address(venue)));
        run(weth, 1e18, 0, hops);
        assertNothingLost();
    }

    function testAPoolThatNeverCallsBackIsRefused() public {
        EvilPool.Script memory script;
        EvilPool venue = evil(weth, mid, script);
        vm.expectRevert(abi.encodeWithSelector(MissedCallback.selector, address(venue)));
        run(weth, 1e18, 0, path(evilHop(venue, Kind.Concentrated), v2(dear, true)));
        vm.expectRevert(abi.encodeWithSelector(MissedCallback.selector, address(venue)));
        run(weth, 1e18, 0, path(evilHop(venue, Kind.Solidly), v2(dear, true)));
        vm.expectRevert(abi.encodeWithSelector(MissedCallback.selector, address(venue)));
        exchange(weth, 1e18, dai, 0, path(evilHop(venue, Kind.Concentrated)));
        assertNothingLost();
    }

    /// @dev A pool that names DAI as what it sells and delivers none: the next hop must not pay it from what is held.
    function testPhantomDeliveriesAreNotPaidForFromWhatIsHeld() public {
        EvilPool liar = evil(weth, dai, honest());
        EvilPool.Script memory script = honest();
        script.delivers = 2e18;
        script.asks = 5e18;
        EvilPool thief = evil(dai, weth, script);
        weth.mint(address(thief), 2e18);
        uint256[] memory hops = path(evilHop(liar, Kind.Concentrated), evilHop(thief, Kind.Concentrated));
        vm.expectRevert(abi.encodeWithSelector(WrongDebt.selector, address(thief), 5e18, 0));
        run(weth, 1e18, 0, hops);
        assertNothingLost();
    }

    function testAWorthlessTokenAtAWonderfulPriceIsNoProfit() public {
        PlainToken fake = new PlainToken();
        Pair wonder = pair(weth, 1, fake, 1e30);
        uint256[] memory hops = path(v2(cheap, true), v3(pool(mid, fake, 1000), true));
        vm.expectRevert(abi.encodeWithSelector(GainBelowMinimum.selector, -1e18, 1e18));
        run(weth, 1e18, 1e18, hops);
        vm.expectRevert(abi.encodeWithSelector(NotProfitToken.selector, address(fake)));
        run(fake, 1e18, 1e18, path(v2(wonder, false), v2(wonder, true)));
        assertNothingLost();
    }

    /// @dev The most a stolen operator key can do: sell the block's cap to a pool of its own, for what the inventory
    /// must have for it and nothing more.
    function testAStolenOperatorKeyLosesAtMostTheSlippageOfTheCapPerBlock() public {
        uint256 least = inventory.leastOut(address(weth), CAP, address(dai));
        EvilPool.Script memory script;
        script.delivers = least - 1;
        EvilPool taker = evil(weth, dai, script);
        dai.mint(address(taker), least);
        vm.expectRevert(abi.encodeWithSelector(OutputBelowReference.selector, least - 1, least));
        exchange(weth, CAP, dai, 0, path(evilHop(taker, Kind.ConstantProduct)));
        script.delivers = least;
        taker.rewrite(address(weth), address(dai), script);
        exchange(weth, CAP, dai, 0, path(evilHop(taker, Kind.ConstantProduct)));
        vm.expectRevert(abi.encodeWithSelector(CapExceeded.selector, address(weth), CAP + 1, CAP));
        exchange(weth, 1, dai, 0, path(evilHop(taker, Kind.ConstantProduct)));
        assertEq(weth.balanceOf(address(inventory)), STOCK - CAP);
        assertEq(dai.balanceOf(address(inventory)), STOCK + least);
        assertTrue(least * 1e6 >= CAP * 29_997 / 1e4 * (1e6 - SLIPPAGE_PPM), "nine tenths of what three each come to");
        assertNothingLost();
    }

    function testAPoolCannotSweepOrRunWhileItSwaps() public {
        EvilPool.Script memory script = honest();
        script.delivers = 3e18;
        script.target = address(executor);
        script.callBefore = abi.encodeCall(Executor.sweep, (address(weth)));
        script.callAfter = abi.encodeCall(IPoolCallbacks.uniswapV3SwapCallback, (1e18, 0, ""));
        EvilPool venue = evil(weth, mid, script);
        mid.mint(address(venue), 3e18);
        run(weth, 1e18, 0, path(evilHop(venue, Kind.Concentrated), v2(dear, true)));
        assertEq(venue.calls(), 2);
        assertEq(venue.successes(), 0);
        assertNothingLost();
    }
}

/// @notice A contract that holds the operator's role and forwards anyone's calls.
contract Forwarder {
    function forward(address target, bytes calldata data) external {
        (bool succeeded, bytes memory answer) = target.call(data);
        if (succeeded) return;
        assembly ("memory-safe") {
            revert(add(answer, 0x20), mload(answer))
        }
    }
}
