// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "../src/Errors.sol";
import {Executor} from "../src/Executor.sol";
import {Settings} from "../src/Settings.sol";
import {IPairCallbacks, IPoolCallbacks, IUnlockCallbacks} from "../src/interfaces/ICallbacks.sol";
import {IPoolManager, IVaultV3} from "../src/interfaces/ISingletons.sol";
import {Kind} from "../src/libraries/Hops.sol";
import {Families} from "./base/Families.sol";
import {EvilPool, FixedPricePool} from "./mocks/Pools.sol";
import {VaultV3} from "./mocks/Singletons.sol";
import {HookedToken, PlainToken} from "./mocks/Tokens.sol";
import {AToken, FalseAToken} from "./mocks/Venues.sol";

/// @notice Robberies by way of singletons, approvals and wrappers. The executor holds WETH, DAI, coins, vault shares and
/// wrapped stakes to be robbed of; where a pool is evil the operator's key is taken to be stolen.
contract FamilyAttacksTest is Families {
    uint256 internal constant HELD = 10e18;
    Venue internal vault;
    Venue internal staked;
    Venue internal lent;
    FixedPricePool internal back;

    function setUp() public override {
        super.setUp();
        back = pool(mid, weth, 5);
        vault = venue(Kind.Erc4626, weth, mid, 30);
        staked = venue(Kind.WstEth, weth, mid, 30);
        lent = venue(Kind.AaveV3, weth, mid, 30);
        weth.mint(address(manager), STOCK);
        for (uint256 i; i < 6; ++i) {
            PlainToken(held()[i]).mint(address(executor), HELD);
        }
        vm.deal(address(executor), HELD);
        vm.deal(address(wrapped), COINS);
    }

    function held() private view returns (address[6] memory) {
        return [address(weth), address(dai), vault.token1, staked.token1, lent.token1, address(wrapped)];
    }

    function assertNothingLost() private view {
        for (uint256 i; i < 6; ++i) {
            assertTrue(PlainToken(held()[i]).balanceOf(address(executor)) >= HELD, "no token is lost");
        }
        assertTrue(address(executor).balance >= HELD, "no coin is lost");
        assertTrue(executor.transientIsClean(), "transient storage is clean");
        assertEq(manager.open() + vaultV3.open(), 0);
    }

    function evilHop(EvilPool through, Kind kind) private pure returns (uint256[] memory) {
        return path(word(address(through), kind, true));
    }

    function curveHop(EvilPool through) private view returns (uint256[] memory) {
        return path(word(address(through), Kind.Curve, false), uint160(through.token1()) | 1 << 168);
    }

    // callbacks nobody asked for

    function testNoCallbackIsAnsweredOutOfTheBlue(int256 asked, bytes calldata data) public {
        bytes[6] memory calls = [
            abi.encodeCall(IPairCallbacks.hook, (address(executor), 1, 0, data)),
            abi.encodeCall(IPairCallbacks.pancakeCall, (address(executor), 1, 0, data)),
            abi.encodeCall(IPoolCallbacks.pancakeV3SwapCallback, (asked, 0, data)),
            abi.encodeCall(IPoolCallbacks.algebraSwapCallback, (asked, 0, data)),
            abi.encodeCall(IUnlockCallbacks.unlockCallback, (data)),
            abi.encodeCall(IUnlockCallbacks.balancerUnlocked, (data))
        ];
        address[3] memory callers = [OUTSIDER, address(manager), address(vaultV3)];
        for (uint256 i; i < calls.length; ++i) {
            for (uint256 j; j < callers.length; ++j) {
                vm.expectRevert(abi.encodeWithSelector(UnexpectedCallback.selector, callers[j]));
                vm.prank(callers[j]);
                (bool succeeded,) = address(executor).call(calls[i]);
                succeeded;
            }
        }
    }

    /// @dev An evil pool, armed as a pool, may not speak in a singleton's stead, not even with the right data.
    function testAnArmedPoolIsNoSingleton() public {
        Mimic mimic = new Mimic(address(weth), address(mid));
        uint256[] memory hops = path(word(address(mimic), Kind.Concentrated, true), v3(back, true));
        vm.expectRevert(abi.encodeWithSelector(UnexpectedCallback.selector, address(mimic)));
        run(weth, 1e18, 0, hops);
        mimic.speakAsVault();
        vm.expectRevert(abi.encodeWithSelector(UnexpectedCallback.selector, address(mimic)));
        run(weth, 1e18, 0, hops);
        assertNothingLost();
    }

    // approvals

    function testAnApprovalNobodyUsedIsGone() public {
        EvilPool.Script memory script;
        script.delivers = 4e18;
        script.asks = 1e18;
        EvilPool through = evil(weth, mid, script);
        mid.mint(address(through), 4e18);
        run(weth, 2e18, 0, join(curveHop(through), path(v3(back, true))));
        assertEq(weth.allowance(address(executor), address(through)), 0);
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 0x11));
        vm.prank(address(through));
        weth.transferFrom(address(executor), OUTSIDER, 1);
        assertNothingLost();
    }

    function testAPoolPullsNoMoreThanItsInput() public {
        EvilPool.Script memory script;
        script.delivers = 4e18;
        script.asks = 2e18 + 1;
        EvilPool through = evil(weth, mid, script);
        mid.mint(address(through), 4e18);
        run(weth, 2e18, 0, join(curveHop(through), path(v3(back, true))));
        assertEq(through.pulls(), 0);
        assertNothingLost();
    }

    // what is held stands in for nothing

    function testSharesHeldAreNotRedeemedForAWorthlessToken() public {
        PlainToken fake = new PlainToken();
        Venue[3] memory wrappers = [vault, staked, lent];
        for (uint256 i; i < wrappers.length; ++i) {
            uint256[] memory hops = join(path(v3(pool(weth, fake, 10), true)), hop(wrappers[i], false));
            vm.expectRevert(abi.encodeWithSelector(WrongInputToken.selector, address(fake), wrappers[i].token1));
            run(weth, 1e18, 0, hops);
        }
        assertNothingLost();
    }

    function testATokensHeldAreNotWithdrawnForOneThatNamesTheirPool() public {
        FalseAToken fake = new FalseAToken(AToken(lent.where));
        FixedPricePool first = pool(weth, fake, 10);
        uint256[] memory hops = join(path(v3(first, true)), path(word(address(fake), Kind.AaveV3, false)));
        vm.expectRevert(abi.encodeWithSelector(WrongInputToken.selector, address(fake), lent.where));
        run(weth, 1e18, 0, hops);
        assertNothingLost();
    }

    function testCoinsHeldAreNeitherUnwrappedNorWrappedForAWorthlessToken() public {
        PlainToken fake = new PlainToken();
        uint256[] memory first = path(v3(pool(weth, fake, 10), true));
        uint256[] memory unwrapping = join(first, path(word(address(wrapped), Kind.WrappedNative, false)));
        uint256[] memory wrapping = join(first, path(word(address(wrapped), Kind.WrappedNative, true)));
        vm.expectRevert(abi.encodeWithSelector(WrongInputToken.selector, address(fake), address(wrapped)));
        run(weth, 1e18, 0, unwrapping);
        vm.expectRevert(abi.encodeWithSelector(WrongInputToken.selector, address(fake), address(0)));
        run(weth, 1e18, 0, wrapping);
        assertNothingLost();
    }

    function testAWorthlessTokenBuysNothingOfAVault() public {
        PlainToken fake = new PlainToken();
        uint256[] memory hops = join(path(v3(pool(weth, fake, 10), true)), hop(vault, true));
        vm.expectRevert(abi.encodeWithSignature("Panic(uint256)", 0x11));
        run(weth, 1e18, 0, hops);
        assertNothingLost();
    }

    function testAPhantomDeliveryIsNotPaidForFromWhatIsHeld() public {
        EvilPool.Script memory script;
        script.asks = 1e18;
        EvilPool liar = evil(weth, dai, script);
        Kind[3] memory next = [Kind.UniswapV4, Kind.BalancerV3, Kind.Curve];
        for (uint256 i; i < 3; ++i) {
            uint256[] memory hops = join(curveHop(liar), hop(venue(next[i], dai, weth, 100), true));
            vm.expectRevert(abi.encodeWithSelector(GainBelowMinimum.selector, -1e18, 0));
            run(weth, 1e18, 0, hops);
        }
        assertNothingLost();
    }

    // singletons

    function testHooksThatTakeATollAreRefused() public {
        Venue memory tolled = v4(address(weth), address(mid), 30, 1, OUTSIDER);
        vm.expectRevert(abi.encodeWithSelector(WrongDebt.selector, tolled.where, 1e18 + 1, 1e18));
        run(weth, 1e18, 0, join(hop(tolled, true), path(v3(back, true))));
        assertNothingLost();
    }

    function testAVaultsPoolThatAsksForMoreIsRefused() public {
        Venue memory tolled = venue(Kind.BalancerV3, weth, mid, 30);
        vaultV3.register(tolled.where, address(weth), address(mid), 30, 1);
        vm.expectRevert(abi.encodeWithSelector(WrongDebt.selector, tolled.where, 1e18 + 1, 1e18));
        run(weth, 1e18, 0, join(hop(tolled, true), path(v3(back, true))));
        assertNothingLost();
    }

    function testAPoolIsTheOneItsKeyMakes() public {
        Venue memory through = venue(Kind.UniswapV4, weth, mid, 30);
        through.where = venue(Kind.UniswapV4, weth, mid, 40).where;
        uint256[] memory words = hop(through, true);
        vm.expectRevert(abi.encodeWithSelector(InvalidHop.selector, words[0]));
        run(weth, 1e18, 0, join(words, path(v3(back, true))));
    }

    function testASingletonThatNeverCallsBackIsRefused() public {
        address silent = address(new Silent());
        executor = executorWith(address(weth), Settings.Venues(address(0), silent, address(0), silent, address(0)));
        Kind[2] memory accounted = [Kind.UniswapV4, Kind.BalancerV3];
        for (uint256 i; i < 2; ++i) {
            uint256[] memory hops = join(hop(venue(accounted[i], weth, mid, 30), true), path(v3(back, true)));
            vm.expectRevert(abi.encodeWithSelector(MissedCallback.selector, silent));
            run(weth, 1e18, 0, hops);
        }
    }

    function testBitsOfARouteThatNobodyDefinedAreRefused(uint96 junk) public {
        Kind[4] memory routed = [Kind.UniswapV4, Kind.Curve, Kind.CurveCrypto, Kind.BalancerV3];
        uint96[4] memory defined = [uint96(type(uint24).max), 0x1ffff, type(uint16).max, 1];
        for (uint256 i; i < 4; ++i) {
            if (junk <= defined[i]) continue;
            uint256[] memory words = hop(venue(routed[i], weth, mid, 30), true);
            words[1] = uint160(words[1]) | uint256(junk) << 160;
            vm.expectRevert(abi.encodeWithSelector(InvalidHop.selector, words[1]));
            run(weth, 1e18, 0, join(words, path(v3(back, true))));
        }
    }

    /// @dev While Balancer's vault is unlocked anyone may take from it; the lock then does not close, and all reverts.
    function testWhoTakesFromTheVaultBehindOurBackUndoesTheRun() public {
        HookedToken hooked = new HookedToken();
        uint256[] memory hops =
            join(hop(venue(Kind.BalancerV3, weth, hooked, 30), true), path(v3(pool(hooked, weth, 5), true)));
        hooked.hook(address(vaultV3), abi.encodeCall(IVaultV3.sendTo, (address(weth), address(hooked), 1e18)));
        vm.expectRevert(VaultV3.NotSettled.selector);
        run(weth, 1e18, 0, hops);
        assertNothingLost();
    }

    function testAStrangerInTheMiddleOfAnUnlockedRunGetsNothing() public {
        HookedToken hooked = new HookedToken();
        uint256[] memory hops =
            join(hop(venue(Kind.UniswapV4, weth, hooked, 30), true), path(v3(pool(hooked, weth, 5), true)));
        bytes[5] memory attempts = [
            abi.encodeCall(IUnlockCallbacks.unlockCallback, ("")),
            abi.encodeCall(IUnlockCallbacks.balancerUnlocked, ("")),
            abi.encodeCall(IPairCallbacks.hook, (address(executor), 1, 1, "")),
            abi.encodeCall(IPoolCallbacks.algebraSwapCallback, (1, 0, "")),
            abi.encodeCall(Executor.sweep, (address(0)))
        ];
        for (uint256 i; i < attempts.length; ++i) {
            hooked.hook(address(executor), attempts[i]);
            run(weth, 1e18, 0, hops);
        }
        hooked.hook(address(manager), abi.encodeCall(IPoolManager.unlock, ("")));
        run(weth, 1e18, 0, hops);
        assertTrue(hooked.calls() > 0, "the hook was called");
        assertEq(hooked.successes(), 0);
        assertNothingLost();
    }
}

/// @notice A singleton that does nothing when it is unlocked.
contract Silent {
    function unlock(bytes calldata) external pure returns (bytes memory) {
        return "";
    }
}

/// @notice A pool that answers a swap by calling back in a singleton's name, with the data it was given.
contract Mimic {
    address public immutable token0;
    address public immutable token1;
    bool public vault;

    constructor(address token0_, address token1_) {
        (token0, token1) = (token0_, token1_);
    }

    function speakAsVault() external {
        vault = true;
    }

    function swap(address, bool, int256, uint160, bytes calldata data) external returns (int256, int256) {
        if (vault) IUnlockCallbacks(msg.sender).balancerUnlocked(data);
        else IUnlockCallbacks(msg.sender).unlockCallback(data);
        return (0, 0);
    }
}
