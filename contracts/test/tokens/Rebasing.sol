// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OddToken} from "./OddToken.sol";

/// @notice Balances grow by a millionth of themselves per second, from the block it was made in.
contract RebasingUp is OddToken {
    uint256 private immutable MADE_AT = block.timestamp;

    function balanceOf(address account) external view override returns (uint256) {
        return _balances[account] * (1e6 + block.timestamp - MADE_AT) / 1e6;
    }

    function _transfer(address from, address to, uint256 amount) internal override {
        _move(from, to, amount * 1e6 / (1e6 + block.timestamp - MADE_AT));
    }
}

/// @notice Those who hold lose a millionth per second since they last received; pools do not.
contract RebasingDown is OddToken {
    mapping(address account => uint256 time) public receivedAt;

    function balanceOf(address account) public view override returns (uint256) {
        if (_isPool(account) || receivedAt[account] == 0) return _balances[account];
        return _balances[account] * 1e6 / (1e6 + block.timestamp - receivedAt[account]);
    }

    function _transfer(address from, address to, uint256 amount) internal override {
        (_balances[from], _balances[to]) = (balanceOf(from), balanceOf(to));
        (receivedAt[from], receivedAt[to]) = (block.timestamp, block.timestamp);
        _move(from, to, amount);
    }
}

/// @notice Balances are shares of a pot that its keeper refills when he likes: stETH's way.
contract SharesOfAPot is OddToken {
    uint256 public pot = 1e6;

    function report(uint256 pot_) external {
        pot = pot_;
    }

    function sharesOf(address account) external view returns (uint256) {
        return _balances[account];
    }

    function balanceOf(address account) external view override returns (uint256) {
        return _balances[account] * pot / 1e6;
    }

    function _transfer(address from, address to, uint256 amount) internal override {
        _move(from, to, amount * 1e6 / pot);
    }
}
