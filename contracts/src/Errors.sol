// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Every refusal of the executor and its inventory.

// who
error NotOwner(address caller);
error NotOperator(address caller);
error NotExecutor(address caller);
error UnexpectedCoins(address payer);

// when
error Reentered();
error WrongChain(uint256 chainId, uint256 expected);
error Expired(uint256 blockNumber, uint256 maxBlock);
error TooLate(uint256 timestamp, uint256 deadline);
error WrongParent(bytes32 actual, bytes32 expected);

// what was asked
error InvalidSettings();
error TooFewHops(uint256 given, uint256 needed);
error InvalidHop(uint256 word);
error NoVenue(uint256 hop);
error NoPool(address pool);
error AmountTooLarge(uint256 amount);
error FeeTooLarge(uint256 feePpm);
error NotProfitToken(address token);
error SameToken(address token);
error UnlistedToken(address token);
error WrongInputToken(address actual, address expected);
error NoLender(uint256 hop);
error CapExceeded(address token, uint256 drawn, uint256 cap);
error NoReference(address token, address pool);

// what happened
error UnexpectedCallback(address caller);
error WrongDebt(address pool, int256 asked, uint256 owed);
error MissedCallback(address pool);
error GainBelowMinimum(int256 gain, uint256 minGain);
error OutputBelowMinimum(uint256 received, uint256 minOut);
error OutputBelowReference(uint256 received, uint256 least);
error NoBalance(address token);
error TransferFailed(address token, address to, uint256 amount);
error TollTaken(address token, uint256 taken, uint256 amount);
error ApprovalFailed(address token, address spender, uint256 amount);
