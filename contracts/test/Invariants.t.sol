// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Players, TrustingPlayers} from "./base/Players.sol";
import {Test} from "./base/Test.sol";
import {EvilPool} from "./mocks/Pools.sol";

/// @notice What holds whatever an outsider, a stolen operator key, evil pools and the owner do, in any order.
contract InvariantsTest is Test {
    /// @dev The shape forge reads `targetSelectors` in.
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Players internal players;

    function setUp() public {
        players = new Players();
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory moves = new bytes4[](15);
        moves[0] = players.moveMarket.selector;
        moves[1] = players.runHonestly.selector;
        moves[2] = players.runThroughEvil.selector;
        moves[3] = players.exchangeHonestly.selector;
        moves[4] = players.exchangeThroughEvil.selector;
        moves[5] = players.strangerTries.selector;
        moves[6] = players.ownerSweeps.selector;
        moves[7] = players.nextBlock.selector;
        moves[8] = players.runThroughAFamily.selector;
        moves[9] = players.borrowFromEvil.selector;
        moves[10] = players.borrowHonestly.selector;
        moves[11] = players.reenter.selector;
        moves[12] = players.asksForTooMuch.selector;
        moves[13] = players.moveReference.selector;
        moves[14] = players.steal.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(players), moves);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(players);
    }

    /// @dev No entry serves a stranger, in a run or out of one, and the owner's sweep ends at the treasury.
    function invariantNoNonOwnerGain() public view {
        assertEq(players.strangersServed(), 0);
        assertEq(players.misdirectedSweeps(), 0);
    }

    /// @dev Nobody may move a token of the executor's or the inventory's.
    function invariantNoAllowanceAtRest() public view {
        assertEq(players.standingApprovals(), 0);
        assertTrue(!players.anyAllowance(), "nobody may move the executor's or the inventory's tokens");
    }

    function invariantTransientClean() public view {
        assertEq(players.dirtyTransient(), 0);
    }

    /// @dev What the executor holds falls by the owner's sweep only, and what the inventory holds of a token by the cap in
    /// a block.
    function invariantOperatorCannotWithdraw() public view {
        assertEq(players.executorLosses(), 0);
        assertEq(players.inventoryLosses(), 0);
    }

    /// @dev What the inventory is worth falls by the allowed slippage of the caps in a block, whatever the pools say that
    /// it is traded at, and whoever moves the one it goes by: all that a stolen operator key can take.
    function invariantStolenKeyTakesTheSlippageOfTheCap() public view {
        assertEq(players.meansMoved(), 0);
        assertEq(players.overlosses(), 0);
    }

    function invariantProfitOrRevert() public view {
        assertEq(players.shortfalls(), 0);
        assertEq(players.gainsNotPaid(), 0);
    }

    /// @dev A game in which nothing can settle would prove nothing.
    function testEveryTradeOfTheGameCanSettle() public {
        players.runHonestly(1e18, 0);
        players.exchangeHonestly(1e18, true);
        assertEq(players.honestSettled(), 2);
        EvilPool.Script memory dutiful;
        (dutiful.asks, dutiful.delivers) = (1, 2e18);
        for (uint256 kinds; kinds < 36; ++kinds) {
            players.runThroughEvil(dutiful, dutiful, 4 + 6 * kinds, 1e18);
        }
        for (uint256 kind; kind < 6; ++kind) {
            players.exchangeThroughEvil(dutiful, 1 + 9 * kind, 1e18);
        }
        uint256 evilly = players.evilSettled();
        assertEq(evilly, 36 + 6);
        for (uint256 kind; kind < 11; ++kind) {
            players.runThroughAFamily(kind, 1e18, true);
        }
        assertEq(players.familiesSettled(), 11);
        EvilPool.Script memory lender;
        (lender.asks, lender.delivers, lender.callbacks) = (1, 12e18, 1);
        for (uint256 which; which < 3; ++which) {
            players.borrowHonestly(which, 1e18, 0.4e18);
            players.borrowFromEvil(lender, which, 1e18);
        }
        assertEq(players.loansSettled(), 3);
        assertTrue(players.evilSettled() > evilly, "an evil lender is served its due");
        for (uint256 which; which < 16 * 5; ++which) {
            players.reenter(which, 1e18, which / 16, "");
        }
        assertEq(players.reentriesTried(), 80);
        players.moveReference(500e18, true);
        for (uint256 more; more < 3; ++more) {
            players.steal(1e18, true, more);
            players.steal(1e18, false, more);
        }
        assertEq(players.thefts(), 4);
        players.nextBlock();
        invariantNoNonOwnerGain();
        invariantNoAllowanceAtRest();
        invariantTransientClean();
        invariantOperatorCannotWithdraw();
        invariantStolenKeyTakesTheSlippageOfTheCap();
        invariantProfitOrRevert();
    }

    /// @dev The fault that the invariant is there to find: an inventory which knows no prices.
    function testAnInventoryWithoutAReferenceLosesMore() public {
        Players trusting = new TrustingPlayers();
        EvilPool.Script memory script;
        script.asks = 1;
        script.delivers = 1;
        for (uint256 i; i < 2; ++i) {
            (i == 0 ? players : trusting).exchangeThroughEvil(script, 3, 10e18);
        }
        assertEq(players.overlosses(), 0);
        assertTrue(trusting.overlosses() > 0, "the twin is robbed of the whole cap");
    }
}
