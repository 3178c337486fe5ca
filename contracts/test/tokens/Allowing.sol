// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OddToken} from "./OddToken.sol";

/// @notice An approval can only be changed from zero or to zero, as USDT has it.
contract ApprovalRace is OddToken {
    error ZeroFirst();

    function approve(address spender, uint256 amount) external override returns (bool) {
        if (amount != 0 && allowance[msg.sender][spender] != 0) revert ZeroFirst();
        allowance[msg.sender][spender] = amount;
        return true;
    }
}

/// @notice An approval cannot be taken back, as BNB has it.
contract RevertsOnZeroApprove is OddToken {
    error Nothing();

    function approve(address spender, uint256 amount) external override returns (bool) {
        if (amount == 0) revert Nothing();
        allowance[msg.sender][spender] = amount;
        return true;
    }
}

/// @notice Has `permit` in its interface, under another contract's domain.
contract WrongPermitDomain is OddToken {
    bytes32 public constant DOMAIN_SEPARATOR = keccak256("another contract");

    error BadSignature();

    function permit(address, address, uint256, uint256, uint8, bytes32, bytes32) external pure {
        revert BadSignature();
    }
}

interface IFlashBorrower {
    function onFlashLoan(address initiator, address token, uint256 amount, uint256 fee, bytes calldata data)
        external
        returns (bytes32);
}

/// @notice Lends any amount of itself for the length of a call (ERC-3156).
contract FlashMintable is OddToken {
    error NotPaidBack();

    function maxFlashLoan(address) external view returns (uint256) {
        return type(uint256).max - totalSupply;
    }

    function flashLoan(IFlashBorrower borrower, uint256 amount, bytes calldata data) external {
        _balances[address(borrower)] += amount;
        borrower.onFlashLoan(msg.sender, address(this), amount, 0, data);
        if (_balances[address(borrower)] < amount) revert NotPaidBack();
        _balances[address(borrower)] -= amount;
    }
}
