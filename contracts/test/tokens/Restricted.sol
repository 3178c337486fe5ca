// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OddToken} from "./OddToken.sol";

/// @notice Its maker can stop anyone's transfers, and has stopped nobody of interest.
contract Blacklisting is OddToken {
    mapping(address account => bool) public isBlacklisted;

    error Blacklisted();

    function blacklist(address account) external {
        isBlacklisted[account] = true;
    }

    function _transfer(address from, address to, uint256 amount) internal override {
        if (isBlacklisted[from] || isBlacklisted[to]) revert Blacklisted();
        _move(from, to, amount);
    }
}

/// @notice Puts whoever buys from a pool on its list: they hold for ever.
contract BlacklistsBuyers is OddToken {
    mapping(address account => bool) public isBlacklisted;

    error Blacklisted();

    function _transfer(address from, address to, uint256 amount) internal override {
        if (isBlacklisted[from]) revert Blacklisted();
        if (_isPool(from)) isBlacklisted[to] = true;
        _move(from, to, amount);
    }
}

/// @notice Anyone may buy; only its maker may sell. Other transfers are free.
contract Honeypot is OddToken {
    address private immutable MAKER = msg.sender;

    error NotNow();

    function _transfer(address from, address to, uint256 amount) internal override {
        if (_isPool(to) && from != MAKER) revert NotNow();
        _move(from, to, amount);
    }
}

/// @notice Can be stopped altogether.
contract Pausable is OddToken {
    bool public paused;

    error Paused();

    function pause() external {
        paused = true;
    }

    function _transfer(address from, address to, uint256 amount) internal override {
        if (paused) revert Paused();
        _move(from, to, amount);
    }
}

/// @notice Moves at most a thousandth of the supply at a time.
contract MaxTransfer is OddToken {
    error TooMuch();

    function _transfer(address from, address to, uint256 amount) internal override {
        if (amount > totalSupply / 1000) revert TooMuch();
        _move(from, to, amount);
    }
}

/// @notice Nobody but a pool may send within five blocks of having received.
contract Cooldown is OddToken {
    mapping(address account => uint256 blockNumber) public receivedAt;

    error TooSoon();

    function _transfer(address from, address to, uint256 amount) internal override {
        if (!_isPool(from) && block.number < receivedAt[from] + 5) revert TooSoon();
        receivedAt[to] = block.number;
        _move(from, to, amount);
    }
}

/// @notice Sends nothing when asked to send nothing, and says so by reverting.
contract RevertsOnZeroTransfer is OddToken {
    error Nothing();

    function _transfer(address from, address to, uint256 amount) internal override {
        if (amount == 0) revert Nothing();
        _move(from, to, amount);
    }
}
