// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "../src/Errors.sol";
import {Executor} from "../src/Executor.sol";
import {OpenExecutor, World} from "./base/World.sol";
import {FixedPricePool, Pair} from "./mocks/Pools.sol";
import {PlainToken} from "./mocks/Tokens.sol";
import "./tokens/Allowing.sol";
import "./tokens/Answers.sol";
import "./tokens/Calling.sol";
import "./tokens/Changing.sol";
import {RebasingDown, RebasingUp, SharesOfAPot} from "./tokens/Rebasing.sol";
import {Blacklisting, BlacklistsBuyers, Honeypot, Pausable, RevertsOnZeroTransfer} from "./tokens/Restricted.sol";
import {Deflationary, FeeAlways, FeeOnBuy, FeeOnSell, Salmonella, SelfInflating, TollOnTop} from "./tokens/Taxed.sol";

/// @notice Thirty-eight odd tokens in four flows: bought for the inventory, sold from it, passed through in a
/// cycle, swept. Each settles with exactly what was quoted, or is refused by name.
contract OddTokensTest is World {
    bytes4 private constant SETTLED = 0;
    bytes4 private constant SHORT = OutputBelowMinimum.selector;
    bytes4 private constant LOSS = GainBelowMinimum.selector;
    bytes4 private constant FAILED = TransferFailed.selector;
    bytes4 private constant POOL = Pair.Underpaid.selector;

    uint256 private constant ROOM = 20_000_000;

    function testTokensThatAreOddInHarmlessWaysSettle() public {
        address[25] memory sound = [
            address(new OddToken()),
            address(new MissingReturn()),
            address(new FalseOnFailure()),
            address(new ReturnBomb()),
            address(new LowDecimals()),
            address(new HighDecimals()),
            address(new AbsurdDecimals()),
            address(new TellsReceivers()),
            address(new Reentrant()),
            address(new DoubleEntry()),
            address(new Gossip()),
            address(new ApprovalRace()),
            address(new WrongPermitDomain()),
            address(new FlashMintable()),
            address(new Upgradable(address(new OddToken()))),
            address(new Replaceable()),
            address(new Clone()),
            address(new CoinbaseAware()),
            address(new BuilderAware()),
            address(new RebasingUp()),
            address(new RebasingDown()),
            address(new SharesOfAPot()),
            address(new Blacklisting()),
            address(new Pausable()),
            address(new RevertsOnZeroTransfer())
        ];
        for (uint256 i; i < sound.length; ++i) {
            check(sound[i], SETTLED, SETTLED, SETTLED, SETTLED);
        }
        check(address(new SelfInflating()), SETTLED, SETTLED, SETTLED, SETTLED);
        check(address(new RevertsOnZeroApprove()), SETTLED, SETTLED, SETTLED, SETTLED);
        // What it burns is the operator's gas, which the simulator sees.
        check(address(new GasBurner()), SETTLED, SETTLED, SETTLED, SETTLED);
    }

    function testTokensThatDoNotDeliverAreRefusedByName() public {
        check(address(new FalseReturn()), SETTLED, FAILED, FAILED, FAILED);
        check(address(new BlacklistsBuyers()), SETTLED, FAILED, FAILED, SETTLED);
        check(address(new Honeypot()), SETTLED, FAILED, FAILED, SETTLED);
        check(address(new FeeAlways()), SHORT, FAILED, POOL, SETTLED);
        check(address(new FeeOnBuy()), SHORT, SETTLED, LOSS, SETTLED);
        check(address(new FeeOnSell()), SETTLED, POOL, POOL, SETTLED);
        check(address(new Deflationary()), SHORT, FAILED, POOL, SETTLED);
        check(address(new TollOnTop()), SETTLED, TollTaken.selector, SETTLED, SETTLED);
        check(address(new Salmonella()), SETTLED, FAILED, POOL, SETTLED);
    }

    function testATokenThatIsStoppedIsRefused() public {
        Pausable stopped = new Pausable();
        (PlainToken odd, Pair market) = listed(address(stopped));
        stopped.pause();
        bytes4 refusal = attempt(OPERATOR, buying(odd, market, 0));
        assertTrue(refusal != SETTLED, "nothing moves");
        assertEq(weth.balanceOf(address(inventory)), STOCK);
        assertTrue(executor.transientIsClean(), "transient storage is clean");
    }

    /// @dev An executor and an inventory that list the token, and a pair that sells it one for one.
    function listed(address token) private returns (PlainToken odd, Pair market) {
        odd = PlainToken(token);
        address[] memory both = new address[](2);
        (both[0], both[1]) = (address(weth), token);
        executor = new OpenExecutor(OWNER, operators(), TREASURY, both, unbounded(both), venues());
        inventory = executor.INVENTORY();
        weth.mint(address(inventory), STOCK);
        market = pair(weth, 100e18, odd, 100e18);
    }

    function check(address token, bytes4 buy, bytes4 sell, bytes4 pass, bytes4 sweep) private {
        (PlainToken odd, Pair market) = listed(token);
        uint256 quote = quoted(1e18, 100e18, 100e18);
        same(odd, "buy", attempt(OPERATOR, buying(odd, market, quote)), buy);
        if (buy == SETTLED) assertEq(odd.balanceOf(address(inventory)), quote);
        odd.mint(address(inventory), STOCK);
        (uint256 heldWeth, uint256 heldOdd) = (weth.balanceOf(address(inventory)), odd.balanceOf(address(inventory)));
        same(odd, "sell", attempt(OPERATOR, selling(odd)), sell);
        if (sell == SETTLED) {
            assertEq(weth.balanceOf(address(inventory)), heldWeth + 1.5e18);
            assertEq(odd.balanceOf(address(inventory)), heldOdd - 1e18);
        }
        market = pair(weth, 100e18, odd, 100e18);
        heldWeth = weth.balanceOf(address(executor));
        uint256 gain = quote * 15 / 10 - 1e18;
        same(odd, "pass", attempt(OPERATOR, cycling(odd, market, gain)), pass);
        assertEq(weth.balanceOf(address(executor)), heldWeth + (pass == SETTLED ? gain : 0));
        odd.mint(address(executor), 1e18);
        same(odd, "sweep", attempt(OWNER, abi.encodeCall(Executor.sweep, (token))), sweep);
        if (sweep == SETTLED) assertEq(odd.balanceOf(address(executor)), 0);
    }

    function buying(PlainToken odd, Pair market, uint256 least) private view returns (bytes memory) {
        uint256[] memory words = path(v2(market, true));
        return abi.encodeCall(Executor.exchange, (head(weth, 100), amounts(1e18, least), address(odd), 0, words));
    }

    function selling(PlainToken odd) private returns (bytes memory) {
        uint256[] memory words = path(v3(pool(odd, weth, 15), true));
        return abi.encodeCall(Executor.exchange, (head(odd, 100), amounts(1e18, 1.5e18), address(weth), 0, words));
    }

    function cycling(PlainToken odd, Pair market, uint256 least) private returns (bytes memory) {
        uint256[] memory words = path(v2(market, true), v3(pool(odd, weth, 15), true));
        return abi.encodeCall(Executor.run, (head(weth, 100), amounts(1e18, least), 0, words));
    }

    function attempt(address by, bytes memory call_) private returns (bytes4 refusal) {
        vm.prank(by);
        (bool succeeded, bytes memory answer) = address(executor).call{gas: ROOM}(call_);
        if (!succeeded) refusal = answer.length < 4 ? bytes4(0xffffffff) : bytes4(answer);
        assertTrue(executor.transientIsClean(), "transient storage is clean");
    }

    function same(PlainToken odd, string memory flow, bytes4 refusal, bytes4 expected) private pure {
        if (refusal != expected) revert Unexpected(address(odd), flow, refusal, expected);
    }

    error Unexpected(address token, string flow, bytes4 refusal, bytes4 expected);
}
