// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILoanCallbacks, IUnlockCallbacks} from "../../src/interfaces/ICallbacks.sol";
import {IERC20} from "../../src/interfaces/IERC20.sol";
import {IPoolManager, IVaultV2, IVaultV3} from "../../src/interfaces/ISingletons.sol";
import {IBalancerLender} from "../../src/interfaces/ILenders.sol";
import {Pay} from "./Pools.sol";
import {PlainToken} from "./Tokens.sol";
import {Price} from "./Venues.sol";

/// @notice Uniswap V4's accounts: every caller's deltas must be zero when the lock closes. Prices are fixed, in tenths
/// of currency1; a pool exists once it was opened. A hooked pool may take a toll on top of what it was given.
contract Manager is IPoolManager {
    mapping(bytes32 id => uint256) public priceOf;
    mapping(bytes32 id => int128) public tollOf;
    mapping(address account => mapping(address currency => int256)) public deltaOf;
    uint256 public open;
    address private _owing;
    address private _synced;
    uint256 private _held;

    error AlreadyUnlocked();
    error Locked();
    error NotSettled();
    error NoSuchPool();

    receive() external payable {}

    function initialize(PoolKey calldata key, uint256 price, int128 toll) external returns (bytes32 id) {
        id = keccak256(abi.encode(key));
        (priceOf[id], tollOf[id]) = (price, toll);
    }

    function unlock(bytes calldata data) external returns (bytes memory answer) {
        if (_owing != address(0)) revert AlreadyUnlocked();
        _owing = msg.sender;
        answer = IUnlockCallbacks(msg.sender).unlockCallback(data);
        _owing = address(0);
        if (open != 0) revert NotSettled();
    }

    function swap(PoolKey calldata key, SwapParams calldata params, bytes calldata) external returns (int256) {
        if (_owing == address(0)) revert Locked();
        bytes32 id = keccak256(abi.encode(key));
        uint256 price = priceOf[id];
        if (price == 0) revert NoSuchPool();
        int256 amountIn = params.amountSpecified - tollOf[id];
        int256 out = int256(Price.out(price, params.zeroForOne, uint256(-params.amountSpecified)));
        (int256 delta0, int256 delta1) = params.zeroForOne ? (amountIn, out) : (out, amountIn);
        _account(msg.sender, key.currency0, delta0);
        _account(msg.sender, key.currency1, delta1);
        return delta0 << 128 | int256(uint256(uint128(int128(delta1))));
    }

    function sync(address currency) external {
        (_synced, _held) = (currency, currency == address(0) ? 0 : IERC20(currency).balanceOf(address(this)));
    }

    function take(address currency, address to, uint256 amount) external {
        if (_owing == address(0)) revert Locked();
        _account(msg.sender, currency, -int256(amount));
        if (currency != address(0)) return Pay.out(currency, to, amount);
        (bool accepted,) = to.call{value: amount}("");
        require(accepted);
    }

    function settle() external payable returns (uint256 paid) {
        if (_owing == address(0)) revert Locked();
        paid = _synced == address(0) ? msg.value : IERC20(_synced).balanceOf(address(this)) - _held;
        _account(msg.sender, _synced, int256(paid));
        _synced = address(0);
    }

    function _account(address account, address currency, int256 change) private {
        int256 before = deltaOf[account][currency];
        int256 after_ = before + change;
        if (before == 0 && after_ != 0) ++open;
        if (before != 0 && after_ == 0) --open;
        deltaOf[account][currency] = after_;
    }
}

