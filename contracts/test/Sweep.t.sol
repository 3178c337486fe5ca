// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "../src/Errors.sol";
import {World} from "./base/World.sol";
import {PlainToken, RefusingToken, SilentToken} from "./mocks/Tokens.sol";

/// @notice `sweep` of both contracts: to the treasury, by the owner, whatever the token.
contract SweepTest is World {
    function testTheTreasuryGetsAll() public {
        weth.mint(address(executor), 7e18);
        vm.prank(OWNER);
        assertEq(executor.sweep(address(weth)), 7e18);
        vm.prank(OWNER);
        assertEq(inventory.sweep(address(weth)), STOCK);
        assertEq(weth.balanceOf(TREASURY), STOCK + 7e18);
        assertTrue(executor.transientIsClean(), "transient storage is clean");
    }

    function testATokenNobodyListedIsSweptToo() public {
        PlainToken usdt = PlainToken(address(new SilentToken()));
        usdt.mint(address(executor), 5);
        usdt.mint(address(inventory), 6);
        vm.prank(OWNER);
        executor.sweep(address(usdt));
        vm.prank(OWNER);
        inventory.sweep(address(usdt));
        assertEq(usdt.balanceOf(TREASURY), 11);
    }

    function testNobodyElseSweeps() public {
        address[3] memory others = [OPERATOR, OUTSIDER, TREASURY];
        for (uint256 i; i < others.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(NotOwner.selector, others[i]));
            vm.prank(others[i]);
            executor.sweep(address(weth));
            vm.expectRevert(abi.encodeWithSelector(NotOwner.selector, others[i]));
            vm.prank(others[i]);
            inventory.sweep(address(weth));
        }
    }

    function testATokenThatRefusesIsNamed() public {
        RefusingToken refusing = new RefusingToken();
        vm.expectRevert(abi.encodeWithSelector(TransferFailed.selector, address(refusing), TREASURY, 0));
        vm.prank(OWNER);
        executor.sweep(address(refusing));
    }
}
