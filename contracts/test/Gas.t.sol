// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Executor} from "../src/Executor.sol";
import {Inventory} from "../src/Inventory.sol";
import {Kind} from "../src/libraries/Hops.sol";
import {Lean} from "./gas/Lean.sol";
import {Meter, MeterVm} from "./gas/Meter.sol";
import {Real} from "./gas/Real.sol";
import {World} from "./base/World.sol";
import {PlainToken} from "./mocks/Tokens.sol";

/// @notice A two-hop cycle through Uniswap's own bytecode, beside the same cycle by a contract that checks nothing: each
/// in a market of its own, so that neither finds warm what the other touched.
contract GasTest is World, Real, Meter {
    uint160 private constant ONE = 1 << 96;
    uint256 private constant MOST_PPM = 50_000;

    /// @dev Of the mainnet in 2026: each byte of a call that is not zero costs.
    uint256 private constant BLOCK = 25_000_000;
    uint256 private constant TIME = 1_790_000_000;

    Lean private lean;
    PlainToken private theirWeth;
    PlainToken private theirMid;
    address[2] private pairs;
    address[2] private theirPairs;
    address[2] private pools;
    address[2] private theirPools;

    function setUp() public override {
        super.setUp();
        vm.roll(BLOCK);
        vm.warp(TIME);
        vm.prank(OPERATOR);
        lean = new Lean();
        (theirWeth, theirMid) = (new PlainToken(), new PlainToken());
        (pairs, pools) = market(weth, mid);
        (theirPairs, theirPools) = market(theirWeth, theirMid);
        weth.mint(address(executor), 1e18);
        theirWeth.mint(address(lean), 1e18);
    }

    /// @dev No cycle touches the inventory; without a reference the addresses, which calldata pays for, are the same ones.
    function stocked(address[] memory tokens) internal pure override returns (Inventory.Stock memory) {
        return unbounded(tokens);
    }

    function market(PlainToken one, PlainToken two) private returns (address[2] memory v2s, address[2] memory v3s) {
        v2s = [realPair(one, 100e18, two, 300e18), realPair(two, 200e18, one, 100e18)];
        v3s = [realPool(one, two, ONE * 2, 100e18), realPool(two, one, ONE, 100e18)];
    }

    function testTwoPairsCostNoMoreThanTheLeanest() public {
        uint256 between = quoted(1e18, 100e18, 300e18);
        uint256 out = quoted(between, 200e18, 100e18);
        Lean.Rest memory rest = Lean.Rest(address(theirWeth), address(theirMid), theirPairs[1], true, 1e18, out);
        uint256 least =
            transactionGas(OPERATOR, address(lean), abi.encodeCall(Lean.pairs, (theirPairs[0], true, between, rest)));
        compare(cycle(pairs, Kind.ConstantProduct), least);
    }

    function testTwoPoolsCostNoMoreThanTheLeanest() public {
        Lean.Rest memory rest = Lean.Rest(address(theirWeth), address(theirMid), theirPools[1], true, 1e18, 0);
        uint256 least = transactionGas(OPERATOR, address(lean), abi.encodeCall(Lean.pools, (theirPools[0], true, rest)));
        compare(cycle(pools, Kind.Concentrated), least);
    }

    /// @dev What `bot/execution/loans.py` takes a loan of a pair or a pool to cost, beside the first hop's own credit.
    function testALoanOfAPairOrAPoolCostsWhatTheTableSays() public {
        uint256[] memory hops = path(word(pools[0], Kind.Concentrated, true), word(pools[1], Kind.Concentrated, true));
        uint256[] memory loan = path(uint160(pairs[0]) | 3000 << 160 | uint256(Kind.LentByPair) << 184 | 1 << 192);
        uint256 state = MeterVm(address(vm)).snapshotState();
        uint256 alone = runGas(hops);
        MeterVm(address(vm)).revertToState(state);
        uint256 lent = runGas(path(loan[0], hops[0], hops[1]));
        emit log_named_uint("lent by a pair", lent - alone);
        MeterVm(address(vm)).revertToState(state);
        address foreign = realPool(weth, dai, ONE, 100e18);
        loan = path(uint160(foreign) | 3000 << 160 | uint256(Kind.LentByPool) << 184 | 1 << 192);
        uint256 byPool = runGas(path(loan[0], hops[0], hops[1]));
        emit log_named_uint("lent by a pool", byPool - alone);
        assertTrue(lent - alone < 40_500 && byPool - alone < 39_500, "a loan costs less than the table says");
    }

    function runGas(uint256[] memory hops) private returns (uint256) {
        bytes memory call_ = abi.encodeCall(Executor.run, (head(weth, block.number), amounts(1e18, 1), 0, hops));
        return transactionGas(OPERATOR, address(executor), call_);
    }

    function cycle(address[2] memory through, Kind kind) private returns (uint256) {
        return runGas(path(word(through[0], kind, true), word(through[1], kind, true)));
    }

    function compare(uint256 ours, uint256 least) private {
        emit log_named_uint("leanest", least);
        emit log_named_uint("executor", ours);
        assertTrue(ours * 1e6 <= least * (1e6 + MOST_PPM), "within five percent of the leanest");
    }
}
