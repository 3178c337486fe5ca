// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InvalidHop} from "../Errors.sol";
import {IPool} from "../interfaces/IPools.sol";
import {IERC4626, IWstETH} from "../interfaces/IWrappers.sol";

/// @notice The first word of a hop, which is all that most kinds need.
///
/// | bits    | holds                                                                                            |
/// |---------|--------------------------------------------------------------------------------------------------|
/// | 0–159   | the pool's address; of Uniswap V4 the first 20 bytes of the pool id                              |
/// | 160–183 | its input fee in parts per million; used for constant-product pairs, and as the fee of a V4 key |
/// | 184–191 | its kind, in the order of `Kind`                                                                 |
/// | 192     | 1 when token0 is sold, or when a wrapper wraps                                                   |
/// | 193–255 | zero                                                                                             |
type Hop is uint256;

/// @notice The second word of a hop of the kinds from `UniswapV4` to `BalancerV3`: the token bought, and what follows.
///
/// | kind               | bits 160–255                                                       | third word      |
/// |--------------------|--------------------------------------------------------------------|-----------------|
/// | UniswapV4          | the tick spacing                                                   | the hooks' address |
/// | Curve, CurveCrypto | i in 160–167, j in 168–175, 1 in 176 to exchange the underlying    |                 |
/// | BalancerV2         | the last 12 bytes of the pool id                                   |                 |
/// | BalancerV3         | 1 when the pool is a wrapped token whose buffer in the vault is used |               |
type Route is uint256;

enum Kind {
    ConstantProduct,
    Concentrated,
    Solidly,
    Algebra,
    UniswapV4,
    Curve,
    CurveCrypto,
    BalancerV2,
    BalancerV3,
    Erc4626,
    WrappedNative,
    WstEth
}

using Hops for Hop global;
using Routes for Route global;

library Hops {
    uint256 private constant FEE_OFFSET = 160;
    uint256 private constant KIND_OFFSET = 184;
    uint256 private constant DIRECTION_OFFSET = 192;
    uint256 private constant END = 193;

    /// @dev Four bits a kind: its words; zero for what is no kind.
    uint256 private constant LENGTHS = 0x111_2222_3_1111;

    /// @dev Sets of kinds, one bit each.
    uint256 private constant PAIRS = 1 << uint256(Kind.ConstantProduct) | 1 << uint256(Kind.Solidly);
    uint256 private constant POOLS = 1 << uint256(Kind.Concentrated) | 1 << uint256(Kind.Algebra);
    uint256 private constant ACCOUNTED = 1 << uint256(Kind.UniswapV4) | 1 << uint256(Kind.BalancerV3);
    uint256 private constant PAYING_CALLER = 1 << uint256(Kind.Curve) | 1 << uint256(Kind.CurveCrypto) | 1
        << uint256(Kind.WrappedNative) | 1 << uint256(Kind.WstEth);

    function pool(Hop self) internal pure returns (address) {
        return address(uint160(Hop.unwrap(self)));
    }

    function feePpm(Hop self) internal pure returns (uint24) {
        return uint24(Hop.unwrap(self) >> FEE_OFFSET);
    }

    /// @dev Of a hop whose `length` was asked, which refuses unknown kinds.
    function kind(Hop self) internal pure returns (Kind) {
        return Kind(_kind(self));
    }

    function zeroForOne(Hop self) internal pure returns (bool) {
        return Hop.unwrap(self) >> DIRECTION_OFFSET & 1 == 1;
    }

    /// @notice How many words the hop has.
    /// @dev Reverts for a kind nobody knows and for bits nobody defined.
    function length(Hop self) internal pure returns (uint256 words) {
        words = LENGTHS >> 4 * _kind(self) & 0xf;
        if (words == 0 || Hop.unwrap(self) >> END != 0) revert InvalidHop(Hop.unwrap(self));
    }

    /// @notice Whether the hop's pool is a pair, which is paid before it swaps and calls back whoever receives.
    function isPair(Hop self) internal pure returns (bool) {
        return PAIRS >> _kind(self) & 1 == 1;
    }

    /// @notice Whether the pool first pays and then asks the payer for its due, by a callback.
    function asksBack(Hop self) internal pure returns (bool) {
        return POOLS >> _kind(self) & 1 == 1;
    }

    /// @notice Whether the hop settles in a singleton that keeps accounts while it is unlocked.
    function isAccounted(Hop self) internal pure returns (bool) {
        return ACCOUNTED >> _kind(self) & 1 == 1;
    }

    /// @notice Whether the venue pays nobody but its caller.
    function paysCallerOnly(Hop self) internal pure returns (bool) {
        return PAYING_CALLER >> _kind(self) & 1 == 1;
    }

    /// @notice The token bought by the hop at `index`: as its route says, or else as the pool names it.
    function tokenOut(uint256[] memory hops, uint256 index) internal view returns (address) {
        Hop hop = Hop.wrap(hops[index]);
        Kind kind_ = hop.kind();
        address pool_ = hop.pool();
        bool forth = hop.zeroForOne();
        if (kind_ <= Kind.Algebra) return forth ? IPool(pool_).token1() : IPool(pool_).token0();
        if (kind_ <= Kind.BalancerV3) return route(hops, index).tokenOut();
        if (forth) return pool_;
        if (kind_ == Kind.Erc4626) return IERC4626(pool_).asset();
        return kind_ == Kind.WstEth ? IWstETH(pool_).stETH() : address(0);
    }

    /// @notice The second word of the hop at `index`.
    function route(uint256[] memory hops, uint256 index) internal pure returns (Route) {
        return Route.wrap(hops[index + 1]);
    }

    /// @notice The hop at `index` alone.
    function only(uint256[] memory hops, uint256 index) internal pure returns (uint256[] memory words) {
        words = new uint256[](Hop.wrap(hops[index]).length());
        for (uint256 i; i < words.length; ++i) {
            words[i] = hops[index + i];
        }
    }

    function _kind(Hop self) private pure returns (uint256) {
        return Hop.unwrap(self) >> KIND_OFFSET & type(uint8).max;
    }
}

library Routes {
    function tokenOut(Route self) internal pure returns (address) {
        return address(uint160(Route.unwrap(self)));
    }

    function tail(Route self) internal pure returns (uint96) {
        return uint96(Route.unwrap(self) >> 160);
    }
}
