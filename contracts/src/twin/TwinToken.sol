// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title An ordinary ERC-20 without a constructor, for the local twin only.
/// @notice Its runtime is set at a token's real address and its storage written from outside, so the layout is a
/// promise. Nobody can mint here: supply and balances are whatever the twin wrote.
///
/// | slot | holds                                                                              |
/// |------|------------------------------------------------------------------------------------|
/// | 0    | `symbol`, at most 31 bytes: the text left-aligned, twice its length in the last byte |
/// | 1    | `name`, likewise                                                                   |
/// | 2    | `decimals`                                                                         |
/// | 3    | `totalSupply`                                                                      |
/// | 4    | `balanceOf`: an account's word is at keccak256(account ‖ 4), both as 32-byte words |
/// | 5    | `allowance`: at keccak256(spender ‖ keccak256(owner ‖ 5))                          |
contract TwinToken {
    string public symbol;
    string public name;
    uint8 public decimals;
    uint256 public totalSupply;
    mapping(address account => uint256 amount) public balanceOf;
    mapping(address owner => mapping(address spender => uint256 amount)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    error InsufficientBalance(address account, uint256 balance, uint256 needed);
    error InsufficientAllowance(address spender, uint256 allowance, uint256 needed);

    function transfer(address to, uint256 value) external returns (bool) {
        _move(msg.sender, to, value);
        return true;
    }

    function approve(address spender, uint256 value) external returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    /// @notice An allowance of 2^256 - 1 is never used up.
    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        if (allowed != type(uint256).max) {
            if (allowed < value) revert InsufficientAllowance(msg.sender, allowed, value);
            allowance[from][msg.sender] = allowed - value;
        }
        _move(from, to, value);
        return true;
    }

    function _move(address from, address to, uint256 value) private {
        uint256 balance = balanceOf[from];
        if (balance < value) revert InsufficientBalance(from, balance, value);
        balanceOf[from] = balance - value;
        balanceOf[to] += value;
        emit Transfer(from, to, value);
    }
}
