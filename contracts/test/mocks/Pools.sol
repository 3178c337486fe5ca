// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "../../src/interfaces/IERC20.sol";
import {ILoanCallbacks, IPairCallbacks, IPoolCallbacks} from "../../src/interfaces/ICallbacks.sol";
import {
    ICurveCryptoPool,
    ICurvePool,
    IPairV2,
    IPoolOracle,
    IPoolV3,
    ISolidlyPair
} from "../../src/interfaces/IPools.sol";
import {IPoolLender} from "../../src/interfaces/ILenders.sol";
import {PlainToken} from "./Tokens.sol";

/// @notice Transfers of tokens that may not answer.
library Pay {
    function out(address token, address to, uint256 amount) internal {
        (bool succeeded,) = token.call(abi.encodeCall(IERC20.transfer, (to, amount)));
        require(succeeded);
    }
}

/// @notice A constant-product pair with V2's wire protocol.
contract Pair is IPairV2 {
    address public immutable token0;
    address public immutable token1;
    uint256 public immutable FEE_PPM;
    uint112 private _reserve0;
    uint112 private _reserve1;

    error Underpaid();

    constructor(address token0_, address token1_, uint256 feePpm) {
        (token0, token1, FEE_PPM) = (token0_, token1_, feePpm);
    }

    /// @notice Takes what it holds for its reserves.
    function sync() public {
        _reserve0 = uint112(IERC20(token0).balanceOf(address(this)));
        _reserve1 = uint112(IERC20(token1).balanceOf(address(this)));
    }

    function getReserves() external view returns (uint112, uint112, uint32) {
        return (_reserve0, _reserve1, 0);
    }

    function swap(uint256 out0, uint256 out1, address to, bytes calldata data) external {
        if (out0 > 0) Pay.out(token0, to, out0);
        if (out1 > 0) Pay.out(token1, to, out1);
        if (data.length > 0) IPairCallbacks(to).uniswapV2Call(msg.sender, out0, out1, data);
        uint256 balance0 = IERC20(token0).balanceOf(address(this));
        uint256 balance1 = IERC20(token1).balanceOf(address(this));
        uint256 in0 = balance0 + out0 > _reserve0 ? balance0 + out0 - _reserve0 : 0;
        uint256 in1 = balance1 + out1 > _reserve1 ? balance1 + out1 - _reserve1 : 0;
        uint256 k = (balance0 * 1e6 - in0 * FEE_PPM) * (balance1 * 1e6 - in1 * FEE_PPM);
        if (k < uint256(_reserve0) * _reserve1 * 1e12) revert Underpaid();
        sync();
    }
}

/// @notice A pool with V3's wire protocol and one price for any amount: `price0` tenths of token1 for one token0.
contract FixedPricePool is IPoolV3, IPoolLender {
    address public immutable token0;
    address public immutable token1;
    uint256 public immutable PRICE;

    error Underpaid();

    constructor(address token0_, address token1_, uint256 price) {
        (token0, token1, PRICE) = (token0_, token1_, price);
    }

    function quote(bool zeroForOne, uint256 amountIn) public view returns (uint256) {
        return zeroForOne ? amountIn * PRICE / 10 : amountIn * 10 / PRICE;
    }

    function swap(address recipient, bool zeroForOne, int256 amount, uint160, bytes calldata data)
        external
        returns (int256 amount0, int256 amount1)
    {
        int256 out = -int256(quote(zeroForOne, uint256(amount)));
        (address tokenIn, address tokenOut) = zeroForOne ? (token0, token1) : (token1, token0);
        (amount0, amount1) = zeroForOne ? (amount, out) : (out, amount);
        Pay.out(tokenOut, recipient, uint256(-out));
        uint256 balanceBefore = IERC20(tokenIn).balanceOf(address(this));
        _askBack(amount0, amount1, data);
        if (IERC20(tokenIn).balanceOf(address(this)) < balanceBefore + uint256(amount)) revert Underpaid();
    }

    /// @notice Lends at 3,000 ppm, rounded up.
    function flash(address recipient, uint256 amount0, uint256 amount1, bytes calldata data) external {
        (uint256 held0, uint256 held1) =
            (IERC20(token0).balanceOf(address(this)), IERC20(token1).balanceOf(address(this)));
        (uint256 fee0, uint256 fee1) = ((amount0 * 3000 + 999_999) / 1e6, (amount1 * 3000 + 999_999) / 1e6);
        if (amount0 > 0) Pay.out(token0, recipient, amount0);
        if (amount1 > 0) Pay.out(token1, recipient, amount1);
        _askLoanBack(fee0, fee1, data);
        if (IERC20(token0).balanceOf(address(this)) < held0 + fee0) revert Underpaid();
        if (IERC20(token1).balanceOf(address(this)) < held1 + fee1) revert Underpaid();
    }

    function _askBack(int256 amount0, int256 amount1, bytes calldata data) internal virtual {
        IPoolCallbacks(msg.sender).uniswapV3SwapCallback(amount0, amount1, data);
    }

    function _askLoanBack(uint256 fee0, uint256 fee1, bytes calldata data) internal virtual {
        ILoanCallbacks(msg.sender).uniswapV3FlashCallback(fee0, fee1, data);
    }
}

