// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {NoPool} from "../Errors.sol";
import {IPair, IPairV2, IPoolV3, ISolidlyPair} from "../interfaces/IPools.sol";
import {ConstantProduct} from "./ConstantProduct.sol";
import {Hop, Kind} from "./Hops.sol";
import {Signed} from "./Signed.sol";

/// @notice How pairs and pools are asked to swap an exact input. Non-empty `data` makes a pair's swap a flash swap.
/// @dev The calls are written out by hand: that saves about 500 gas each, and `data` is whole words, so nothing is padded.
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
            : quotePair(hop, amountIn);
        takeFromPair(hop, out, to, data);
    }

    /// @notice What a constant-product pair gives for `amountIn` in its present state.
    function quotePair(Hop hop, uint256 amountIn) internal view returns (uint256) {
        (uint256 reserve0, uint256 reserve1,) = IPairV2(hop.pool()).getReserves();
        (uint256 reserveIn, uint256 reserveOut) = hop.zeroForOne() ? (reserve0, reserve1) : (reserve1, reserve0);
        return ConstantProduct.amountOut(amountIn, reserveIn, reserveOut, hop.feePpm());
    }

    function takeFromPair(Hop hop, uint256 out, address to, bytes memory data) internal {
        (uint256 out0, uint256 out1) = hop.zeroForOne() ? (uint256(0), out) : (out, uint256(0));
        uint256 selector = uint32(IPair.swap.selector);
        address pair = hop.pool();
        if (pair.code.length == 0) revert NoPool(pair);
        assembly ("memory-safe") {
            let start := mload(0x40)
            let size := mload(data)
            mstore(start, shl(224, selector))
            mstore(add(start, 0x04), out0)
            mstore(add(start, 0x24), out1)
            mstore(add(start, 0x44), shr(96, shl(96, to)))
            mstore(add(start, 0x64), 0x80)
            mcopy(add(start, 0x84), data, add(0x20, size))
            if iszero(call(gas(), pair, 0, start, add(0xa4, size), 0, 0)) {
                returndatacopy(start, 0, returndatasize())
                revert(start, returndatasize())
            }
        }
    }

    /// @dev What the pool answers is not believed, so it is not read.
    function swapPool(Hop hop, uint256 amountIn, address to, bytes memory data) internal {
        bool zeroForOne = hop.zeroForOne();
        uint256 priceLimit = limit(zeroForOne);
        int256 amount = amountIn.signed();
        uint256 selector = uint32(IPoolV3.swap.selector);
        address pool = hop.pool();
        assembly ("memory-safe") {
            let start := mload(0x40)
            let size := mload(data)
            mstore(start, shl(224, selector))
            mstore(add(start, 0x04), shr(96, shl(96, to)))
            mstore(add(start, 0x24), zeroForOne)
            mstore(add(start, 0x44), amount)
            mstore(add(start, 0x64), priceLimit)
            mstore(add(start, 0x84), 0xa0)
            mcopy(add(start, 0xa4), data, add(0x20, size))
            if iszero(call(gas(), pool, 0, start, add(0xc4, size), 0, 0)) {
                returndatacopy(start, 0, returndatasize())
                revert(start, returndatasize())
            }
        }
    }

    /// @notice A price that no swap in this direction reaches.
    function limit(bool zeroForOne) internal pure returns (uint160) {
        return zeroForOne ? LOWEST_SQRT_PRICE : HIGHEST_SQRT_PRICE;
    }
}
