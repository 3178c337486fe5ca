// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InvalidSettings} from "./Errors.sol";
import {Inventory} from "./Inventory.sol";

/// @title What an executor is made with, for ever.
abstract contract Settings {
    /// @notice The singletons of this chain; zero for what it does not have.
    struct Venues {
        address wrappedNative;
        address poolManager;
        address balancerVaultV2;
        address balancerVaultV3;
    }

    /* IMMUTABLES */

    address public immutable OWNER;
    address public immutable OPERATOR;
    address public immutable TREASURY;
    Inventory public immutable INVENTORY;
    address public immutable PROFIT_TOKEN_0;
    address public immutable PROFIT_TOKEN_1;
    address public immutable PROFIT_TOKEN_2;
    address public immutable PROFIT_TOKEN_3;
    address public immutable WRAPPED_NATIVE;
    address public immutable POOL_MANAGER;
    address public immutable BALANCER_VAULT_V2;
    address public immutable BALANCER_VAULT_V3;

    /* CONSTRUCTOR */

    /// @param profitTokens One to four tokens in which a cycle may earn.
    /// @param inventoryTokens Up to four tokens the inventory lends to `exchange`.
    /// @param inventoryCaps For each of them, the most that may be drawn in one block, in base units.
    constructor(
        address owner,
        address operator,
        address treasury,
        address[] memory profitTokens,
        address[] memory inventoryTokens,
        uint128[] memory inventoryCaps,
        Venues memory venues
    ) {
        if (operator == address(0) || operator == owner) revert InvalidSettings();
        if (profitTokens.length == 0 || profitTokens.length > 4) revert InvalidSettings();
        for (uint256 i; i < profitTokens.length; ++i) {
            if (profitTokens[i] == address(0)) revert InvalidSettings();
        }
        OWNER = owner;
        OPERATOR = operator;
        TREASURY = treasury;
        PROFIT_TOKEN_0 = profitTokens[0];
        PROFIT_TOKEN_1 = profitTokens.length > 1 ? profitTokens[1] : address(0);
        PROFIT_TOKEN_2 = profitTokens.length > 2 ? profitTokens[2] : address(0);
        PROFIT_TOKEN_3 = profitTokens.length > 3 ? profitTokens[3] : address(0);
        WRAPPED_NATIVE = venues.wrappedNative;
        POOL_MANAGER = venues.poolManager;
        BALANCER_VAULT_V2 = venues.balancerVaultV2;
        BALANCER_VAULT_V3 = venues.balancerVaultV3;
        INVENTORY = new Inventory(owner, treasury, inventoryTokens, inventoryCaps);
    }

    /* VIEWS */

    function isProfitToken(address token) public view returns (bool) {
        if (token == address(0)) return false;
        return token == PROFIT_TOKEN_0 || token == PROFIT_TOKEN_1 || token == PROFIT_TOKEN_2 || token == PROFIT_TOKEN_3;
    }
}