/// @notice The memory of a pool that never moved.
contract MeanPool is IPoolOracle {
    int24 public immutable TICK;

    constructor(int24 tick) {
        TICK = tick;
    }

    function observe(uint32[] calldata secondsAgo) external view returns (int56[] memory sums, uint160[] memory) {
        sums = new int56[](secondsAgo.length);
        for (uint256 i; i < sums.length; ++i) {
            sums[i] = -int56(uint56(secondsAgo[i])) * TICK;
        }
        return (sums, new uint160[](secondsAgo.length));
    }
}

/// @notice A pool of the attacker's that speaks every protocol which may name any pool: it claims any tokens and
/// reserves, delivers what it likes, calls back as often and with what it likes, takes what it is allowed to, and calls
/// anyone else before and after.
contract EvilPool is IPairV2, ISolidlyPair, IPoolV3, IPoolLender, ICurvePool, ICurveCryptoPool {
    struct Script {
        uint256 delivers;
        uint256 callbacks;
        bool calledBackAsPair;
        int256 asks;
        bool forgesData;
        address target;
        bytes callBefore;
        bytes callAfter;
    }

    address public token0;
    address public token1;
    Script public script;
    uint256 public calls;
    uint256 public successes;
    uint256 public pulls;

    constructor(address token0_, address token1_, Script memory script_) {
        rewrite(token0_, token1_, script_);
    }

    /// @notice Makes it another pool at the same address.
    function rewrite(address token0_, address token1_, Script memory script_) public {
        (token0, token1, script) = (token0_, token1_, script_);
    }

    function getReserves() external pure returns (uint112, uint112, uint32) {
        return (1e24, 2e24, 0);
    }

    function swap(uint256 out0, uint256, address to, bytes calldata data) external {
        _play(out0 > 0 ? token0 : token1, to, data);
    }

    function swap(address to, bool zeroForOne, int256, uint160, bytes calldata data) external returns (int256, int256) {
        _play(zeroForOne ? token1 : token0, to, data);
        return (0, 0);
    }

    function flash(address to, uint256 amount0, uint256, bytes calldata data) external {
        _play(amount0 > 0 ? token0 : token1, to, data);
    }

    function getAmountOut(uint256, address) external pure returns (uint256) {
        return 1e18;
    }

    function exchange(int128, int128, uint256, uint256) external {
        _exchange();
    }

    function exchange(uint256, uint256, uint256, uint256) external {
        _exchange();
    }

    function exchange_underlying(int128, int128, uint256, uint256) external {
        _exchange();
    }

    function _exchange() private {
        bytes memory pull = abi.encodeCall(PlainToken.transferFrom, (msg.sender, address(this), uint256(script.asks)));
        (bool pulled,) = token0.call(pull);
        if (pulled) ++pulls;
        _play(token1, msg.sender, "");
    }

    function _play(address tokenOut, address to, bytes memory data) private {
        if (script.delivers > 0) Pay.out(tokenOut, to, script.delivers);
        _tell(script.callBefore);
        bytes memory echoed = script.forgesData ? bytes.concat(data, hex"00") : data;
        for (uint256 i; i < script.callbacks; ++i) {
            if (script.calledBackAsPair) IPairCallbacks(msg.sender).uniswapV2Call(msg.sender, 0, 0, echoed);
            else IPoolCallbacks(msg.sender).uniswapV3SwapCallback(script.asks, 0, echoed);
        }
        _tell(script.callAfter);
    }

    function _tell(bytes memory data) private {
        if (data.length == 0) return;
        ++calls;
        (bool succeeded,) = script.target.call(data);
        if (succeeded) ++successes;
    }
}
