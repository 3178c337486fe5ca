// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CapExceeded, InvalidSettings, NotExecutor, NotOwner, TollTaken, UnlistedToken} from "./Errors.sol";
import {SafeTransfer} from "./libraries/SafeTransfer.sol";

/// @title The principal that `Executor.exchange` trades with.
/// @notice Holds up to four tokens. Only the executor draws, and in one block no more of a token than its cap, so that
/// a stolen operator key can lose at most that much per block. Only the owner sweeps, and only to the treasury.
contract Inventory {
    using SafeTransfer for address;

    /// @notice What was drawn of a token in the block of its last draw.
    struct Drawn {
        uint128 blockNumber;
        uint128 amount;
    }

    /* IMMUTABLES */

    address public immutable EXECUTOR;
    address public immutable OWNER;
    address public immutable TREASURY;
    address public immutable TOKEN_0;
    address public immutable TOKEN_1;
    address public immutable TOKEN_2;
    address public immutable TOKEN_3;
    uint128 public immutable CAP_0;
    uint128 public immutable CAP_1;
    uint128 public immutable CAP_2;
    uint128 public immutable CAP_3;

    /* STORAGE */

    mapping(address token => Drawn) public drawn;

    /* EVENTS */

    event Swept(address indexed token, uint256 amount);

    /* CONSTRUCTOR */

    /// @notice Its creator is its executor, for ever.
    /// @param caps The most of each token that may be drawn in one block, in base units.
    constructor(address owner, address treasury, address[] memory tokens, uint128[] memory caps) {
        if (owner == address(0) || treasury == address(0)) revert InvalidSettings();
        if (tokens.length > 4 || tokens.length != caps.length) revert InvalidSettings();
        for (uint256 i; i < tokens.length; ++i) {
            if (tokens[i] == address(0) || caps[i] == 0) revert InvalidSettings();
            for (uint256 j; j < i; ++j) {
                if (tokens[j] == tokens[i]) revert InvalidSettings();
            }
        }
        EXECUTOR = msg.sender;
        OWNER = owner;
        TREASURY = treasury;
        TOKEN_0 = tokens.length > 0 ? tokens[0] : address(0);
        TOKEN_1 = tokens.length > 1 ? tokens[1] : address(0);
        TOKEN_2 = tokens.length > 2 ? tokens[2] : address(0);
        TOKEN_3 = tokens.length > 3 ? tokens[3] : address(0);
        CAP_0 = tokens.length > 0 ? caps[0] : 0;
        CAP_1 = tokens.length > 1 ? caps[1] : 0;
        CAP_2 = tokens.length > 2 ? caps[2] : 0;
        CAP_3 = tokens.length > 3 ? caps[3] : 0;
    }

    /* EXECUTOR */

    /// @notice Hands `amount` of `token` to `to`, within what this block still allows, and at no cost beyond it.
    function draw(address token, uint256 amount, address to) external {
        if (msg.sender != EXECUTOR) revert NotExecutor(msg.sender);
        uint256 cap = capOf(token);
        if (cap == 0) revert UnlistedToken(token);
        Drawn storage record = drawn[token];
        uint256 total = amount + (record.blockNumber == block.number ? record.amount : 0);
        if (total > cap) revert CapExceeded(token, total, cap);
        // The total is within the cap, which is a uint128.
        // forge-lint: disable-next-line(unsafe-typecast)
        drawn[token] = Drawn(uint128(block.number), uint128(total));
        uint256 held = token.balanceOf(address(this));
        token.safeTransfer(to, amount);
        uint256 left = token.balanceOf(address(this));
        if (left + amount < held) revert TollTaken(token, held - left, amount);
    }

    /* OWNER */

    /// @notice Sends all of `token` to the treasury.
    function sweep(address token) external returns (uint256 amount) {
        if (msg.sender != OWNER) revert NotOwner(msg.sender);
        amount = token.balanceOf(address(this));
        emit Swept(token, amount);
        token.safeTransfer(TREASURY, amount);
    }

    /* VIEWS */

    /// @notice The most of `token` that may be drawn in one block; zero for a token that is not listed.
    function capOf(address token) public view returns (uint256) {
        if (token == address(0)) return 0;
        if (token == TOKEN_0) return CAP_0;
        if (token == TOKEN_1) return CAP_1;
        if (token == TOKEN_2) return CAP_2;
        if (token == TOKEN_3) return CAP_3;
        return 0;
    }
}
