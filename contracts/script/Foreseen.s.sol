// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

interface Cheats {
    function coinbase(address) external;
    function fee(uint256) external;
    function prank(address sender, address origin) external;
    function prevrandao(bytes32) external;
    function revertToState(uint256) external returns (bool);
    function roll(uint256) external;
    function snapshotState() external returns (uint256);
    function txGasPrice(uint256) external;
    function warp(uint256) external;
}

interface Balances {
    function balanceOf(address) external view returns (uint256);
}

/// @title Foreseen
/// @notice Runs transactions in forge's EVM, each on the same state, and holds what they did against what was foreseen.
/// @dev Run by `python -m tests.torture.simulator`. The question lies as code at `QUESTION` on the chain that is forked.
contract Foreseen {
    struct Surroundings {
        uint256 number;
        uint256 time;
        uint256 baseFee;
        uint256 gasPrice;
        address coinbase;
        bytes32 prevrandao;
    }

    struct Foretold {
        address sender;
        address target;
        bytes data;
        bool succeeds;
        int256[] moved;
    }

    error Unforeseen(uint256 plan, bool succeeds, uint256 pair, int256 moved, int256 foreseen);

    address internal constant QUESTION = 0x00000000000000000000000000000000f04E5eE2;
    Cheats internal constant VM = Cheats(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @return held How many plans did what was foreseen; any other reverts.
    function run() external returns (uint256 held) {
        (Surroundings memory around, address[] memory accounts, address[] memory tokens, Foretold[] memory plans) =
            abi.decode(QUESTION.code, (Surroundings, address[], address[], Foretold[]));
        VM.roll(around.number);
        VM.warp(around.time);
        VM.fee(around.baseFee);
        VM.txGasPrice(around.gasPrice);
        VM.coinbase(around.coinbase);
        VM.prevrandao(around.prevrandao);
        for (; held < plans.length; ++held) {
            uint256 state = VM.snapshotState();
            _hold(held, plans[held], accounts, tokens);
            VM.revertToState(state);
        }
    }

    function _hold(uint256 number, Foretold memory plan, address[] memory accounts, address[] memory tokens) internal {
        uint256[] memory before = _balances(accounts, tokens);
        VM.prank(plan.sender, plan.sender);
        (bool succeeds,) = plan.target.call(plan.data);
        uint256[] memory then = _balances(accounts, tokens);
        if (succeeds != plan.succeeds) revert Unforeseen(number, succeeds, 0, 0, 0);
        for (uint256 pair; pair < before.length; ++pair) {
            int256 moved = int256(then[pair]) - int256(before[pair]);
            if (moved != plan.moved[pair]) revert Unforeseen(number, succeeds, pair, moved, plan.moved[pair]);
        }
    }

    function _balances(address[] memory accounts, address[] memory tokens)
        internal
        view
        returns (uint256[] memory held)
    {
        held = new uint256[](accounts.length);
        for (uint256 pair; pair < accounts.length; ++pair) {
            held[pair] =
                tokens[pair] == address(0) ? accounts[pair].balance : Balances(tokens[pair]).balanceOf(accounts[pair]);
        }
    }
}
