// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OddToken} from "./OddToken.sol";

/// @notice Transfers without an answer, as USDT does.
contract MissingReturn {
    mapping(address account => uint256 amount) public balanceOf;
    uint256 public constant decimals = 6;

    event Transfer(address indexed from, address indexed to, uint256 value);

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
        emit Transfer(msg.sender, to, amount);
    }
}

/// @notice Moves what it should, and answers false.
contract FalseReturn is OddToken {
    function transfer(address to, uint256 amount) external override returns (bool) {
        _transfer(msg.sender, to, amount);
        return false;
    }
}

/// @notice Answers false where others revert.
contract FalseOnFailure is OddToken {
    function transfer(address to, uint256 amount) external override returns (bool) {
        if (_balances[msg.sender] < amount) return false;
        _transfer(msg.sender, to, amount);
        return true;
    }
}

/// @notice Answers true, and a megabyte of nothing after it.
contract ReturnBomb is OddToken {
    function transfer(address to, uint256 amount) external override returns (bool) {
        _transfer(msg.sender, to, amount);
        assembly {
            mstore(0x00, 1)
            return(0x00, 1048576)
        }
    }
}

/// @notice Burns all but a 64th of the gas it is given.
contract GasBurner is OddToken {
    function _transfer(address from, address to, uint256 amount) internal override {
        uint256 least = gasleft() / 64 + 80_000;
        for (uint256 i; gasleft() > least; ++i) {
            assembly {
                pop(keccak256(0x00, 0x4000))
            }
        }
        _move(from, to, amount);
    }
}

/// @notice Two decimals.
contract LowDecimals is OddToken {
    function decimals() external pure override returns (uint256) {
        return 2;
    }
}

/// @notice Fifty decimals.
contract HighDecimals is OddToken {
    function decimals() external pure override returns (uint256) {
        return 50;
    }
}

/// @notice More decimals than the standard's own type can hold.
contract AbsurdDecimals is OddToken {
    function decimals() external pure override returns (uint256) {
        return 2 ** 128;
    }
}
