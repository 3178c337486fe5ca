// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "./Errors.sol";
import {Inventory} from "./Inventory.sol";
import {IERC20} from "./interfaces/IERC20.sol";
import {ICalleeV2, ICallbackV3} from "./interfaces/IPools.sol";
import {Hop, Kind} from "./libraries/Hops.sol";
import {SafeTransfer} from "./libraries/SafeTransfer.sol";
import {Signed} from "./libraries/Signed.sol";
import {Swaps} from "./libraries/Swaps.sol";

/// @title Settles a plan in one transaction, or reverts.
/// @notice The operator (a hot key) may trade, never withdraw; the owner (a cold key) may only sweep to the treasury.
/// Every payment to a pool is either what the hop before it was measured to deliver, what the inventory released under
/// its cap, or the debt of a flash swap that the same call has already earned: whatever a pool, a token or a stolen
/// operator key does, a balance held here never falls. Nothing is ever approved; no target or selector is the caller's.
contract Executor is ICalleeV2, ICallbackV3 {
    using SafeTransfer for address;
    using Signed for uint256;
    using Swaps for Hop;

    /// @notice What the callback of a cycle's flash swap needs to know; it travels through the pool and is held against
    /// its hash on return. `balanceBefore` is what the first hop's recipient held of what that hop buys.
    struct Flash {
        address tokenOut;
        address recipient;
        uint256 balanceBefore;
        uint256 minGain;
        uint256[] hops;
    }

    /* CONSTANTS */

    /// @dev A V3 hop inside the walk sends no data: its callback has nothing to do but pay.
    bytes32 private constant NO_DATA = keccak256("");

    /* IMMUTABLES */

    address public immutable OWNER;
    address public immutable OPERATOR;
    address public immutable TREASURY;
    Inventory public immutable INVENTORY;
    address public immutable PROFIT_TOKEN_0;
    address public immutable PROFIT_TOKEN_1;
    address public immutable PROFIT_TOKEN_2;
    address public immutable PROFIT_TOKEN_3;

    /* TRANSIENT: one slot per meaning, all zero between calls */

    uint256 internal transient locked;
    uint256 internal transient armedAmount;
    address internal transient armedCaller;
    bytes32 internal transient armedDataHash;
    address internal transient armedToken;

    /* EVENTS */

    event Swept(address indexed token, uint256 amount);

    /* CONSTRUCTOR */

    /// @param profitTokens One to four tokens in which a cycle may earn.
    /// @param inventoryTokens Up to four tokens the inventory lends to `exchange`.
    /// @param inventoryCaps For each of them, the most that may be drawn in one block, in base units.
    constructor(
        address owner,
        address operator,
        address treasury,
        address[] memory profitTokens,
        address[] memory inventoryTokens,
        uint128[] memory inventoryCaps
    ) {
        if (operator == address(0) || operator == owner) revert InvalidSettings();
        if (profitTokens.length == 0 || profitTokens.length > 4) revert InvalidSettings();
        for (uint256 i; i < profitTokens.length; ++i) {
            if (profitTokens[i] == address(0)) revert InvalidSettings();
        }
        OWNER = owner;
        OPERATOR = operator;
        TREASURY = treasury;
        PROFIT_TOKEN_0 = profitTokens[0];
        PROFIT_TOKEN_1 = profitTokens.length > 1 ? profitTokens[1] : address(0);
        PROFIT_TOKEN_2 = profitTokens.length > 2 ? profitTokens[2] : address(0);
        PROFIT_TOKEN_3 = profitTokens.length > 3 ? profitTokens[3] : address(0);
        INVENTORY = new Inventory(owner, treasury, inventoryTokens, inventoryCaps);
    }

    /* MODIFIERS */

    modifier exclusive() {
        if (locked != 0) revert Reentered();
        locked = 1;
        _;
        locked = 0;
    }

    modifier onlyOperator() {
        if (msg.sender != OPERATOR) revert NotOperator(msg.sender);
        _;
    }

    /// @dev `parentHash`, unless zero, binds the call to the branch of the chain it was decided on.
    modifier inTime(uint256 maxBlock, bytes32 parentHash) {
        if (block.number > maxBlock) revert Expired(block.number, maxBlock);
        bytes32 parent = blockhash(block.number - 1);
        if (parentHash != 0 && parent != parentHash) revert WrongParent(parent, parentHash);
        _;
    }

    /* OPERATOR */

    /// @notice A closed cycle that starts and ends in `token`. Its first hop is a flash swap of `amountIn`, repaid out of
    /// what the last hop brings, so no inventory is needed.
    /// @return gain What the balance of `token` grew by, at least `minGain`.
    function run(
        address token,
        uint256 amountIn,
        uint256 minGain,
        uint256 maxBlock,
        bytes32 parentHash,
        uint256[] calldata hops
    ) external onlyOperator exclusive inTime(maxBlock, parentHash) returns (uint256 gain) {
        if (!isProfitToken(token)) revert NotProfitToken(token);
        if (hops.length < 2) revert TooFewHops(hops.length, 2);
        uint256 balanceBefore = IERC20(token).balanceOf(address(this));
        _flash(token, amountIn, minGain, hops);
        uint256 balanceAfter = IERC20(token).balanceOf(address(this));
        if (balanceAfter < balanceBefore + minGain) {
            revert GainBelowMinimum(balanceAfter.signed() - balanceBefore.signed(), minGain);
        }
        return balanceAfter - balanceBefore;
    }

    /// @notice Sells `amountIn` of the inventory's `tokenIn` along `hops`; what comes out goes back to the inventory.
    /// @return received What the inventory's balance of `tokenOut` grew by, at least `minOut`.
    function exchange(
        address tokenIn,
        uint256 amountIn,
        address tokenOut,
        uint256 minOut,
        uint256 maxBlock,
        bytes32 parentHash,
        uint256[] calldata hops
    ) external onlyOperator exclusive inTime(maxBlock, parentHash) returns (uint256 received) {
        if (tokenIn == tokenOut) revert SameToken(tokenIn);
        if (INVENTORY.capOf(tokenOut) == 0) revert UnlistedToken(tokenOut);
        if (hops.length == 0) revert TooFewHops(0, 1);
        INVENTORY.draw(tokenIn, amountIn, _entrance(Hop.wrap(hops[0])));
        received = _walk(hops, 0, tokenIn, amountIn, tokenOut, address(INVENTORY));
        if (received < minOut) revert OutputBelowMinimum(received, minOut);
    }

    /* OWNER */

    /// @notice Sends all of `token` to the treasury.
    function sweep(address token) external exclusive returns (uint256 amount) {
        if (msg.sender != OWNER) revert NotOwner(msg.sender);
        amount = IERC20(token).balanceOf(address(this));
        emit Swept(token, amount);
        token.safeTransfer(TREASURY, amount);
    }

    /* CALLBACKS */

    /// @inheritdoc ICalleeV2
    function uniswapV2Call(address, uint256, uint256, bytes calldata data) external {
        (address token, uint256 owed) = _disarm(data);
        _earn(token, owed, abi.decode(data, (Flash)));
        token.safeTransfer(msg.sender, owed);
    }

    /// @inheritdoc ICallbackV3
    function uniswapV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata data) external {
        (address token, uint256 owed) = _disarm(data);
        int256 asked = amount0Delta > 0 ? amount0Delta : amount1Delta;
        if (asked != owed.signed()) revert WrongDebt(msg.sender, asked, owed);
        if (data.length != 0) _earn(token, owed, abi.decode(data, (Flash)));
        token.safeTransfer(msg.sender, owed);
    }

    /* VIEWS */

    function isProfitToken(address token) public view returns (bool) {
        if (token == address(0)) return false;
        return token == PROFIT_TOKEN_0 || token == PROFIT_TOKEN_1 || token == PROFIT_TOKEN_2 || token == PROFIT_TOKEN_3;
    }

    /* THE CYCLE */

    /// @dev Takes the first hop on credit. The pool calls back, `_earn` walks the rest, and the callback repays.
    function _flash(address token, uint256 amountIn, uint256 minGain, uint256[] calldata hops) private {
        Hop first = Hop.wrap(hops[0]);
        Flash memory flash;
        flash.tokenOut = first.tokenOut();
        // A pair calls back whoever receives, so its output cannot go straight to the next pool.
        flash.recipient = first.kind() == Kind.ConstantProduct ? address(this) : _entrance(Hop.wrap(hops[1]));
        flash.balanceBefore = IERC20(flash.tokenOut).balanceOf(flash.recipient);
        flash.minGain = minGain;
        flash.hops = hops;
        bytes memory data = abi.encode(flash);
        _arm(first.pool(), token, amountIn, keccak256(data));
        if (first.kind() == Kind.ConstantProduct) {
            first.swapV2(amountIn, flash.recipient, data);
        } else {
            first.swapV3(amountIn, flash.recipient, data);
        }
        if (armedCaller != address(0)) revert MissedCallback(first.pool());
    }

    /// @dev The rest of the cycle, inside the first pool's callback. It must bring what is owed and the gain.
    function _earn(address token, uint256 owed, Flash memory flash) private {
        uint256 amount = IERC20(flash.tokenOut).balanceOf(flash.recipient) - flash.balanceBefore;
        address entrance = _entrance(Hop.wrap(flash.hops[1]));
        if (entrance != flash.recipient) flash.tokenOut.safeTransfer(entrance, amount);
        uint256 received = _walk(flash.hops, 1, flash.tokenOut, amount, token, address(this));
        if (received < owed + flash.minGain) {
            revert GainBelowMinimum(received.signed() - owed.signed(), flash.minGain);
        }
    }

    /* HOPS */

    /// @dev Swaps along `hops` from `index` on; the input must lie at that hop's entrance. Every amount is what the
    /// recipient's balance grew by, so that no pool and no token is believed.
    /// @return What `recipient` received of `tokenOut` from the last hop.
    function _walk(
        uint256[] memory hops,
        uint256 index,
        address token,
        uint256 amount,
        address tokenOut,
        address recipient
    ) private returns (uint256) {
        for (; index < hops.length; ++index) {
            address to = index + 1 < hops.length ? _entrance(Hop.wrap(hops[index + 1])) : recipient;
            (token, amount) = _swap(Hop.wrap(hops[index]), token, amount, to);
        }
        if (token != tokenOut) revert WrongOutputToken(token, tokenOut);
        return amount;
    }

    function _swap(Hop hop, address tokenIn, uint256 amountIn, address to)
        private
        returns (address tokenOut, uint256 received)
    {
        tokenOut = hop.tokenOut();
        uint256 balanceBefore = IERC20(tokenOut).balanceOf(to);
        if (hop.kind() == Kind.ConstantProduct) {
            hop.swapV2(amountIn, to, "");
        } else {
            _arm(hop.pool(), tokenIn, amountIn, NO_DATA);
            hop.swapV3(amountIn, to, "");
            if (armedCaller != address(0)) revert MissedCallback(hop.pool());
        }
        received = IERC20(tokenOut).balanceOf(to) - balanceBefore;
    }

    /// @dev Where a hop's input must lie: a pair is paid before it swaps, a V3 pool asks this contract for it.
    function _entrance(Hop hop) private view returns (address) {
        return hop.kind() == Kind.ConstantProduct ? hop.pool() : address(this);
    }

    /* ARMING */

    function _arm(address caller, address token, uint256 amount, bytes32 dataHash) private {
        armedCaller = caller;
        armedToken = token;
        armedAmount = amount;
        armedDataHash = dataHash;
    }

    /// @dev Accepts one callback, from the pool armed in this very call and with the data it was given, and disarms
    /// before anything is paid, so that a second callback finds nothing.
    function _disarm(bytes calldata data) private returns (address token, uint256 owed) {
        if (msg.sender != armedCaller) revert UnexpectedCallback(msg.sender);
        if (keccak256(data) != armedDataHash) revert ForgedCallbackData(msg.sender);
        (token, owed) = (armedToken, armedAmount);
        _arm(address(0), address(0), 0, 0);
    }
}
