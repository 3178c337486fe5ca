// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPair, IPairV2, IPoolV3, ISolidlyPair} from "../interfaces/IPools.sol";
import {ConstantProduct} from "./ConstantProduct.sol";
import {Hop, Kind} from "./Hops.sol";
import {Signed} from "./Signed.sol";

/// @notice How pairs and pools are asked to swap an exact input. Non-empty `data` makes a pair's swap a flash swap.
library Swaps {
    using Signed for uint256;

    /// @dev The extreme prices at which a V3 pool still swaps: TickMath.MIN_SQRT_RATIO + 1 and MAX_SQRT_RATIO - 1.
    uint160 internal constant LOWEST_SQRT_PRICE = 4295128740;
    uint160 internal constant HIGHEST_SQRT_PRICE = 1461446703485210103287273052203988822378723970341;

    /// @notice Takes all that `amountIn` buys in the pair's present state, so that a small move of the market since the
    /// decision changes the gain, not the success.
    function swapPair(Hop hop, address tokenIn, uint256 amountIn, address to, bytes memory data) internal {
        uint256 out = hop.kind() == Kind.Solidly
            ? ISolidlyPair(hop.pool()).getAmountOut(amountIn, tokenIn)
            : _constantProduct(hop, amountIn);
        (uint256 out0, uint256 out1) = hop.zeroForOne() ? (uint256(0), out) : (out, uint256(0));
        IPair(hop.pool()).swap(out0, out1, to, data);
    }

    function swapPool(Hop hop, uint256 amountIn, address to, bytes memory data) internal {
        bool zeroForOne = hop.zeroForOne();
        IPoolV3(hop.pool()).swap(to, zeroForOne, amountIn.signed(), limit(zeroForOne), data);
    }

    /// @notice A price that no swap in this direction reaches.
    function limit(bool zeroForOne) internal pure returns (uint160) {
        return zeroForOne ? LOWEST_SQRT_PRICE : HIGHEST_SQRT_PRICE;
    }

    function _constantProduct(Hop hop, uint256 amountIn) private view returns (uint256) {
        (uint256 reserve0, uint256 reserve1,) = IPairV2(hop.pool()).getReserves();
        (uint256 reserveIn, uint256 reserveOut) = hop.zeroForOne() ? (reserve0, reserve1) : (reserve1, reserve0);
        return ConstantProduct.amountOut(amountIn, reserveIn, reserveOut, hop.feePpm());
    }
}
