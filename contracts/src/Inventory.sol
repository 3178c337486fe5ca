// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CapExceeded, InvalidSettings, NotExecutor, NotOwner, TollTaken, UnlistedToken} from "./Errors.sol";
import {Mean} from "./libraries/Mean.sol";
import {SafeTransfer} from "./libraries/SafeTransfer.sol";

/// @title The principal that `Executor.exchange` trades with.
/// @notice Holds up to four tokens. Only the executor draws, in one block no more of a token than its cap, and only for
/// what it is worth in another of them, less an allowed slippage. The worth is the mean price of the last minutes in a
/// Uniswap V3 pool, which nothing in the same block can move: a stolen operator key can lose at most cap times slippage
/// of each token per block. Only the owner sweeps, and only to the treasury.
contract Inventory {
    using SafeTransfer for address;

    /// @notice What an inventory is made with, for ever.
    /// @param tokens Up to four.
    /// @param caps The most of each that may be drawn in one block, in base units.
    /// @param references For each token beyond the first, a Uniswap V3 pool between the first and it.
    /// @param window How many seconds a mean price is of.
    /// @param slippagePpm How far below the mean price a trade may end, in parts per million. A million asks nothing of
    /// a trade, and needs neither references nor a window.
    struct Stock {
        address[] tokens;
        uint128[] caps;
        address[] references;
        uint32 window;
        uint32 slippagePpm;
    }

    /// @notice What was drawn of a token in the block of its last draw.
    struct Drawn {
        uint128 blockNumber;
        uint128 amount;
    }

    /* CONSTANTS */

    uint256 private constant MILLION = 1e6;

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
    address public immutable REFERENCE_1;
    address public immutable REFERENCE_2;
    address public immutable REFERENCE_3;
    uint32 public immutable WINDOW;
    uint32 public immutable SLIPPAGE_PPM;

    /* STORAGE */

    mapping(address token => Drawn) public drawn;

    /* EVENTS */

    event Swept(address indexed token, uint256 amount);

    /* CONSTRUCTOR */

    /// @notice Its creator is its executor, for ever.
    constructor(address owner, address treasury, Stock memory stock) {
        (address[] memory tokens, uint128[] memory caps) = (stock.tokens, stock.caps);
        address[] memory references = stock.references;
        if (owner == address(0) || treasury == address(0)) revert InvalidSettings();
        if (tokens.length > 4 || tokens.length != caps.length) revert InvalidSettings();
        bool bounded = stock.slippagePpm != MILLION && tokens.length > 1;
        if (stock.slippagePpm > MILLION || references.length != (bounded ? tokens.length - 1 : 0)) {
            revert InvalidSettings();
        }
        if (bounded && stock.window == 0) revert InvalidSettings();
        for (uint256 i; i < tokens.length; ++i) {
            if (tokens[i] == address(0) || caps[i] == 0) revert InvalidSettings();
            if (bounded && i > 0 && references[i - 1] == address(0)) revert InvalidSettings();
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
        REFERENCE_1 = references.length > 0 ? references[0] : address(0);
        REFERENCE_2 = references.length > 1 ? references[1] : address(0);
        REFERENCE_3 = references.length > 2 ? references[2] : address(0);
        WINDOW = stock.window;
        SLIPPAGE_PPM = stock.slippagePpm;
    }

    /* EXECUTOR */

    /// @notice Hands `amount` of `token` to `to`, within what this block still allows, and at no cost beyond it.
    /// @return least What must come back for it in `tokenOut`, which is another of the inventory's.
    function draw(address token, uint256 amount, address to, address tokenOut) external returns (uint256 least) {
        if (msg.sender != EXECUTOR) revert NotExecutor(msg.sender);
        uint256 cap = capOf(token);
        if (cap == 0) revert UnlistedToken(token);
        Drawn storage record = drawn[token];
        uint256 total = amount + (record.blockNumber == block.number ? record.amount : 0);
        if (total > cap) revert CapExceeded(token, total, cap);
        // The total is within the cap, which is a uint128.
        // forge-lint: disable-next-line(unsafe-typecast)
        drawn[token] = Drawn(uint128(block.number), uint128(total));
        least = leastOut(token, amount, tokenOut);
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

    /// @notice What `amount` of `token`, below 2^128, is worth in `tokenOut` at the mean price, less the allowed slippage;
    /// rounded up wherever it is rounded.
    function leastOut(address token, uint256 amount, address tokenOut) public view returns (uint256) {
        if (capOf(token) == 0) revert UnlistedToken(token);
        if (capOf(tokenOut) == 0) revert UnlistedToken(tokenOut);
        uint256 kept = MILLION - SLIPPAGE_PPM;
        if (kept == 0) return 0;
        int256 tick = Mean.up(_ticks(tokenOut) - _ticks(token), WINDOW);
        return (Mean.worth(amount, tick) * kept + MILLION - 1) / MILLION;
    }

    /// @dev The sum, over the window's seconds, of the logarithm of what the first token costs in `token`. A pool counts
    /// what the token of the lower address costs in the other.
    function _ticks(address token) private view returns (int256) {
        if (token == TOKEN_0) return 0;
        address pool = token == TOKEN_1 ? REFERENCE_1 : token == TOKEN_2 ? REFERENCE_2 : REFERENCE_3;
        int256 sum = Mean.ticks(pool, token, WINDOW);
        return TOKEN_0 < token ? sum : -sum;
    }
}
