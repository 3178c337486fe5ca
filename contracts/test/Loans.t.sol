// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "../src/Errors.sol";
import {ILoanCallbacks} from "../src/interfaces/ICallbacks.sol";
import {Kind} from "../src/libraries/Hops.sol";
import {Settings} from "../src/Settings.sol";
import {Families} from "./base/Families.sol";
import {EvilPool, FixedPricePool, Pair} from "./mocks/Pools.sol";
import {HookedToken, PlainToken} from "./mocks/Tokens.sol";
import {PancakePool} from "./mocks/Venues.sol";

/// @notice Cycles whose input is lent, by whoever the first word names.
contract LoansTest is Families {
    uint256 internal constant HELD = 10e18;
    uint256[] internal cycle;

    function setUp() public override {
        super.setUp();
        cycle = join(hop(venue(Kind.Curve, weth, mid, 30), true), path(v3(pool(mid, weth, 5), true)));
        address[4] memory lenders = [address(manager), address(vaultV2), address(vaultV3), address(aave.KEEPER())];
        for (uint256 i; i < lenders.length; ++i) {
            weth.mint(lenders[i], STOCK);
        }
        vaultV3.fund(address(weth));
        weth.mint(address(executor), HELD);
    }

    function lent(Kind lender, address by, uint256 feePpm, bool first) private view returns (uint256[] memory) {
        uint256 loan = uint160(by) | feePpm << 160 | uint256(lender) << 184 | (first ? 1 << 192 : 0);
        return join(path(loan), cycle);
    }

    /// @dev Four WETH go round and come back as six.
    function assertGains(uint256[] memory words, uint256 fee) private {
        assertEq(run(weth, 4e18, 2e18 - fee, words), 2e18 - fee);
        assertEq(weth.balanceOf(address(executor)), HELD + 2e18 - fee);
        assertEq(weth.allowance(address(executor), address(aave)), 0);
        assertEq(manager.open() + vaultV3.open(), 0);
        assertTrue(executor.transientIsClean(), "transient storage is clean");
    }

    function assertNothingLost() private view {
        assertEq(weth.balanceOf(address(executor)), HELD);
        assertTrue(executor.transientIsClean(), "transient storage is clean");
    }

    function testTheManagerLends() public {
        assertGains(lent(Kind.LentByUniswapV4, address(0), 0, false), 0);
    }

    function testTheNewerVaultLends() public {
        assertGains(lent(Kind.LentByBalancerV3, address(0), 0, false), 0);
    }

    function testTheOlderVaultLendsFreeOrForItsFee() public {
        assertGains(lent(Kind.LentByBalancerV2, address(0), 0, false), 0);
        vaultV2.charge(100);
        weth.mint(address(executor), HELD - weth.balanceOf(address(executor)) % HELD);
        uint256 before = weth.balanceOf(address(executor));
        assertEq(run(weth, 4e18, 0, lent(Kind.LentByBalancerV2, address(0), 100, false)), 2e18 - 4e14);
        assertEq(weth.balanceOf(address(executor)) - before, 2e18 - 4e14);
    }

    function testAaveLends() public {
        assertGains(lent(Kind.LentByAaveV3, address(0), 500, false), 2e15);
    }

    function testAForeignPairLendsEitherOfItsTokens() public {
        Pair foreign = pair(weth, 100e18, dai, 100e18);
        assertGains(lent(Kind.LentByPair, address(foreign), 3000, true), fee(foreign));
    }

    function testAForeignPairLendsItsSecondToken() public {
        Pair foreign = pair(dai, 100e18, weth, 100e18);
        assertGains(lent(Kind.LentByPair, address(foreign), 3000, false), fee(foreign));
    }

    /// @dev What comes back must be 1000/997 of what went out, rounded up.
    function fee(Pair) private pure returns (uint256) {
        return (4e18 * 1000 + 996) / uint256(997) - 4e18;
    }

    function testAPoolLendsEitherOfItsTokensByEitherName() public {
        assertGains(lent(Kind.LentByPool, address(pool(weth, dai, 10)), 3000, true), 12e15);
    }

    function testAPancakePoolLends() public {
        PancakePool lender = new PancakePool(address(dai), address(weth), 10);
        stock(address(lender), address(dai), address(weth));
        assertGains(lent(Kind.LentByPool, address(lender), 3000, false), 12e15);
    }

    function testALenderAsksForNoMoreThanItsWordAllows() public {
        vaultV2.charge(101);
        uint256[] memory words = lent(Kind.LentByBalancerV2, address(0), 100, false);
        vm.expectRevert(abi.encodeWithSelector(WrongDebt.selector, address(vaultV2), 4e18 + 404e12, 4e18 + 4e14));
        run(weth, 4e18, 0, words);
        aave.charge(501);
        words = lent(Kind.LentByAaveV3, address(0), 500, false);
        vm.expectRevert(abi.encodeWithSelector(WrongDebt.selector, address(aave), 4e18 + 2004e12, 4e18 + 2e15));
        run(weth, 4e18, 0, words);
        assertNothingLost();
    }

    function testALossOnALoanIsNamed() public {
        uint256[] memory words = lent(Kind.LentByAaveV3, address(0), 500, false);
        words[words.length - 1] = v3(pool(mid, weth, 3), true);
        vm.expectRevert(abi.encodeWithSelector(GainBelowMinimum.selector, -402e15, 0));
        run(weth, 4e18, 0, words);
        assertNothingLost();
    }

    function testASingletonIsNotNamedAndAFreeOneHasNoFee() public {
        uint256[5] memory wrong = [
            lent(Kind.LentByUniswapV4, OUTSIDER, 0, false)[0],
            lent(Kind.LentByUniswapV4, address(0), 1, false)[0],
            lent(Kind.LentByBalancerV3, address(0), 1, false)[0],
            lent(Kind.LentByAaveV3, OUTSIDER, 500, false)[0],
            lent(Kind.LentByBalancerV2, address(0), 0, true)[0]
        ];
        for (uint256 i; i < wrong.length; ++i) {
            uint256[] memory words = join(path(wrong[i]), cycle);
            vm.expectRevert(abi.encodeWithSelector(InvalidHop.selector, wrong[i]));
            run(weth, 4e18, 0, words);
        }
    }

    function testALenderThisChainLacksIsNamed() public {
        executor =
            executorWith(address(weth), Settings.Venues(address(0), address(0), address(0), address(0), address(0)));
        Kind[4] memory absent = [Kind.LentByBalancerV2, Kind.LentByAaveV3, Kind.LentByPair, Kind.LentByPool];
        for (uint256 i; i < absent.length; ++i) {
            uint256[] memory words = lent(absent[i], address(0), 0, false);
            vm.expectRevert(abi.encodeWithSelector(NoVenue.selector, words[0]));
            run(weth, 4e18, 0, words);
        }
    }

    function testALoanIsOnlyEverTheFirstWord() public {
        uint256[] memory words =
            join(path(v3(pool(weth, mid, 30), true)), lent(Kind.LentByAaveV3, address(0), 500, false));
        vm.expectRevert(abi.encodeWithSelector(InvalidHop.selector, words[1]));
        run(weth, 4e18, 0, words);
        vm.expectRevert(abi.encodeWithSelector(TooFewHops.selector, 0, 2));
        run(weth, 4e18, 0, path(words[1]));
    }

    /// @dev Aave calls whomever it is told to; only what this contract asked for is answered.
    function testALoanThatSomebodyElseTookForUsIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(UnexpectedCallback.selector, address(aave)));
        vm.prank(OUTSIDER);
        aave.flashLoanSimple(address(executor), address(weth), 1e18, "", 0);
        address[] memory tokens = new address[](1);
        tokens[0] = address(weth);
        uint256[] memory amounts_ = new uint256[](1);
        vm.expectRevert(abi.encodeWithSelector(UnexpectedCallback.selector, address(vaultV2)));
        vm.prank(OUTSIDER);
        vaultV2.flashLoan(address(executor), tokens, amounts_, "");
        assertNothingLost();
    }

    /// @dev In the middle of a run, with the data that is armed in the very moment.
    function testALoanTakenForUsInTheMiddleOfOneIsRefused() public {
        HookedToken hooked = new HookedToken();
        address[] memory earns = new address[](1);
        earns[0] = address(hooked);
        executor = executorEarning(address(hooked));
        hooked.mint(address(aave.KEEPER()), STOCK);
        uint256[] memory words = join(
            path(uint256(Kind.LentByAaveV3) << 184 | 500 << 160),
            path(v3(pool(hooked, mid, 30), true), v3(pool(mid, hooked, 5), true))
        );
        bytes memory again =
            abi.encodeCall(aave.flashLoanSimple, (address(executor), address(hooked), 1e18, hex"00", 0));
        hooked.hook(address(aave), again);
        run(hooked, 4e18, 1e18, words);
        assertTrue(hooked.calls() > 0, "the hook was called");
        assertEq(hooked.successes(), 0);
    }

    function testAPoolThatLendsNothingAndAsksIsRefused() public {
        EvilPool.Script memory script;
        (script.callbacks, script.asks, script.calledBackAsPair) = (1, 4e18, true);
        EvilPool liar = evil(weth, dai, script);
        uint256[] memory words = lent(Kind.LentByPair, address(liar), 0, true);
        vm.expectRevert(abi.encodeWithSelector(GainBelowMinimum.selector, -4e18, 0));
        run(weth, 4e18, 0, words);
        assertNothingLost();
    }

    function testOutsidersAreNotAnsweredByAnyName(bytes calldata data) public {
        uint256[] memory none = new uint256[](1);
        bytes[4] memory calls = [
            abi.encodeCall(ILoanCallbacks.uniswapV3FlashCallback, (1, 1, data)),
            abi.encodeCall(ILoanCallbacks.pancakeV3FlashCallback, (1, 1, data)),
            abi.encodeCall(ILoanCallbacks.receiveFlashLoan, (new address[](1), none, none, data)),
            abi.encodeCall(ILoanCallbacks.executeOperation, (address(weth), 1, 1, address(executor), data))
        ];
        for (uint256 i; i < calls.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(UnexpectedCallback.selector, OUTSIDER));
            vm.prank(OUTSIDER);
            (bool succeeded,) = address(executor).call(calls[i]);
            succeeded;
        }
    }
}
