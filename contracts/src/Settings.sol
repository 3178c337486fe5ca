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
        address aavePool;
    }

    /* IMMUTABLES */

    uint256 internal immutable CHAIN_ID;
    address public immutable OWNER;
    address public immutable OPERATOR_0;
    address public immutable OPERATOR_1;
    address public immutable OPERATOR_2;
    address public immutable OPERATOR_3;
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
    address public immutable AAVE_POOL;

    /* CONSTRUCTOR */

    /// @param operators One to four hot keys, all with the same rights: each may trade, none may withdraw.
    /// @param profitTokens One to four tokens in which a cycle may earn.
    /// @param stock What the inventory lends to `exchange`, and on what terms.
    constructor(
        address owner,
        address[] memory operators,
        address treasury,
        address[] memory profitTokens,
        Inventory.Stock memory stock,
        Venues memory venues
    ) {
        if (operators.length == 0 || operators.length > 4) revert InvalidSettings();
        for (uint256 i; i < operators.length; ++i) {
            if (operators[i] == address(0) || operators[i] == owner) revert InvalidSettings();
        }
        if (profitTokens.length == 0 || profitTokens.length > 4) revert InvalidSettings();
        for (uint256 i; i < profitTokens.length; ++i) {
            if (profitTokens[i] == address(0)) revert InvalidSettings();
        }
        CHAIN_ID = block.chainid;
        OWNER = owner;
        OPERATOR_0 = operators[0];
        OPERATOR_1 = operators.length > 1 ? operators[1] : address(0);
        OPERATOR_2 = operators.length > 2 ? operators[2] : address(0);
        OPERATOR_3 = operators.length > 3 ? operators[3] : address(0);
        TREASURY = treasury;
        PROFIT_TOKEN_0 = profitTokens[0];
        PROFIT_TOKEN_1 = profitTokens.length > 1 ? profitTokens[1] : address(0);
        PROFIT_TOKEN_2 = profitTokens.length > 2 ? profitTokens[2] : address(0);
        PROFIT_TOKEN_3 = profitTokens.length > 3 ? profitTokens[3] : address(0);
        WRAPPED_NATIVE = venues.wrappedNative;
        POOL_MANAGER = venues.poolManager;
        BALANCER_VAULT_V2 = venues.balancerVaultV2;
        BALANCER_VAULT_V3 = venues.balancerVaultV3;
        AAVE_POOL = venues.aavePool;
        INVENTORY = new Inventory(owner, treasury, stock);
    }

    /* VIEWS */

    function isOperator(address caller) public view returns (bool) {
        if (caller == OPERATOR_0) return true;
        if (caller == address(0)) return false;
        return caller == OPERATOR_1 || caller == OPERATOR_2 || caller == OPERATOR_3;
    }

    function isProfitToken(address token) public view returns (bool) {
        if (token == PROFIT_TOKEN_0) return true;
        if (token == address(0)) return false;
        return token == PROFIT_TOKEN_1 || token == PROFIT_TOKEN_2 || token == PROFIT_TOKEN_3;
    }
}
