// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Executor} from "../src/Executor.sol";
import {Inventory} from "../src/Inventory.sol";
import {Kind} from "../src/libraries/Hops.sol";
import {Families} from "./base/Families.sol";
import {Meter} from "./gas/Meter.sol";
import {PlainToken} from "./mocks/Tokens.sol";

interface SnapshotVm {
    function snapshotValue(string calldata group, string calldata name, uint256 value) external;
}

/// @notice What one more hop of a kind adds to a cycle, venues that nobody touched before and calldata included: kept in
/// `contracts/snapshots/hops.json`. A venue of a fixed price stands for each, so that all but the hop stays the same.
contract HopGasTest is Families, Meter {
    uint256 private constant AMOUNT = 4e18;

    struct Walk {
        string name;
        uint256[] without;
        uint256[] with_;
    }

    Walk[] private walks;

    /// @dev No cycle touches the inventory; without a reference the addresses, which calldata pays for, are the same ones.
    function stocked(address[] memory tokens) internal pure override returns (Inventory.Stock memory) {
        return unbounded(tokens);
    }

    function setUp() public override {
        super.setUp();
        weth.mint(address(executor), 1e18);
        mid.mint(address(executor), 1);
        Kind[11] memory all = kinds();
        string[11] memory names = [
            "Uniswap V3",
            "Solidly",
            "Algebra",
            "Uniswap V4",
            "Curve",
            "Curve crypto",
            "Balancer V2",
            "Balancer V3",
            "ERC-4626",
            "wstETH",
            "Aave V3"
        ];
        // The first walk pays for what all of them touch, and is not kept.
        add("", venue(Kind.Concentrated, mid, dai, 30));
        for (uint256 i; i < all.length; ++i) {
            add(names[i], venue(all[i], mid, dai, 30));
        }
        uint256[] memory pairHop = path(v2(pair(mid, 100e18, dai, 400e18), true));
        walks.push(Walk("Uniswap V2", shorter(), between(pairHop, dai, 10)));
    }

    function add(string memory name, Venue memory through) private {
        walks.push(Walk(name, shorter(), between(hop(through, true), PlainToken(through.token1), 5)));
    }

    function shorter() private returns (uint256[] memory) {
        return path(v3(pool(weth, mid, 10), true), v3(pool(mid, weth, 15), true));
    }

    function between(uint256[] memory middle, PlainToken bought, uint256 price) private returns (uint256[] memory) {
        return join(path(v3(pool(weth, mid, 10), true)), join(middle, path(v3(pool(bought, weth, price), true))));
    }

    function testWhatOneMoreHopCosts() public {
        for (uint256 i; i < walks.length; ++i) {
            uint256 without = measured(walks[i].without);
            uint256 with_ = measured(walks[i].with_);
            if (i != 0) SnapshotVm(address(vm)).snapshotValue("hops", walks[i].name, with_ - without);
        }
    }

    function measured(uint256[] memory hops) private returns (uint256) {
        bytes memory call_ = abi.encodeCall(Executor.run, (head(weth, block.number), amounts(AMOUNT, 1), 0, hops));
        return transactionGas(OPERATOR, address(executor), call_);
    }
}
