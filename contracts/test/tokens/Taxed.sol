// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OddToken} from "./OddToken.sol";

/// @notice Takes 3 % of every transfer for itself.
contract FeeAlways is OddToken {
    function _transfer(address from, address to, uint256 amount) internal virtual override {
        uint256 fee = amount * 3 / 100;
        _move(from, to, amount - fee);
        if (fee != 0) _move(from, address(this), fee);
    }
}

/// @notice Takes 5 % of what leaves a pool.
contract FeeOnBuy is OddToken {
    function _transfer(address from, address to, uint256 amount) internal override {
        uint256 fee = _isPool(from) ? amount / 20 : 0;
        _move(from, to, amount - fee);
        if (fee != 0) _move(from, address(this), fee);
    }
}

/// @notice Takes a quarter of what enters a pool.
contract FeeOnSell is OddToken {
    function _transfer(address from, address to, uint256 amount) internal override {
        uint256 fee = _isPool(to) ? amount / 4 : 0;
        _move(from, to, amount - fee);
        if (fee != 0) _move(from, address(this), fee);
    }
}

/// @notice Destroys 1 % of every transfer.
contract Deflationary is OddToken {
    function _transfer(address from, address to, uint256 amount) internal override {
        uint256 burnt = amount / 100;
        _move(from, to, amount - burnt);
        if (burnt != 0) _burn(from, burnt);
    }
}

/// @notice The whole amount arrives, and the sender pays 2 % on top of it.
contract TollOnTop is OddToken {
    function _transfer(address from, address to, uint256 amount) internal override {
        _move(from, to, amount);
        uint256 toll = amount / 50;
        uint256 left = _balances[from];
        if (toll > left) toll = left;
        if (toll != 0 && !_isPool(from)) _move(from, address(this), toll);
    }
}

/// @notice Salmonella: whoever is not its maker sends a tenth, and the event speaks of all of it.
contract Salmonella is OddToken {
    address private immutable MAKER = msg.sender;

    function _transfer(address from, address to, uint256 amount) internal override {
        uint256 moved = from == MAKER || _isPool(from) ? amount : amount / 10;
        _balances[from] -= amount;
        _balances[to] += moved;
        emit Transfer(from, to, amount);
    }
}

/// @notice A transfer to oneself leaves one with more.
contract SelfInflating is OddToken {
    function _transfer(address from, address to, uint256 amount) internal override {
        (uint256 left, uint256 received) = (_balances[from] - amount, _balances[to] + amount);
        _balances[from] = left;
        _balances[to] = received;
        emit Transfer(from, to, amount);
    }
}
