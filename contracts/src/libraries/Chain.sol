// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPair} from "../interfaces/IPools.sol";
import {Hop} from "./Hops.sol";
import {Swaps} from "./Swaps.sol";

/// @notice A cycle of nothing but constant-product pairs, settled from its end: the last pair gives on credit, the first
/// is paid out of that, and each pays the next directly, so that nothing in between ever lies at the executor.
library Chain {
    using Swaps for Hop;

    /// @notice What each pair gives in its present state.
    /// @return plan_ The words of all but the last pair, each followed by its output.
    /// @return out What the last pair gives.
    function plan(uint256[] calldata words, uint256 amountIn)
        internal
        view
        returns (uint256[] memory plan_, uint256 out)
    {
        uint256 last = words.length - 1;
        plan_ = new uint256[](2 * last);
        out = amountIn;
        for (uint256 i; i < last; ++i) {
            out = Hop.wrap(words[i]).quotePair(out);
            (plan_[2 * i], plan_[2 * i + 1]) = (words[i], out);
        }
        out = Hop.wrap(words[last]).quotePair(out);
    }

    /// @notice Swaps along `plan_`, the first pair being paid already; the last of them pays `to`.
    function follow(uint256[] calldata plan_, address to) internal {
        for (uint256 i; i < plan_.length; i += 2) {
            address next = i + 2 < plan_.length ? Hop.wrap(plan_[i + 2]).pool() : to;
            Hop.wrap(plan_[i]).takeFromPair(plan_[i + 1], next, "");
        }
    }
}