/// @notice Balancer V2's vault: pulls its input, pays whom it is told. Prices are fixed, in tenths of token1.
contract VaultV2 is IVaultV2, IBalancerLender {
    struct Pool {
        address token0;
        address token1;
        uint256 price;
    }

    mapping(bytes32 id => Pool) public pools;

    uint256 public feePpm;

    error NoSuchPool();
    error NotPaidBack();

    function charge(uint256 feePpm_) external {
        feePpm = feePpm_;
    }

    /// @notice Lends the first token; the others are not looked at.
    function flashLoan(address recipient, address[] calldata tokens, uint256[] calldata amounts, bytes calldata data)
        external
    {
        uint256 held = IERC20(tokens[0]).balanceOf(address(this));
        uint256[] memory fees = new uint256[](1);
        fees[0] = amounts[0] * feePpm / 1e6;
        Pay.out(tokens[0], recipient, amounts[0]);
        ILoanCallbacks(recipient).receiveFlashLoan(tokens, amounts, fees, data);
        if (IERC20(tokens[0]).balanceOf(address(this)) < held + fees[0]) revert NotPaidBack();
    }

    function register(bytes32 id, address token0, address token1, uint256 price) external {
        pools[id] = Pool(token0, token1, price);
    }

    function swap(SingleSwap calldata single, FundManagement calldata funds, uint256, uint256 deadline)
        external
        returns (uint256 out)
    {
        Pool memory pool = pools[single.poolId];
        bool zeroForOne = single.assetIn == pool.token0;
        if (pool.price == 0 || single.assetOut != (zeroForOne ? pool.token1 : pool.token0)) revert NoSuchPool();
        require(block.timestamp <= deadline && funds.sender == msg.sender && single.kind == SwapKind.GivenIn);
        PlainToken(single.assetIn).transferFrom(funds.sender, address(this), single.amount);
        out = Price.out(pool.price, zeroForOne, single.amount);
        Pay.out(single.assetOut, funds.recipient, out);
    }
}

/// @notice Balancer V3's vault: one set of accounts, which anybody may move while it is unlocked, and which must be even
/// when the outermost lock closes. A pool, or a buffer of a wrapped token, has one price in tenths of token1.
contract VaultV3 is IVaultV3 {
    struct Pool {
        address token0;
        address token1;
        uint256 price;
        uint256 toll;
    }

    mapping(address pool => Pool) public pools;
    mapping(address token => int256) public debtOf;
    mapping(address token => uint256) public getReservesOf;
    uint256 public open;
    uint256 private _depth;

    error Locked();
    error NotSettled();
    error NoSuchPool();

    function register(address pool, address token0, address token1, uint256 price, uint256 toll) external {
        pools[pool] = Pool(token0, token1, price, toll);
    }

    /// @notice Takes what it holds for its reserves.
    function fund(address token) external {
        getReservesOf[token] = IERC20(token).balanceOf(address(this));
    }

    function unlock(bytes calldata data) external returns (bytes memory) {
        ++_depth;
        (bool succeeded, bytes memory answer) = msg.sender.call(data);
        if (!succeeded) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
        if (--_depth == 0 && open != 0) revert NotSettled();
        return answer;
    }

    function swap(VaultSwapParams calldata params) external returns (uint256, uint256, uint256) {
        return _swap(params.pool, params.tokenIn, params.tokenOut, params.amountGivenRaw);
    }

    function erc4626BufferWrapOrUnwrap(BufferWrapOrUnwrapParams calldata params)
        external
        returns (uint256, uint256, uint256)
    {
        Pool memory pool = pools[params.wrappedToken];
        (address tokenIn, address tokenOut) =
            params.direction == WrappingDirection.Wrap ? (pool.token0, pool.token1) : (pool.token1, pool.token0);
        return _swap(params.wrappedToken, tokenIn, tokenOut, params.amountGivenRaw);
    }

    function settle(address token, uint256 hint) external returns (uint256 credit) {
        if (_depth == 0) revert Locked();
        uint256 held = IERC20(token).balanceOf(address(this));
        credit = held - getReservesOf[token];
        if (credit > hint) credit = hint;
        getReservesOf[token] = held;
        _account(token, -int256(credit));
    }

    function sendTo(address token, address to, uint256 amount) external {
        if (_depth == 0) revert Locked();
        _account(token, int256(amount));
        getReservesOf[token] -= amount;
        Pay.out(token, to, amount);
    }

    function _swap(address where, address tokenIn, address tokenOut, uint256 amountIn)
        private
        returns (uint256, uint256, uint256 out)
    {
        if (_depth == 0) revert Locked();
        Pool memory pool = pools[where];
        bool zeroForOne = tokenIn == pool.token0;
        if (pool.price == 0 || tokenOut != (zeroForOne ? pool.token1 : pool.token0)) revert NoSuchPool();
        out = Price.out(pool.price, zeroForOne, amountIn);
        _account(tokenIn, int256(amountIn + pool.toll));
        _account(tokenOut, -int256(out));
        return (out, amountIn + pool.toll, out);
    }

    function _account(address token, int256 change) private {
        int256 before = debtOf[token];
        int256 after_ = before + change;
        if (before == 0 && after_ != 0) ++open;
        if (before != 0 && after_ == 0) --open;
        debtOf[token] = after_;
    }
}
