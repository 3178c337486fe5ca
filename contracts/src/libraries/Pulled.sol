// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InvalidHop, NoVenue, WrongInputToken} from "../Errors.sol";
import {IERC20} from "../interfaces/IERC20.sol";
import {ICurveCryptoPool, ICurvePool} from "../interfaces/IPools.sol";
import {IVaultV2} from "../interfaces/ISingletons.sol";
import {IAToken, IAaveReserves, IERC4626, IWrappedNative, IWstETH} from "../interfaces/IWrappers.sol";
import {Hop, Hops, Kind, Route} from "./Hops.sol";
import {SafeTransfer} from "./SafeTransfer.sol";

/// @notice Venues that pull their input out of an approval, or burn or accept it at once: Curve, Balancer V2, wrappers,
/// Aave.
/// @dev An approval is for exactly the input, and gone before the next hop begins. What needs no approval must be the
/// very token the hop before delivered, or a token held from earlier could be burnt in its stead.
library Pulled {
    using SafeTransfer for address;

    uint256 private constant UNDERLYING = 1 << 16;
    uint256 private constant A_TOKEN = 8;

    function swap(
        uint256[] calldata hops,
        uint256 index,
        address vaultV2,
        address tokenIn,
        uint256 amountIn,
        address to
    ) internal {
        Hop hop = Hop.wrap(hops[index]);
        address pool = hop.pool();
        Kind kind = hop.kind();
        if (kind == Kind.WrappedNative) return _native(hop, tokenIn, amountIn);
        if (kind >= Kind.Erc4626 && !hop.zeroForOne()) return _unwrap(hop, tokenIn, amountIn, to);

        address spender = kind == Kind.BalancerV2 ? vaultV2 : kind == Kind.AaveV3 ? IAToken(pool).POOL() : pool;
        if (spender == address(0)) revert NoVenue(Hop.unwrap(hop));
        tokenIn.safeApprove(spender, amountIn);
        if (kind == Kind.Curve || kind == Kind.CurveCrypto) {
            _curve(hop, Hops.route(hops, index), amountIn);
        } else if (kind == Kind.BalancerV2) {
            _balancer(hop, Hops.route(hops, index), vaultV2, tokenIn, amountIn, to);
        } else if (kind == Kind.Erc4626) {
            IERC4626(pool).deposit(amountIn, to);
        } else if (kind == Kind.AaveV3) {
            IAaveReserves(spender).supply(tokenIn, amountIn, to, 0);
        } else {
            IWstETH(pool).wrap(amountIn);
        }
        if (IERC20(tokenIn).allowance(address(this), spender) != 0) tokenIn.safeApprove(spender, 0);
    }

    function _curve(Hop hop, Route route, uint256 amountIn) private {
        uint256 tail = route.tail();
        if (tail > (UNDERLYING | type(uint16).max)) revert InvalidHop(Route.unwrap(route));
        (uint256 i, uint256 j) = (tail & type(uint8).max, tail >> 8 & type(uint8).max);
        address pool = hop.pool();
        if (hop.kind() == Kind.CurveCrypto) {
            if (tail & UNDERLYING != 0) revert InvalidHop(Route.unwrap(route));
            return ICurveCryptoPool(pool).exchange(i, j, amountIn, 0);
        }
        // Both indices are bytes.
        // forge-lint: disable-next-line(unsafe-typecast)
        (int128 from, int128 to) = (int128(uint128(i)), int128(uint128(j)));
        if (tail & UNDERLYING == 0) ICurvePool(pool).exchange(from, to, amountIn, 0);
        else ICurvePool(pool).exchange_underlying(from, to, amountIn, 0);
    }

    function _balancer(Hop hop, Route route, address vault, address tokenIn, uint256 amountIn, address to) private {
        IVaultV2.SingleSwap memory single = IVaultV2.SingleSwap(
            bytes32(uint256(uint160(hop.pool())) << 96 | route.tail()),
            IVaultV2.SwapKind.GivenIn,
            tokenIn,
            route.tokenOut(),
            amountIn,
            ""
        );
        IVaultV2(vault).swap(single, IVaultV2.FundManagement(address(this), false, to, false), 0, block.timestamp);
    }

    function _native(Hop hop, address tokenIn, uint256 amountIn) private {
        address wrapped = hop.pool();
        address expected = hop.zeroForOne() ? address(0) : wrapped;
        if (tokenIn != expected) revert WrongInputToken(tokenIn, expected);
        if (hop.zeroForOne()) IWrappedNative(wrapped).deposit{value: amountIn}();
        else IWrappedNative(wrapped).withdraw(amountIn);
    }

    function _unwrap(Hop hop, address tokenIn, uint256 amountIn, address to) private {
        address wrapped = hop.pool();
        if (tokenIn != wrapped) revert WrongInputToken(tokenIn, wrapped);
        Kind kind = hop.kind();
        if (kind == Kind.Erc4626) IERC4626(wrapped).redeem(amountIn, to, address(this));
        else if (kind == Kind.WstEth) IWstETH(wrapped).unwrap(amountIn);
        else _withdraw(wrapped, amountIn, to);
    }

    /// @dev The pool burns its own aToken, whoever it was that named the pool.
    function _withdraw(address aToken, uint256 amountIn, address to) private {
        IAaveReserves reserves = IAaveReserves(IAToken(aToken).POOL());
        address asset = IAToken(aToken).UNDERLYING_ASSET_ADDRESS();
        address burnt = address(uint160(reserves.getReserveData(asset)[A_TOKEN]));
        if (burnt != aToken) revert WrongInputToken(aToken, burnt);
        reserves.withdraw(asset, amountIn, to);
    }
}
