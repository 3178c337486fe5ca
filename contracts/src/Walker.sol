// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InvalidHop, NoVenue} from "./Errors.sol";
import {Armed} from "./Armed.sol";
import {Settings} from "./Settings.sol";
import {IPoolManager, IVaultV3} from "./interfaces/ISingletons.sol";
import {IUnlockCallbacks} from "./interfaces/ICallbacks.sol";
import {Accounted} from "./libraries/Accounted.sol";
import {Flight, Flights} from "./libraries/Flights.sol";
import {Hop, Hops, Kind} from "./libraries/Hops.sol";
import {Pulled} from "./libraries/Pulled.sol";
import {SafeTransfer} from "./libraries/SafeTransfer.sol";
import {Swaps} from "./libraries/Swaps.sol";

/// @title How hops are swapped along, one after the other.
/// @notice What a hop sells is what the recipient's balance grew by in the hop before, so that no pool and no token is
/// believed. What the last hop brings is measured by whoever began the walk.
abstract contract Walker is Settings, Armed {
    using Flights for Flight;
    using SafeTransfer for address;
    using Swaps for Hop;

    /// @dev Swaps `amount` of `token`, which lies at `where`, along `words`: one route, or several that share it.
    function _spread(uint256[] calldata words, address token, uint256 amount, address where) internal {
        if (!Hop.wrap(words[0]).isRoute()) {
            address entrance = _entrance(Hop.wrap(words[0]));
            if (entrance != where) token.safeTransfer(entrance, amount);
            return _walk(words, token, amount, address(this));
        }
        while (words.length != 0) {
            uint256 share;
            uint256[] calldata route;
            (route, share, words) = _nextRoute(words, amount);
            amount -= share;
            _spread(route, token, share, where);
        }
    }

    /// @dev The first of several routes, what of `left` goes along it, and the words of those behind it. The last takes
    /// all that is left.
    function _nextRoute(uint256[] calldata words, uint256 left)
        internal
        pure
        returns (uint256[] calldata route, uint256 share, uint256[] calldata others)
    {
        Hop head = Hop.wrap(words[0]);
        uint256 length;
        (share, length) = head.split();
        if (!head.isRoute() || length == 0 || length >= words.length) revert InvalidHop(words[0]);
        (route, others) = (words[1:length + 1], words[length + 1:]);
        if (others.length == 0) share = left;
    }

    /// @dev Swaps along the hops; the input must lie at the first one's entrance.
    function _walk(uint256[] calldata words, address token, uint256 amount, address recipient) internal {
        uint256 index;
        while (true) {
            Hop hop = Hop.wrap(words[index]);
            uint256 next = index + hop.length();
            address to = next < words.length ? _entrance(Hop.wrap(words[next])) : recipient;
            address payee = hop.bit() & Hops.PAYING_CALLER != 0 ? address(this) : to;
            if (next >= words.length && payee == to) return _swap(words, index, token, amount, to);
            (token, amount) = _measured(words, index, token, amount, payee);
            if (payee != to) amount = _forward(token, amount, to);
            if (next >= words.length) return;
            index = next;
        }
    }

    /// @dev Where a hop's input must lie: a pair is paid before it swaps, everyone else asks this contract for it.
    function _entrance(Hop hop) internal view returns (address) {
        return hop.bit() & Hops.PAIRS != 0 ? hop.pool() : address(this);
    }

    function _measured(uint256[] calldata words, uint256 index, address tokenIn, uint256 amountIn, address payee)
        private
        returns (address tokenOut, uint256 received)
    {
        tokenOut = Hops.tokenOut(words, index);
        uint256 balanceBefore = tokenOut.heldBy(payee);
        _swap(words, index, tokenIn, amountIn, payee);
        received = tokenOut.heldBy(payee) - balanceBefore;
    }

    function _forward(address token, uint256 amount, address to) private returns (uint256) {
        uint256 balanceBefore = token.heldBy(to);
        token.safeTransfer(to, amount);
        return token.heldBy(to) - balanceBefore;
    }

    function _swap(uint256[] calldata words, uint256 index, address tokenIn, uint256 amountIn, address payee) private {
        Hop hop = Hop.wrap(words[index]);
        uint256 bit = hop.bit();
        if (bit & Hops.PAIRS != 0) {
            hop.swapPair(tokenIn, amountIn, payee, "");
        } else if (bit & Hops.POOLS != 0) {
            bytes memory debt = abi.encode(tokenIn, amountIn);
            _arm(hop.pool(), debt);
            hop.swapPool(amountIn, payee, debt);
            _requireCalled(hop.pool());
        } else if (bit & Hops.ACCOUNTED == 0) {
            Pulled.swap(words, index, BALANCER_VAULT_V2, tokenIn, amountIn, payee);
        } else if (hop.kind() == Kind.UniswapV4 && managerUnlocked != 0) {
            // Only V4's manager refuses to be unlocked twice.
            Accounted.swap(POOL_MANAGER, words, index, tokenIn, amountIn, payee);
            Accounted.settle(POOL_MANAGER, Kind.UniswapV4, tokenIn, amountIn);
        } else {
            Flight memory alone;
            (alone.token, alone.owed, alone.recipient, alone.rest) = (tokenIn, amountIn, payee, hop.length());
            _unlock(hop.kind(), alone, words[index:index + alone.rest]);
        }
    }

    /* SINGLETONS */

    /// @dev Has the singleton call back, to do what `flight` and `words` say inside its accounts.
    function _unlock(Kind kind, Flight memory flight, uint256[] calldata words) internal {
        address singleton = _singleton(kind);
        if (singleton == address(0)) revert NoVenue(words[0]);
        bytes memory data = flight.pack(words);
        _arm(singleton, data);
        if (kind == Kind.UniswapV4) IPoolManager(singleton).unlock(data);
        else IVaultV3(singleton).unlock(abi.encodeCall(IUnlockCallbacks.balancerUnlocked, (data)));
        _requireCalled(singleton);
    }

    function _singleton(Kind kind) internal view returns (address) {
        return kind == Kind.UniswapV4 ? POOL_MANAGER : BALANCER_VAULT_V3;
    }
}
