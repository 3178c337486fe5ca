// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Inventory} from "../../src/Inventory.sol";
import {Settings} from "../../src/Settings.sol";
import {IPoolManager} from "../../src/interfaces/ISingletons.sol";
import {Kind} from "../../src/libraries/Hops.sol";
import {Aave} from "../mocks/Lenders.sol";
import {Manager, VaultV2, VaultV3} from "../mocks/Singletons.sol";
import {PlainToken} from "../mocks/Tokens.sol";
import {AToken, AlgebraPool, CurvePool, SolidlyPair, StakedWrapper, Vault, WrappedCoin} from "../mocks/Venues.sol";
import {OpenExecutor, World} from "./World.sol";

/// @notice The world with every singleton, and a venue of every kind on demand.
abstract contract Families is World {
    uint256 internal constant COINS = 100e18;
    uint96 internal constant ID_TAIL = 0x0002 << 80 | 7;

    Manager internal manager;
    VaultV2 internal vaultV2;
    VaultV3 internal vaultV3;
    WrappedCoin internal wrapped;
    Aave internal aave;

    /// @notice A venue that sells `token1` for `token0` and back at one price.
    struct Venue {
        Kind kind;
        address where;
        address token0;
        address token1;
        address hooks;
    }

    function venues() internal virtual override returns (Settings.Venues memory) {
        manager = new Manager();
        vaultV2 = new VaultV2();
        vaultV3 = new VaultV3();
        wrapped = new WrappedCoin();
        aave = new Aave();
        return Settings.Venues(address(wrapped), address(manager), address(vaultV2), address(vaultV3), address(aave));
    }

    /// @notice Another executor, which earns in `token` only and has no inventory to lend.
    function executorWith(address token, Settings.Venues memory singletons) internal returns (OpenExecutor) {
        address[] memory earns = new address[](1);
        earns[0] = token;
        Inventory.Stock memory none;
        return new OpenExecutor(OWNER, operators(), TREASURY, earns, none, singletons);
    }

    function executorEarning(address token) internal returns (OpenExecutor) {
        return executorWith(
            token,
            Settings.Venues(address(wrapped), address(manager), address(vaultV2), address(vaultV3), address(aave))
        );
    }

    /// @param price Tenths of `token1` for one `token0`. A wrapper makes its own token1.
    function venue(Kind kind, PlainToken token0, PlainToken token1, uint256 price) internal returns (Venue memory) {
        (address a, address b) = (address(token0), address(token1));
        address where;
        if (kind == Kind.Concentrated) where = address(pool(token0, token1, price));
        else if (kind == Kind.Algebra) where = address(new AlgebraPool(a, b, price));
        else if (kind == Kind.Solidly) where = address(new SolidlyPair(a, b, price));
        else if (kind == Kind.Curve || kind == Kind.CurveCrypto) where = address(new CurvePool(a, b, price));
        else if (kind == Kind.Erc4626) where = b = address(new Vault(a, price));
        else if (kind == Kind.WstEth) where = b = address(new StakedWrapper(a, price));
        else if (kind == Kind.AaveV3) where = b = address(new AToken(a, price));
        else where = address(uint160(uint256(keccak256(abi.encode(kind, a, b, price)))));
        if (kind == Kind.UniswapV4) return v4(a, b, price, 0, address(uint160(price)));
        address holder = where;
        if (kind == Kind.BalancerV2) {
            vaultV2.register(bytes32(bytes20(where)) | bytes32(uint256(ID_TAIL)), a, b, price);
            holder = address(vaultV2);
        } else if (kind == Kind.BalancerV3) {
            vaultV3.register(where, a, b, price, 0);
            holder = address(vaultV3);
        }
        stock(holder, a, b);
        if (kind == Kind.Solidly) SolidlyPair(where).sync();
        return Venue(kind, where, a, b, address(0));
    }

    /// @param toll What the pool's hooks take on top of the input.
    function v4(address token0, address token1, uint256 price, int128 toll, address hooks)
        internal
        returns (Venue memory)
    {
        bytes32 id = manager.initialize(IPoolManager.PoolKey(token0, token1, 500, 60, hooks), price, toll);
        stock(address(manager), token0, token1);
        return Venue(Kind.UniswapV4, address(bytes20(id)), token0, token1, hooks);
    }

    function stock(address holder, address token0, address token1) internal {
        for (uint256 i; i < 2; ++i) {
            address token = i == 0 ? token0 : token1;
            if (token == address(0)) vm.deal(holder, COINS);
            else PlainToken(token).mint(holder, STOCK);
            if (holder == address(vaultV3)) vaultV3.fund(token);
        }
    }

    /// @notice The words of a hop through `through`, selling its token0 or its token1.
    function hop(Venue memory through, bool forth) internal pure returns (uint256[] memory words) {
        Kind kind = through.kind;
        uint256 tokenOut = uint160(forth ? through.token1 : through.token0);
        if (kind == Kind.UniswapV4) {
            uint256 first = uint256(uint160(through.where)) | 500 << 160 | uint256(kind) << 184 | (forth ? 1 << 192 : 0);
            return path(first, tokenOut | 60 << 160, uint160(through.hooks));
        }
        if (kind == Kind.Curve || kind == Kind.CurveCrypto) {
            return path(word(through.where, kind, false), tokenOut | (forth ? uint256(1) << 168 : uint256(1) << 160));
        }
        if (kind == Kind.BalancerV2) {
            return path(word(through.where, kind, false), tokenOut | uint256(ID_TAIL) << 160);
        }
        if (kind == Kind.BalancerV3) return path(word(through.where, kind, false), tokenOut);
        return path(word(through.where, kind, forth));
    }

    function join(uint256[] memory a, uint256[] memory b) internal pure returns (uint256[] memory joined) {
        joined = new uint256[](a.length + b.length);
        for (uint256 i; i < a.length; ++i) {
            joined[i] = a[i];
        }
        for (uint256 i; i < b.length; ++i) {
            joined[a.length + i] = b[i];
        }
    }

    /// @notice Every kind that trades two ERC-20s.
    function kinds() internal pure returns (Kind[11] memory) {
        return [
            Kind.Concentrated,
            Kind.Solidly,
            Kind.Algebra,
            Kind.UniswapV4,
            Kind.Curve,
            Kind.CurveCrypto,
            Kind.BalancerV2,
            Kind.BalancerV3,
            Kind.Erc4626,
            Kind.WstEth,
            Kind.AaveV3
        ];
    }

    /// @notice Whether nobody may move a token of the executor's.
    function nothingIsApproved(Venue memory through) internal view returns (bool) {
        address pulls = through.kind == Kind.AaveV3 ? AToken(through.where).POOL() : through.where;
        address[6] memory spenders =
            [pulls, address(manager), address(vaultV2), address(vaultV3), through.hooks, address(aave)];
        for (uint256 i; i < spenders.length; ++i) {
            if (PlainToken(through.token1).allowance(address(executor), spenders[i]) != 0) return false;
            if (through.token0 == address(0)) continue;
            if (PlainToken(through.token0).allowance(address(executor), spenders[i]) != 0) return false;
        }
        return true;
    }
}
