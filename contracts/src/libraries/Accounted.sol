// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InvalidHop, WrongDebt} from "../Errors.sol";
import {IPoolManager, IVaultV3} from "../interfaces/ISingletons.sol";
import {Hop, Hops, Kind, Route} from "./Hops.sol";
import {SafeTransfer} from "./SafeTransfer.sol";
import {Signed} from "./Signed.sol";
import {Swaps} from "./Swaps.sol";

/// @notice Singletons that keep accounts while unlocked, and lend until they are settled: Uniswap V4, Balancer V3.
library Accounted {
    using SafeTransfer for address;
    using Signed for uint256;

    /// @notice Swaps exactly `amountIn` on credit and has the output sent to `to`. `tokenIn` is owed from then on.
    function swap(
        address singleton,
        uint256[] calldata hops,
        uint256 index,
        address tokenIn,
        uint256 amountIn,
        address to
    ) internal {
        Hop hop = Hop.wrap(hops[index]);
        Route route = Hops.route(hops, index);
        (uint256 asked, uint256 out) = hop.kind() == Kind.UniswapV4
            ? _swapV4(singleton, hop, route, hops[index + 2], tokenIn, amountIn)
            : _swapBalancer(singleton, hop, route, tokenIn, amountIn);
        if (asked != amountIn) revert WrongDebt(hop.pool(), asked.signed(), amountIn);
        take(singleton, hop.kind(), route.tokenOut(), to, out);
    }

    /// @notice Has `amount` of `token` sent to `to`: what a swap brought, or a loan.
    function take(address singleton, Kind kind, address token, address to, uint256 amount) internal {
        if (kind == Kind.UniswapV4) IPoolManager(singleton).take(token, to, amount);
        else IVaultV3(singleton).sendTo(token, to, amount);
    }

    /// @notice Pays what is owed of `token`.
    function settle(address singleton, Kind kind, address token, uint256 amount) internal {
        if (kind == Kind.BalancerV3) {
            token.safeTransfer(singleton, amount);
            IVaultV3(singleton).settle(token, amount);
            return;
        }
        IPoolManager(singleton).sync(token);
        if (token == address(0)) {
            IPoolManager(singleton).settle{value: amount}();
        } else {
            token.safeTransfer(singleton, amount);
            IPoolManager(singleton).settle();
        }
    }

    /// @dev The pool a hop names must be the one its key makes, so that a list of allowed pools binds V4's too.
    function _swapV4(address manager, Hop hop, Route route, uint256 hooks, address tokenIn, uint256 amountIn)
        private
        returns (uint256 asked, uint256 out)
    {
        bool zeroForOne = hop.zeroForOne();
        IPoolManager.PoolKey memory key;
        (key.currency0, key.currency1) = zeroForOne ? (tokenIn, route.tokenOut()) : (route.tokenOut(), tokenIn);
        key.fee = hop.feePpm();
        if (route.tail() > type(uint24).max || hooks >> 160 != 0) revert InvalidHop(Route.unwrap(route));
        // Checked just now.
        // forge-lint: disable-next-line(unsafe-typecast)
        (key.tickSpacing, key.hooks) = (int24(uint24(route.tail())), address(uint160(hooks)));
        if (address(bytes20(keccak256(abi.encode(key)))) != hop.pool()) revert InvalidHop(Hop.unwrap(hop));
        int256 delta = IPoolManager(manager)
            .swap(key, IPoolManager.SwapParams(zeroForOne, -amountIn.signed(), Swaps.limit(zeroForOne)), "");
        (int256 delta0, int256 delta1) = (delta >> 128, int128(delta));
        (int256 deltaIn, int256 deltaOut) = zeroForOne ? (delta0, delta1) : (delta1, delta0);
        // A pool that pays for being sold to, or asks for what it sells, is refused: no swap does that.
        if (deltaIn > 0 || deltaOut < 0) revert WrongDebt(hop.pool(), deltaOut, amountIn);
        // forge-lint: disable-next-line(unsafe-typecast)
        return (uint256(-deltaIn), uint256(deltaOut));
    }

    function _swapBalancer(address vault, Hop hop, Route route, address tokenIn, uint256 amountIn)
        private
        returns (uint256 asked, uint256 out)
    {
        address pool = hop.pool();
        if (route.tail() == 0) {
            (, asked, out) = IVaultV3(vault)
                .swap(
                    IVaultV3.VaultSwapParams(
                        IVaultV3.SwapKind.ExactIn, pool, tokenIn, route.tokenOut(), amountIn, 0, ""
                    )
                );
            return (asked, out);
        }
        if (route.tail() > 1) revert InvalidHop(Route.unwrap(route));
        (, asked, out) = IVaultV3(vault)
            .erc4626BufferWrapOrUnwrap(
                IVaultV3.BufferWrapOrUnwrapParams(
                    IVaultV3.SwapKind.ExactIn,
                    hop.zeroForOne() ? IVaultV3.WrappingDirection.Wrap : IVaultV3.WrappingDirection.Unwrap,
                    pool,
                    amountIn,
                    0
                )
            );
    }
}
