// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Executor} from "../src/Executor.sol";
import {Callbacks} from "./base/Callbacks.sol";
import {Families} from "./base/Families.sol";

/// @notice What halmos proves of every entry, for all callers and all arguments of its shape: nobody but an operator
/// trades, nobody but the owner sweeps, and no callback is answered outside a run. forge takes no notice of this file.
/// @dev `python -m tests.torture.symbolic` runs it.
contract SymbolicTest is Families {
    function setUp() public override {
        super.setUp();
        weth.mint(address(executor), 10e18);
    }

    function refused(address caller, address target, bytes memory call_) private {
        vm.prank(caller);
        (bool succeeded,) = target.call(call_);
        assert(!succeeded);
        assert(weth.balanceOf(address(executor)) == 10e18);
        assert(weth.balanceOf(address(inventory)) == STOCK);
    }

    /// @dev Anyone at all, the singletons included.
    function anyone(address caller) private view {
        vm.assume(!executor.isOperator(caller) && caller != OWNER && caller != address(executor));
    }

    function words(uint256 a, uint256 b, uint256 c) private pure returns (uint256[] memory) {
        return path(a, b, c);
    }

    function check_nobodyElseRuns(
        address caller,
        uint256 head_,
        uint256 amounts_,
        bytes32 parent,
        uint256 a,
        uint256 b,
        uint256 c
    ) public {
        vm.assume(!executor.isOperator(caller));
        refused(caller, address(executor), abi.encodeCall(Executor.run, (head_, amounts_, parent, words(a, b, c))));
    }

    function check_nobodyElseExchanges(
        address caller,
        uint256 head_,
        uint256 amounts_,
        address out,
        bytes32 parent,
        uint256 a,
        uint256 b,
        uint256 c
    ) public {
        vm.assume(!executor.isOperator(caller));
        bytes memory call_ = abi.encodeCall(Executor.exchange, (head_, amounts_, out, parent, words(a, b, c)));
        refused(caller, address(executor), call_);
    }

    function check_nobodyElseSweepsEither(address caller, address token) public {
        vm.assume(caller != OWNER);
        refused(caller, address(executor), abi.encodeCall(executor.sweep, (token)));
        refused(caller, address(inventory), abi.encodeCall(inventory.sweep, (token)));
    }

    function check_nobodyElseDraws(address caller, address token, uint256 amount, address to, address out) public {
        vm.assume(caller != address(executor));
        refused(caller, address(inventory), abi.encodeCall(inventory.draw, (token, amount, to, out)));
    }

    function check_coinsAreRefused(address caller, uint128 amount) public {
        vm.assume(caller != address(wrapped) && caller != address(manager));
        vm.deal(caller, amount);
        vm.prank(caller);
        (bool succeeded,) = address(executor).call{value: amount}("");
        assert(!succeeded);
    }

    /// @dev Each of the twelve callbacks, with nothing, with a debt, with a flight and with a chain as its data.
    function check_noCallbackIsAnswered(
        address caller,
        uint8 which,
        uint8 shape,
        address sender,
        uint128 amount,
        address token,
        uint256 word_
    ) public {
        anyone(caller);
        vm.assume(which < Callbacks.COUNT && shape < Callbacks.SHAPES);
        for (uint256 i; i < Callbacks.COUNT; ++i) {
            if (which != i) continue;
            for (uint256 j = 1; j < Callbacks.SHAPES; ++j) {
                if (shape != j) continue;
                bytes memory data = Callbacks.shaped(j, token, amount, caller, word_, "");
                refused(caller, address(executor), Callbacks.all(sender, amount, data)[i]);
            }
        }
    }
}
