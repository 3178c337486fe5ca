// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "./Errors.sol";
import {Settings} from "./Settings.sol";
import {IERC20} from "./interfaces/IERC20.sol";
import {IPairCallbacks, IPoolCallbacks, IUnlockCallbacks} from "./interfaces/ICallbacks.sol";
import {IPoolManager, IVaultV3} from "./interfaces/ISingletons.sol";
import {Accounted} from "./libraries/Accounted.sol";
import {Hop, Hops, Kind} from "./libraries/Hops.sol";
import {Pulled} from "./libraries/Pulled.sol";
import {SafeTransfer} from "./libraries/SafeTransfer.sol";
import {Signed} from "./libraries/Signed.sol";
import {Swaps} from "./libraries/Swaps.sol";

/// @title Settles a plan in one transaction, or reverts.
/// @notice The operator (a hot key) may trade, never withdraw; the owner (a cold key) may only sweep to the treasury.
/// Every payment to a pool is either what the hop before it was measured to deliver, what the inventory released under
/// its cap, or the debt of a flash swap that the same call has already earned: whatever a pool, a token or a stolen
/// operator key does, a balance held here never falls. Nothing stays approved; no selector is the caller's.
contract Executor is Settings, IPairCallbacks, IPoolCallbacks, IUnlockCallbacks {
    using SafeTransfer for address;
    using Signed for uint256;
    using Swaps for Hop;

    /// @notice What the callback of a flash swap or a loan needs to know; it travels through the pool and is held against
    /// its hash on return. `balanceBefore` is what `recipient` held of `tokenOut`, which the pool is to deliver there;
    /// `rest` is the index of the hop that sells it, or the end when nothing is left to earn.
    struct Flash {
        address tokenOut;
        address recipient;
        uint256 balanceBefore;
        uint256 minGain;
        uint256 rest;
        uint256[] hops;
    }

    /* CONSTANTS */

    /// @dev A V3 hop inside the walk sends no data: its callback has nothing to do but pay.
    bytes32 private constant NO_DATA = keccak256("");

    /* TRANSIENT: one slot per meaning, all zero between calls */

    uint256 internal transient locked;
    uint256 internal transient armedAmount;
    address internal transient armedCaller;
    bytes32 internal transient armedDataHash;
    address internal transient armedToken;
    uint256 internal transient managerUnlocked;

    /* EVENTS */

    event Swept(address indexed token, uint256 amount);

    /* CONSTRUCTOR */

    constructor(
        address owner,
        address operator,
        address treasury,
        address[] memory profitTokens,
        address[] memory inventoryTokens,
        uint128[] memory inventoryCaps,
        Venues memory venues
    ) Settings(owner, operator, treasury, profitTokens, inventoryTokens, inventoryCaps, venues) {}

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
        if (hops.length == 0) revert TooFewHops(0, 2);
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

    /// @notice Sends all of `token` to the treasury; the zero address is the native coin.
    function sweep(address token) external exclusive returns (uint256 amount) {
        if (msg.sender != OWNER) revert NotOwner(msg.sender);
        amount = token.heldBy(address(this));
        emit Swept(token, amount);
        if (token != address(0)) {
            token.safeTransfer(TREASURY, amount);
        } else {
            (bool accepted,) = TREASURY.call{value: amount}("");
            if (!accepted) revert TransferFailed(token, TREASURY, amount);
        }
    }

    /* CALLBACKS */

    /// @dev Coins are only ever taken from what they are swapped or unwrapped at.
    receive() external payable {
        if (msg.sender != WRAPPED_NATIVE && msg.sender != POOL_MANAGER) revert UnexpectedCoins(msg.sender);
    }

    /// @inheritdoc IPairCallbacks
    function uniswapV2Call(address, uint256, uint256, bytes calldata data) external {
        _repayPair(data);
    }

    /// @inheritdoc IPairCallbacks
    function pancakeCall(address, uint256, uint256, bytes calldata data) external {
        _repayPair(data);
    }

    /// @inheritdoc IPairCallbacks
    function hook(address, uint256, uint256, bytes calldata data) external {
        _repayPair(data);
    }

    /// @inheritdoc IPoolCallbacks
    function uniswapV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata data) external {
        _payPool(amount0Delta, amount1Delta, data);
    }

    /// @inheritdoc IPoolCallbacks
    function pancakeV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata data) external {
        _payPool(amount0Delta, amount1Delta, data);
    }

    /// @inheritdoc IPoolCallbacks
    function algebraSwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata data) external {
        _payPool(amount0Delta, amount1Delta, data);
    }

    /// @inheritdoc IUnlockCallbacks
    function unlockCallback(bytes calldata data) external returns (bytes memory) {
        if (msg.sender != POOL_MANAGER) revert UnexpectedCallback(msg.sender);
        (address token, uint256 owed) = _disarm(data);
        managerUnlocked = 1;
        _account(Kind.UniswapV4, token, owed, abi.decode(data, (Flash)));
        managerUnlocked = 0;
        return "";
    }

    /// @inheritdoc IUnlockCallbacks
    function balancerUnlocked(bytes calldata data) external {
        if (msg.sender != BALANCER_VAULT_V3) revert UnexpectedCallback(msg.sender);
        (address token, uint256 owed) = _disarm(data);
        _account(Kind.BalancerV3, token, owed, abi.decode(data, (Flash)));
    }

    /* THE CYCLE */

    /// @dev Takes the first hop on credit where its pool gives any; otherwise its input is lent by a singleton, free of
    /// charge. Either calls back, `_earn` walks the rest, and the callback repays.
    function _flash(address token, uint256 amountIn, uint256 minGain, uint256[] memory hops) private {
        Hop first = Hop.wrap(hops[0]);
        Flash memory flash;
        (flash.tokenOut, flash.minGain, flash.hops) = (token, minGain, hops);
        if (first.isPair() || first.asksBack() || first.isAccounted()) {
            flash.rest = first.length();
            if (hops.length <= flash.rest) revert TooFewHops(1, 2);
            flash.tokenOut = Hops.tokenOut(hops, 0);
        }
        // A pair calls back whoever receives, so its output cannot go straight to the next pool.
        flash.recipient = first.isPair() ? address(this) : _entrance(Hop.wrap(hops[flash.rest]));
        flash.balanceBefore = flash.tokenOut.heldBy(flash.recipient);
        if (flash.rest == 0 || first.isAccounted()) {
            return _unlock(flash.rest == 0 ? _lender(first) : first.kind(), token, amountIn, flash);
        }
        bytes memory data = abi.encode(flash);
        _arm(first.pool(), token, amountIn, keccak256(data));
        if (first.isPair()) first.swapPair(token, amountIn, flash.recipient, data);
        else first.swapPool(amountIn, flash.recipient, data);
        if (armedCaller != address(0)) revert MissedCallback(first.pool());
    }

    /// @dev The rest of the cycle, inside the first pool's callback. It must bring what is owed and the gain.
    function _earn(address token, uint256 owed, Flash memory flash) private {
        uint256 amount = flash.tokenOut.heldBy(flash.recipient) - flash.balanceBefore;
        address entrance = _entrance(Hop.wrap(flash.hops[flash.rest]));
        if (entrance != flash.recipient) flash.tokenOut.safeTransfer(entrance, amount);
        uint256 received = _walk(flash.hops, flash.rest, flash.tokenOut, amount, token, address(this));
        if (received < owed + flash.minGain) {
            revert GainBelowMinimum(received.signed() - owed.signed(), flash.minGain);
        }
    }

    function _repayPair(bytes calldata data) private {
        (address token, uint256 owed) = _disarm(data);
        _earn(token, owed, abi.decode(data, (Flash)));
        token.safeTransfer(msg.sender, owed);
    }

    function _payPool(int256 amount0Delta, int256 amount1Delta, bytes calldata data) private {
        (address token, uint256 owed) = _disarm(data);
        int256 asked = amount0Delta > 0 ? amount0Delta : amount1Delta;
        if (asked != owed.signed()) revert WrongDebt(msg.sender, asked, owed);
        if (data.length != 0) _earn(token, owed, abi.decode(data, (Flash)));
        token.safeTransfer(msg.sender, owed);
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
        while (index < hops.length) {
            uint256 next = index + Hop.wrap(hops[index]).length();
            address to = next < hops.length ? _entrance(Hop.wrap(hops[next])) : recipient;
            (token, amount) = _swap(hops, index, token, amount, to);
            index = next;
        }
        if (token != tokenOut) revert WrongOutputToken(token, tokenOut);
        return amount;
    }

    function _swap(uint256[] memory hops, uint256 index, address tokenIn, uint256 amountIn, address to)
        private
        returns (address tokenOut, uint256 received)
    {
        Hop hop = Hop.wrap(hops[index]);
        tokenOut = Hops.tokenOut(hops, index);
        address payee = hop.paysCallerOnly() ? address(this) : to;
        uint256 balanceBefore = tokenOut.heldBy(payee);
        if (hop.isPair()) {
            hop.swapPair(tokenIn, amountIn, payee, "");
        } else if (hop.asksBack()) {
            _arm(hop.pool(), tokenIn, amountIn, NO_DATA);
            hop.swapPool(amountIn, payee, "");
            if (armedCaller != address(0)) revert MissedCallback(hop.pool());
        } else if (hop.isAccounted()) {
            Flash memory alone;
            (alone.recipient, alone.hops) = (payee, Hops.only(hops, index));
            alone.rest = alone.hops.length;
            _unlock(hop.kind(), tokenIn, amountIn, alone);
        } else {
            Pulled.swap(hops, index, BALANCER_VAULT_V2, tokenIn, amountIn, payee);
        }
        received = tokenOut.heldBy(payee) - balanceBefore;
        if (payee != to) {
            balanceBefore = tokenOut.heldBy(to);
            tokenOut.safeTransfer(to, received);
            received = tokenOut.heldBy(to) - balanceBefore;
        }
    }

    /// @dev Where a hop's input must lie: a pair is paid before it swaps, everyone else asks this contract for it.
    function _entrance(Hop hop) private view returns (address) {
        return hop.isPair() ? hop.pool() : address(this);
    }

    /* SINGLETONS */

    /// @dev Does what `flash` says inside the singleton's accounts; only V4's manager refuses to be unlocked twice.
    function _unlock(Kind kind, address token, uint256 owed, Flash memory flash) private {
        if (kind == Kind.UniswapV4 && managerUnlocked != 0) return _account(kind, token, owed, flash);
        address singleton = _singleton(kind);
        if (singleton == address(0)) revert NoVenue(flash.hops[0]);
        bytes memory data = abi.encode(flash);
        _arm(singleton, token, owed, keccak256(data));
        if (kind == Kind.UniswapV4) IPoolManager(singleton).unlock(data);
        else IVaultV3(singleton).unlock(abi.encodeCall(this.balancerUnlocked, (data)));
        if (armedCaller != address(0)) revert MissedCallback(singleton);
    }

    /// @dev On credit: the first hop's swap or a loan, then what there is to earn with it; and the debt is settled.
    function _account(Kind kind, address token, uint256 owed, Flash memory flash) private {
        address singleton = _singleton(kind);
        if (flash.rest == 0) Accounted.take(singleton, kind, token, flash.recipient, owed);
        else Accounted.swap(singleton, flash.hops, 0, token, owed, flash.recipient);
        if (flash.rest < flash.hops.length) _earn(token, owed, flash);
        Accounted.settle(singleton, kind, token, owed);
    }

    function _singleton(Kind kind) private view returns (address) {
        return kind == Kind.UniswapV4 ? POOL_MANAGER : BALANCER_VAULT_V3;
    }

    /// @dev Who lends the input of a first hop that gives no credit.
    function _lender(Hop first) private view returns (Kind) {
        if (POOL_MANAGER != address(0)) return Kind.UniswapV4;
        if (BALANCER_VAULT_V3 != address(0)) return Kind.BalancerV3;
        revert NoLender(Hop.unwrap(first));
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
