// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import "./Errors.sol";
import {Inventory} from "./Inventory.sol";
import {Settings} from "./Settings.sol";
import {Walker} from "./Walker.sol";
import {IERC20} from "./interfaces/IERC20.sol";
import {ILoanCallbacks, IPairCallbacks, IPoolCallbacks, IUnlockCallbacks} from "./interfaces/ICallbacks.sol";
import {Accounted} from "./libraries/Accounted.sol";
import {Chain} from "./libraries/Chain.sol";
import {Flight, Flights} from "./libraries/Flights.sol";
import {Hop, Hops, Kind} from "./libraries/Hops.sol";
import {Loans} from "./libraries/Loans.sol";
import {SafeTransfer} from "./libraries/SafeTransfer.sol";
import {Signed} from "./libraries/Signed.sol";
import {Swaps} from "./libraries/Swaps.sol";
import {Terms} from "./libraries/Terms.sol";

/// @title Settles a plan in one transaction, or reverts.
/// @notice The operators (hot keys) may trade, never withdraw; the owner (a cold key) may only sweep to the treasury.
/// Every payment to a pool is either what the hop before it was measured to deliver, what the inventory released under
/// its cap, or a debt in the token whose balance must have grown at the end: whatever a pool, a token or a stolen
/// operator key does, a balance held here never falls. Nothing stays approved; no selector is the caller's.
contract Executor is Walker, IPairCallbacks, IPoolCallbacks, IUnlockCallbacks, ILoanCallbacks {
    using Flights for Flight;
    using Loans for Hop;
    using SafeTransfer for address;
    using Signed for uint256;
    using Swaps for Hop;

    /* EVENTS */

    event Swept(address indexed token, uint256 amount);

    /* CONSTRUCTOR */

    constructor(
        address owner,
        address[] memory operators,
        address treasury,
        address[] memory profitTokens,
        Inventory.Stock memory stock,
        Venues memory venues
    ) Settings(owner, operators, treasury, profitTokens, stock, venues) {}

    /* MODIFIERS */

    modifier onlyOperator() {
        if (!isOperator(msg.sender)) revert NotOperator(msg.sender);
        _;
    }

    /// @dev On this chain, by the last block and the last second of `head`: one test for all three, because it is paid for
    /// by every call. `parentHash`, unless zero, binds the call to the branch of the chain it was decided on.
    modifier inTime(uint256 head, bytes32 parentHash) {
        unchecked {
            uint256 left = (Terms.maxBlock(head) - block.number) | (Terms.deadline(head) - block.timestamp);
            if (left >> 255 | (block.chainid ^ CHAIN_ID) != 0) _refuseTime(head);
        }
        if (parentHash != 0) {
            bytes32 parent = blockhash(block.number - 1);
            if (parent != parentHash) revert WrongParent(parent, parentHash);
        }
        _;
    }

    /* OPERATOR */

    /// @notice A closed cycle that starts and ends in one token, along one route or several that share the input. The
    /// input is a first hop's credit or a loan, repaid out of what the last hop brings, so no inventory is needed.
    /// @param head The token, and the last block and second the call may land in (`Terms`).
    /// @param amounts What goes in, and the least gain.
    /// @return gain What the balance of the token grew by, at least the least.
    function run(uint256 head, uint256 amounts, bytes32 parentHash, uint256[] calldata words)
        external
        onlyOperator
        exclusive
        inTime(head, parentHash)
        returns (uint256 gain)
    {
        address token = Terms.token(head);
        if (!isProfitToken(token)) revert NotProfitToken(token);
        if (words.length == 0) revert TooFewHops(0, 2);
        (uint256 amountIn, uint256 minGain) = Terms.split(amounts);
        uint256 balanceBefore = token.balanceOf(address(this));
        _cycle(Flight(token, amountIn, balanceBefore, minGain, address(0), address(0), 0, 0), words);
        uint256 balanceAfter = token.balanceOf(address(this));
        if (balanceAfter < balanceBefore + minGain) {
            revert GainBelowMinimum(balanceAfter.signed() - balanceBefore.signed(), minGain);
        }
        unchecked {
            return balanceAfter - balanceBefore;
        }
    }

    /// @notice Sells the inventory's token along one route or several; what comes out goes back to the inventory.
    /// @param head The token sold, and the last block and second the call may land in (`Terms`).
    /// @param amounts How much of it, and the least that must come back.
    /// @return received What the inventory's balance of `tokenOut` grew by: at least the least, never nothing, and never
    /// less than the inventory asks for.
    function exchange(uint256 head, uint256 amounts, address tokenOut, bytes32 parentHash, uint256[] calldata words)
        external
        onlyOperator
        exclusive
        inTime(head, parentHash)
        returns (uint256 received)
    {
        address tokenIn = Terms.token(head);
        (uint256 amountIn, uint256 minOut) = Terms.split(amounts);
        if (tokenIn == tokenOut) revert SameToken(tokenIn);
        if (words.length == 0) revert TooFewHops(0, 1);
        uint256 least;
        (received, least) = _trade(words, tokenIn, amountIn, tokenOut);
        if (received < minOut || received == 0) revert OutputBelowMinimum(received, minOut);
        if (received < least) revert OutputBelowReference(received, least);
    }

    function _refuseTime(uint256 head) private view {
        if (block.chainid != CHAIN_ID) revert WrongChain(block.chainid, CHAIN_ID);
        if (block.number > Terms.maxBlock(head)) revert Expired(block.number, Terms.maxBlock(head));
        revert TooLate(block.timestamp, Terms.deadline(head));
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
    function uniswapV2Call(address sender, uint256, uint256, bytes calldata data) external {
        _answerPair(sender, data);
    }

    /// @inheritdoc IPairCallbacks
    function pancakeCall(address sender, uint256, uint256, bytes calldata data) external {
        _answerPair(sender, data);
    }

    /// @inheritdoc IPairCallbacks
    function hook(address sender, uint256, uint256, bytes calldata data) external {
        _answerPair(sender, data);
    }

    /// @inheritdoc IPoolCallbacks
    function uniswapV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata data) external {
        _answerPool(amount0Delta, amount1Delta, data);
    }

    /// @inheritdoc IPoolCallbacks
    function pancakeV3SwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata data) external {
        _answerPool(amount0Delta, amount1Delta, data);
    }

    /// @inheritdoc IPoolCallbacks
    function algebraSwapCallback(int256 amount0Delta, int256 amount1Delta, bytes calldata data) external {
        _answerPool(amount0Delta, amount1Delta, data);
    }

    /// @inheritdoc IUnlockCallbacks
    function unlockCallback(bytes calldata data) external returns (bytes memory) {
        _disarm(POOL_MANAGER, data);
        managerUnlocked = 1;
        _account(Kind.UniswapV4, data);
        managerUnlocked = 0;
        return "";
    }

    /// @inheritdoc IUnlockCallbacks
    function balancerUnlocked(bytes calldata data) external {
        _disarm(BALANCER_VAULT_V3, data);
        _account(Kind.BalancerV3, data);
    }

    /// @inheritdoc ILoanCallbacks
    function uniswapV3FlashCallback(uint256, uint256, bytes calldata data) external {
        _disarm(msg.sender, data);
        _settle(data);
    }

    /// @inheritdoc ILoanCallbacks
    function pancakeV3FlashCallback(uint256, uint256, bytes calldata data) external {
        _disarm(msg.sender, data);
        _settle(data);
    }

    /// @inheritdoc ILoanCallbacks
    function receiveFlashLoan(
        address[] calldata,
        uint256[] calldata amounts,
        uint256[] calldata fees,
        bytes calldata data
    ) external {
        _disarm(BALANCER_VAULT_V2, data);
        (Flight calldata flight,) = Flights.unpack(data);
        uint256 owed = _earnLoan(amounts[0] + fees[0], data);
        _repay(flight, owed);
    }

    /// @inheritdoc ILoanCallbacks
    function executeOperation(address, uint256 amount, uint256 premium, address initiator, bytes calldata params)
        external
        returns (bool)
    {
        if (initiator != address(this)) revert UnexpectedCallback(msg.sender);
        _disarm(AAVE_POOL, params);
        (Flight calldata flight,) = Flights.unpack(params);
        flight.token.safeApprove(AAVE_POOL, _earnLoan(amount + premium, params));
        return true;
    }

    function _answerPair(address sender, bytes calldata data) private {
        if (sender != address(this)) revert UnexpectedCallback(msg.sender);
        _disarm(msg.sender, data);
        _settle(data);
    }

    function _answerPool(int256 amount0Delta, int256 amount1Delta, bytes calldata data) private {
        _disarm(msg.sender, data);
        (address token, uint256 owed) = Flights.debt(data);
        int256 asked = amount0Delta > 0 ? amount0Delta : amount1Delta;
        // What is owed was asked for as a signed amount, so that no negative one can equal it.
        // forge-lint: disable-next-line(unsafe-typecast)
        if (uint256(asked) != owed) revert WrongDebt(msg.sender, asked, owed);
        if (Flights.isDebt(data)) token.safeTransfer(msg.sender, owed);
        else _settle(data);
    }

    /* THE CYCLE */

    function _cycle(Flight memory flight, uint256[] calldata words) private {
        Hop first = Hop.wrap(words[0]);
        if (!first.isRoute()) {
            if (first.bit() & Hops.LOANS != 0) return _borrow(flight, first, words[1:]);
            return _flash(flight, words);
        }
        // What all of them gain is held against the minimum at the end.
        flight.minGain = 0;
        uint256 left = flight.owed;
        while (words.length != 0) {
            uint256[] calldata route;
            (route, flight.owed, words) = _nextRoute(words, left);
            left -= flight.owed;
            _flash(flight, route);
        }
    }

    /// @dev Takes the first hop on credit where its venue gives any; otherwise its input is lent by a singleton.
    function _flash(Flight memory flight, uint256[] calldata words) private {
        Hop first = Hop.wrap(words[0]);
        uint256 bit = first.bit();
        if (bit & Hops.CONSTANT_PRODUCT != 0 && Hops.areAllPairs(words)) return _chain(flight, words);
        uint256 rest = first.length();
        if (bit & Hops.CREDIT == 0) return _borrow(flight, _lender(first), words);
        if (words.length <= rest) revert TooFewHops(1, 2);
        uint256[] calldata behind = words[rest:];
        flight.tokenOut = Hops.tokenOut(words, 0);
        // A pair calls back whoever receives, so its output cannot go straight to the next pool.
        flight.recipient = bit & Hops.PAIRS != 0 ? address(this) : _entrance(Hop.wrap(behind[0]));
        flight.deliveredBefore = flight.tokenOut.heldBy(flight.recipient);
        if (bit & Hops.ACCOUNTED != 0) {
            flight.rest = rest;
            return _unlock(first.kind(), flight, words);
        }
        flight.rest = 0;
        bytes memory data = flight.pack(behind);
        _arm(first.pool(), data);
        if (bit & Hops.PAIRS != 0) first.swapPair(flight.token, flight.owed, flight.recipient, data);
        else first.swapPool(flight.owed, flight.recipient, data);
        _requireCalled(first.pool());
    }

    /// @dev From the end: the last pair gives on credit, and in its callback the first is paid and each pays the next.
    function _chain(Flight memory flight, uint256[] calldata words) private {
        if (words.length == 1) revert TooFewHops(1, 2);
        (uint256[] memory plan, uint256 out) = Chain.plan(words, flight.owed);
        if (out < flight.owed + flight.minGain) {
            revert GainBelowMinimum(out.signed() - flight.owed.signed(), flight.minGain);
        }
        Hop last = Hop.wrap(words[words.length - 1]);
        (flight.recipient, flight.rest) = (last.pool(), Flights.CHAIN);
        bytes memory data = flight.packMade(plan);
        _arm(last.pool(), data);
        last.takeFromPair(out, address(this), data);
        _requireCalled(last.pool());
    }

    /// @dev Has the input lent, as `loan` says.
    function _borrow(Flight memory flight, Hop loan, uint256[] calldata words) private {
        if (words.length == 0) revert TooFewHops(0, 2);
        uint256 amount = flight.owed;
        (flight.tokenOut, flight.recipient, flight.rest) = (flight.token, address(this), 0);
        flight.deliveredBefore = flight.token.heldBy(address(this));
        Kind kind = loan.kind();
        if (kind == Kind.LentByUniswapV4 || kind == Kind.LentByBalancerV3) {
            loan.requireFree();
            return _unlock(kind == Kind.LentByUniswapV4 ? Kind.UniswapV4 : Kind.BalancerV3, flight, words);
        }
        address lender = _lenderOf(loan, kind);
        flight.owed = loan.debt(amount);
        bytes memory data = flight.pack(words);
        _arm(lender, data);
        loan.request(lender, flight.token, amount, data);
        _requireCalled(lender);
        if (kind == Kind.LentByAaveV3 && IERC20(flight.token).allowance(address(this), lender) != 0) {
            flight.token.safeApprove(lender, 0);
        }
    }

    /// @dev Inside the callback of whoever delivers on credit: the rest of the cycle.
    function _earn(Flight calldata flight, uint256[] calldata words) private {
        (address token, address where) = (flight.tokenOut, flight.recipient);
        _spread(words, token, token.heldBy(where) - flight.deliveredBefore, where);
    }

    /// @dev The rest of a cycle whose input was lent; a lender may ask for no more than its loan's word allows.
    function _earnLoan(uint256 owed, bytes calldata data) private returns (uint256) {
        (Flight calldata flight, uint256[] calldata words) = Flights.unpack(data);
        if (owed > flight.owed) revert WrongDebt(msg.sender, owed.signed(), flight.owed);
        _earn(flight, words);
        return owed;
    }

    /// @dev What a pair or a pool called back for.
    function _settle(bytes calldata data) private {
        if (Flights.isDebt(data)) {
            (address token, uint256 amount) = Flights.debt(data);
            return token.safeTransfer(msg.sender, amount);
        }
        (Flight calldata flight, uint256[] calldata words) = Flights.unpack(data);
        if (flight.rest == Flights.CHAIN) {
            flight.token.safeTransfer(Hop.wrap(words[0]).pool(), flight.owed);
            return Chain.follow(words, flight.recipient);
        }
        _earn(flight, words);
        _repay(flight, flight.owed);
    }

    /// @dev On credit: the first hop's swap or a loan, then what there is to earn with it; and the debt is settled.
    function _account(Kind kind, bytes calldata data) private {
        (Flight calldata flight, uint256[] calldata words) = Flights.unpack(data);
        address singleton = _singleton(kind);
        if (flight.rest == 0) Accounted.take(singleton, kind, flight.token, flight.recipient, flight.owed);
        else Accounted.swap(singleton, words, 0, flight.token, flight.owed, flight.recipient);
        if (flight.rest < words.length) _earn(flight, words[flight.rest:]);
        Accounted.settle(singleton, kind, flight.token, flight.owed);
    }

    /// @dev A loss that nothing held can pay for is named as what it is.
    function _repay(Flight calldata flight, uint256 owed) private {
        if (flight.token.tryTransfer(msg.sender, owed)) return;
        uint256 held = flight.token.heldBy(address(this));
        if (held >= owed) revert TransferFailed(flight.token, msg.sender, owed);
        revert GainBelowMinimum(held.signed() - flight.balanceBefore.signed() - owed.signed(), flight.minGain);
    }

    /* INVENTORY */

    /// @return received What the inventory's balance of `tokenOut` grew by.
    /// @return least What it asks for what it gave.
    function _trade(uint256[] calldata words, address token, uint256 amount, address tokenOut)
        private
        returns (uint256 received, uint256 least)
    {
        uint256 balanceBefore = tokenOut.balanceOf(address(INVENTORY));
        least = _sell(words, token, amount, tokenOut);
        received = tokenOut.balanceOf(address(INVENTORY)) - balanceBefore;
    }

    /// @return least What the inventory asks for what it gave.
    function _sell(uint256[] calldata words, address token, uint256 amount, address tokenOut)
        private
        returns (uint256 least)
    {
        if (!Hop.wrap(words[0]).isRoute()) {
            least = INVENTORY.draw(token, amount, _entrance(Hop.wrap(words[0])), tokenOut);
            _walk(words, token, amount, address(INVENTORY));
            return least;
        }
        while (words.length != 0) {
            uint256 share;
            uint256[] calldata route;
            (route, share, words) = _nextRoute(words, amount);
            amount -= share;
            least += _sell(route, token, share, tokenOut);
        }
    }

    /* LENDERS */

    /// @dev Who lends the input of a first hop that gives no credit, when the operator names nobody.
    function _lender(Hop first) private view returns (Hop) {
        if (POOL_MANAGER != address(0)) return Hops.bare(Kind.LentByUniswapV4);
        if (BALANCER_VAULT_V3 != address(0)) return Hops.bare(Kind.LentByBalancerV3);
        revert NoLender(Hop.unwrap(first));
    }

    function _lenderOf(Hop loan, Kind kind) private view returns (address lender) {
        lender = loan.pool();
        if (kind == Kind.LentByBalancerV2 || kind == Kind.LentByAaveV3) {
            loan.requireUnnamed();
            lender = kind == Kind.LentByBalancerV2 ? BALANCER_VAULT_V2 : AAVE_POOL;
        }
        if (lender == address(0)) revert NoVenue(Hop.unwrap(loan));
    }
}
