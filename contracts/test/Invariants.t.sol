// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Players} from "./base/Players.sol";
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
        bytes4[] memory moves = new bytes4[](9);
        moves[0] = players.moveMarket.selector;
        moves[1] = players.runHonestly.selector;
        moves[2] = players.runThroughEvil.selector;
        moves[3] = players.exchangeHonestly.selector;
        moves[4] = players.exchangeThroughEvil.selector;
        moves[5] = players.strangerTries.selector;
        moves[6] = players.ownerSweeps.selector;
        moves[7] = players.nextBlock.selector;
        moves[8] = players.runThroughAFamily.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(players), moves);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(players);
    }

    function invariantNobodyGainsWhatIsNotTheirs() public view {
        assertEq(players.strangersServed(), 0);
        // What the executor holds falls by the owner's sweep only: the operator cannot withdraw.
        assertEq(players.executorLosses(), 0);
        assertEq(players.inventoryLosses(), 0);
        assertEq(players.shortfalls(), 0);
        assertEq(players.misdirectedSweeps(), 0);
        assertEq(players.dirtyTransient(), 0);
        assertEq(players.standingApprovals(), 0);
        assertTrue(!players.anyAllowance(), "nobody may move the executor's or the inventory's tokens");
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
            players.exchangeThroughEvil(dutiful, 3 + 9 * kind, 1e18);
        }
        assertEq(players.evilSettled(), 36 + 6);
        for (uint256 kind; kind < 10; ++kind) {
            players.runThroughAFamily(kind, 1e18, true);
        }
        assertEq(players.familiesSettled(), 10);
        invariantNobodyGainsWhatIsNotTheirs();
    }
}
