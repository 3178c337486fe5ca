// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InvalidHop} from "../Errors.sol";
import {IPool} from "../interfaces/IPools.sol";

/// @notice One swap, packed into one word.
///
/// | bits    | holds                                                                                       |
/// |---------|---------------------------------------------------------------------------------------------|
/// | 0–159   | the pool's address                                                                          |
/// | 160–183 | its input fee in parts per million; used for constant-product pairs, carried for the others |
/// | 184–191 | its kind: 0 constant product (V2), 1 concentrated liquidity (V3)                            |
/// | 192     | 1 when token0 is sold                                                                       |
/// | 193–255 | zero                                                                                        |
type Hop is uint256;

enum Kind {
    ConstantProduct,
    Concentrated
}

using Hops for Hop global;

library Hops {
    uint256 private constant FEE_OFFSET = 160;
    uint256 private constant KIND_OFFSET = 184;
    uint256 private constant DIRECTION_OFFSET = 192;
    uint256 private constant END = 193;

    function pool(Hop self) internal pure returns (address) {
        return address(uint160(Hop.unwrap(self)));
    }

    function feePpm(Hop self) internal pure returns (uint256) {
        return Hop.unwrap(self) >> FEE_OFFSET & type(uint24).max;
    }

    /// @dev Reverts for a kind nobody knows and for bits nobody defined.
    function kind(Hop self) internal pure returns (Kind) {
        uint256 word = Hop.unwrap(self);
        uint256 kind_ = word >> KIND_OFFSET & type(uint8).max;
        if (kind_ > uint256(type(Kind).max) || word >> END != 0) revert InvalidHop(word);
        return Kind(kind_);
    }

    function zeroForOne(Hop self) internal pure returns (bool) {
        return Hop.unwrap(self) >> DIRECTION_OFFSET & 1 == 1;
    }

    /// @notice The token this hop buys, as the pool names it.
    function tokenOut(Hop self) internal view returns (address) {
        return self.zeroForOne() ? IPool(self.pool()).token1() : IPool(self.pool()).token0();
    }
}
