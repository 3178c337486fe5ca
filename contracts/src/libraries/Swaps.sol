// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPairV2, IPoolV3} from "../interfaces/IPools.sol";
import {ConstantProduct} from "./ConstantProduct.sol";
import {Hop} from "./Hops.sol";
import {Signed} from "./Signed.sol";

/// @notice How each kind of pool is asked to swap an exact input. Non-empty `data` makes a pair's swap a flash swap.
library Swaps {
    using Signed for uint256;

    /// @dev The extreme prices at which a V3 pool still swaps: TickMath.MIN_SQRT_RATIO + 1 and MAX_SQRT_RATIO - 1.
    uint160 private constant LOWEST_SQRT_PRICE = 4295128740;
    uint160 private constant HIGHEST_SQRT_PRICE = 1461446703485210103287273052203988822378723970341;

    /// @notice Takes all that `amountIn` buys at the pair's present reserves, so that a small move of the market since
    /// the decision changes the gain, not the success.
    function swapV2(Hop hop, uint256 amountIn, address to, bytes memory data) internal {
        IPairV2 pair = IPairV2(hop.pool());
        (uint256 reserve0, uint256 reserve1,) = pair.getReserves();
        if (hop.zeroForOne()) {
            pair.swap(0, ConstantProduct.amountOut(amountIn, reserve0, reserve1, hop.feePpm()), to, data);
        } else {
            pair.swap(ConstantProduct.amountOut(amountIn, reserve1, reserve0, hop.feePpm()), 0, to, data);
        }
    }

    function swapV3(Hop hop, uint256 amountIn, address to, bytes memory data) internal {
        bool zeroForOne = hop.zeroForOne();
        uint160 limit = zeroForOne ? LOWEST_SQRT_PRICE : HIGHEST_SQRT_PRICE;
        IPoolV3(hop.pool()).swap(to, zeroForOne, amountIn.signed(), limit, data);
    }
}
