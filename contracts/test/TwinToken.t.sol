// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TwinToken} from "../src/twin/TwinToken.sol";
import {Test} from "./base/Test.sol";

/// @notice The twin's token behaves as an ERC-20, and its storage lies where its documentation says.
contract TwinTokenTest is Test {
    TwinToken internal token;
    address internal constant SPENDER = address(0x5E);

    function setUp() public {
        token = new TwinToken();
        vm.store(address(token), 0, bytes32("USDC") | bytes32(uint256(8)));
        vm.store(address(token), bytes32(uint256(1)), bytes32("USD Coin") | bytes32(uint256(16)));
        vm.store(address(token), bytes32(uint256(2)), bytes32(uint256(6)));
        vm.store(address(token), bytes32(uint256(3)), bytes32(uint256(1000)));
        vm.store(address(token), keccak256(abi.encode(address(this), 4)), bytes32(uint256(1000)));
        bytes32 mine = keccak256(abi.encode(address(this), 5));
        vm.store(address(token), keccak256(abi.encode(SPENDER, mine)), bytes32(uint256(30)));
    }

    function testStorageLiesWhereItIsDocumented() public view {
        assertTrue(keccak256(bytes(token.symbol())) == keccak256("USDC"), "symbol");
        assertTrue(keccak256(bytes(token.name())) == keccak256("USD Coin"), "name");
        assertEq(token.decimals(), 6);
        assertEq(token.totalSupply(), 1000);
        assertEq(token.balanceOf(address(this)), 1000);
        assertEq(token.allowance(address(this), SPENDER), 30);
    }

    function testTransferMovesExactlyTheValue() public {
        assertTrue(token.transfer(SPENDER, 400), "it answers true");
        assertEq(token.balanceOf(address(this)), 600);
        assertEq(token.balanceOf(SPENDER), 400);
    }

    function testMoreThanTheBalanceIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(TwinToken.InsufficientBalance.selector, address(this), 1000, 1001));
        token.transfer(SPENDER, 1001);
    }

    function testAnAllowanceIsUsedUpUnlessItIsEndless() public {
        vm.prank(SPENDER);
        token.transferFrom(address(this), SPENDER, 20);
        assertEq(token.allowance(address(this), SPENDER), 10);
        vm.expectRevert(abi.encodeWithSelector(TwinToken.InsufficientAllowance.selector, SPENDER, 10, 11));
        vm.prank(SPENDER);
        token.transferFrom(address(this), SPENDER, 11);
        token.approve(SPENDER, type(uint256).max);
        vm.prank(SPENDER);
        token.transferFrom(address(this), SPENDER, 11);
        assertEq(token.allowance(address(this), SPENDER), type(uint256).max);
    }
}
