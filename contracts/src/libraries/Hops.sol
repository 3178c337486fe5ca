// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InvalidHop, NoPool} from "../Errors.sol";
import {IPool} from "../interfaces/IPools.sol";
import {IAToken, IERC4626, IWstETH} from "../interfaces/IWrappers.sol";

/// @notice The first word of a hop, which is all that most kinds need.
///
/// | bits    | holds                                                                                            |
/// |---------|--------------------------------------------------------------------------------------------------|
/// | 0–159   | the pool's address; of Uniswap V4 the first 20 bytes of the pool id                              |
/// | 160–183 | its input fee in parts per million; used for constant-product pairs, and as the fee of a V4 key |
/// | 184–191 | its kind, in the order of `Kind`                                                                 |
/// | 192     | 1 when token0 is sold, or when a wrapper wraps                                                   |
/// | 193–255 | zero                                                                                             |
///
/// Before the hops there may be a word that says who lends a cycle's input (`Loans`); and where the input is split,
/// each route begins with a word of the kind `Route`: bits 0–159 what goes along it, zero for the last, which takes what
/// is left; bits 160–175 how many words it has.
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
    WstEth,
    LentByUniswapV4,
    LentByBalancerV3,
    LentByBalancerV2,
    LentByAaveV3,
    LentByPair,
    LentByPool,
    Route,
    AaveV3
}

using Hops for Hop global;
using Routes for Route global;

library Hops {
    uint256 private constant FEE_OFFSET = 160;
    uint256 private constant KIND_OFFSET = 184;
    uint256 private constant DIRECTION_OFFSET = 192;
    uint256 private constant END = 193;

    /// @dev Four bits a kind: its words; zero for what is no kind.
    uint256 private constant LENGTHS = 0x1_0000000_111_2222_3_1111;

    /// @dev Sets of kinds, one bit each. Pairs are paid before they swap, and call back whoever receives. Pools first pay
    /// and then ask the payer for their due, by a callback. Accounted hops settle in a singleton that keeps accounts while
    /// it is unlocked. A cycle may begin with what gives credit: before it takes.
    uint256 internal constant CONSTANT_PRODUCT = 1 << uint256(Kind.ConstantProduct);
    uint256 internal constant PAIRS = CONSTANT_PRODUCT | 1 << uint256(Kind.Solidly);
    uint256 internal constant POOLS = 1 << uint256(Kind.Concentrated) | 1 << uint256(Kind.Algebra);
    uint256 internal constant ACCOUNTED = 1 << uint256(Kind.UniswapV4) | 1 << uint256(Kind.BalancerV3);
    uint256 internal constant PAYING_CALLER = 1 << uint256(Kind.Curve) | 1 << uint256(Kind.CurveCrypto) | 1
        << uint256(Kind.WrappedNative) | 1 << uint256(Kind.WstEth);
    uint256 internal constant CREDIT = PAIRS | POOLS | ACCOUNTED;
    uint256 internal constant LOANS = (1 << uint256(Kind.Route)) - (1 << uint256(Kind.LentByUniswapV4));

    /// @notice A word that says its kind and nothing else.
    function bare(Kind kind_) internal pure returns (Hop) {
        return Hop.wrap(uint256(kind_) << KIND_OFFSET);
    }

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
        words = LENGTHS >> (_kind(self) << 2) & 0xf;
        if (words == 0 || Hop.unwrap(self) >> END != 0) revert InvalidHop(Hop.unwrap(self));
    }

    /// @notice The hop's kind as a bit, to be looked for in the sets above.
    function bit(Hop self) internal pure returns (uint256) {
        return 1 << _kind(self);
    }

    /// @notice Whether the word is no hop but begins a route of several.
    function isRoute(Hop self) internal pure returns (bool) {
        return _kind(self) == uint256(Kind.Route);
    }

    /// @notice What goes along a route, and how many words it has.
    function split(Hop self) internal pure returns (uint256 amount, uint256 words) {
        uint256 word = Hop.unwrap(self);
        (amount, words) = (uint160(word), uint16(word >> FEE_OFFSET));
        if (word >> DIRECTION_OFFSET != 0 || word >> FEE_OFFSET + 16 & 0xff != 0) revert InvalidHop(word);
    }

    /// @notice Whether every word is a constant-product pair's.
    function areAllPairs(uint256[] calldata words) internal pure returns (bool) {
        for (uint256 i; i < words.length; ++i) {
            uint256 undirected = words[i] & ~(uint256(1) << DIRECTION_OFFSET);
            if (undirected >> KIND_OFFSET != uint256(Kind.ConstantProduct)) return false;
        }
        return true;
    }

    /// @notice The token bought by the hop at `index`: as its route says, or else as the pool names it.
    function tokenOut(uint256[] calldata hops, uint256 index) internal view returns (address) {
        Hop hop = Hop.wrap(hops[index]);
        address pool_ = hop.pool();
        bool forth = hop.zeroForOne();
        Kind kind_ = hop.kind();
        if (kind_ <= Kind.Algebra) return _named(pool_, forth ? IPool.token1.selector : IPool.token0.selector);
        if (kind_ <= Kind.BalancerV3) return route(hops, index).tokenOut();
        if (forth) return pool_;
        if (kind_ == Kind.Erc4626) return IERC4626(pool_).asset();
        if (kind_ == Kind.WrappedNative) return address(0);
        return kind_ == Kind.WstEth ? IWstETH(pool_).stETH() : IAToken(pool_).UNDERLYING_ASSET_ADDRESS();
    }

    /// @notice The second word of the hop at `index`.
    function route(uint256[] calldata hops, uint256 index) internal pure returns (Route) {
        return Route.wrap(hops[index + 1]);
    }

    /// @dev The address that a pool answers to `selector()`.
    function _named(address pool_, bytes4 selector) private view returns (address token) {
        bool answered;
        assembly ("memory-safe") {
            mstore(0x00, selector)
            answered := staticcall(gas(), pool_, 0x00, 0x04, 0x00, 0x20)
            answered := and(answered, gt(returndatasize(), 0x1f))
            token := shr(96, shl(96, mload(0x00)))
        }
        if (!answered) revert NoPool(pool_);
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
