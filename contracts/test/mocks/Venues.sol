// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILoanCallbacks, IPairCallbacks, IPoolCallbacks} from "../../src/interfaces/ICallbacks.sol";
import {IERC20} from "../../src/interfaces/IERC20.sol";
import {ICurveCryptoPool, ICurvePool, ISolidlyPair} from "../../src/interfaces/IPools.sol";
import {IAToken, IERC4626, IWrappedNative, IWstETH} from "../../src/interfaces/IWrappers.sol";
import {FixedPricePool, Pay} from "./Pools.sol";
import {PlainToken} from "./Tokens.sol";

/// @notice Venues with one price for any amount: `price` tenths of token1 for one token0.
library Price {
    function out(uint256 price, bool zeroForOne, uint256 amountIn) internal pure returns (uint256) {
        return zeroForOne ? amountIn * price / 10 : amountIn * 10 / price;
    }
}

/// @notice Algebra's wire protocol: V3's, with a callback of another name.
contract AlgebraPool is FixedPricePool {
    constructor(address token0_, address token1_, uint256 price) FixedPricePool(token0_, token1_, price) {}

    function _askBack(int256 amount0, int256 amount1, bytes calldata data) internal override {
        IPoolCallbacks(msg.sender).algebraSwapCallback(amount0, amount1, data);
    }
}

/// @notice Pancake V3's wire protocol.
contract PancakePool is FixedPricePool {
    constructor(address token0_, address token1_, uint256 price) FixedPricePool(token0_, token1_, price) {}

    function _askBack(int256 amount0, int256 amount1, bytes calldata data) internal override {
        IPoolCallbacks(msg.sender).pancakeV3SwapCallback(amount0, amount1, data);
    }

    function _askLoanBack(uint256 fee0, uint256 fee1, bytes calldata data) internal override {
        ILoanCallbacks(msg.sender).pancakeV3FlashCallback(fee0, fee1, data);
    }
}

/// @notice Solidly's wire protocol: a pair that quotes itself.
contract SolidlyPair is ISolidlyPair {
    address public immutable token0;
    address public immutable token1;
    uint256 public immutable PRICE;
    bool public pancake;
    uint256 private _held0;
    uint256 private _held1;

    error Underpaid();

    constructor(address token0_, address token1_, uint256 price) {
        (token0, token1, PRICE) = (token0_, token1_, price);
    }

    /// @notice Takes what it holds for its reserves.
    function sync() public {
        (_held0, _held1) = (IERC20(token0).balanceOf(address(this)), IERC20(token1).balanceOf(address(this)));
    }

    /// @notice Calls back by Pancake V2's name from now on.
    function speakPancake() external {
        pancake = true;
    }

    function getAmountOut(uint256 amountIn, address tokenIn) external view returns (uint256) {
        return Price.out(PRICE, tokenIn == token0, amountIn);
    }

    function swap(uint256 out0, uint256 out1, address to, bytes calldata data) external {
        if (out0 > 0) Pay.out(token0, to, out0);
        if (out1 > 0) Pay.out(token1, to, out1);
        if (data.length > 0) {
            if (pancake) IPairCallbacks(to).pancakeCall(msg.sender, out0, out1, data);
            else IPairCallbacks(to).hook(msg.sender, out0, out1, data);
        }
        uint256 in0 = IERC20(token0).balanceOf(address(this)) + out0 - _held0;
        uint256 in1 = IERC20(token1).balanceOf(address(this)) + out1 - _held1;
        if (out1 > Price.out(PRICE, true, in0) || out0 > Price.out(PRICE, false, in1)) revert Underpaid();
        sync();
    }
}

/// @notice Curve's wire protocols: coin 0 is token0, coin 1 token1, and the underlying coins lie one further.
contract CurvePool is ICurvePool, ICurveCryptoPool {
    address public immutable token0;
    address public immutable token1;
    uint256 public immutable PRICE;

    error NoSuchCoin();

    constructor(address token0_, address token1_, uint256 price) {
        (token0, token1, PRICE) = (token0_, token1_, price);
    }

    function exchange(int128 i, int128 j, uint256 amountIn, uint256) external {
        _exchange(uint256(int256(i)), uint256(int256(j)), amountIn);
    }

    function exchange(uint256 i, uint256 j, uint256 amountIn, uint256) external {
        _exchange(i, j, amountIn);
    }

    function exchange_underlying(int128 i, int128 j, uint256 amountIn, uint256) external {
        _exchange(uint256(int256(i - 1)), uint256(int256(j - 1)), amountIn);
    }

    function _exchange(uint256 i, uint256 j, uint256 amountIn) private {
        if (i > 1 || j > 1 || i == j) revert NoSuchCoin();
        (address tokenIn, address tokenOut) = i == 0 ? (token0, token1) : (token1, token0);
        PlainToken(tokenIn).transferFrom(msg.sender, address(this), amountIn);
        Pay.out(tokenOut, msg.sender, Price.out(PRICE, i == 0, amountIn));
    }
}

/// @notice An ERC-4626 vault. Token0 is its asset, token1 itself; it mints and burns shares at its one price.
contract Vault is PlainToken, IERC4626 {
    address public immutable asset;
    uint256 public immutable PRICE;

    constructor(address asset_, uint256 price) {
        (asset, PRICE) = (asset_, price);
    }

    function deposit(uint256 assets, address receiver) external returns (uint256 shares) {
        PlainToken(asset).transferFrom(msg.sender, address(this), assets);
        shares = Price.out(PRICE, true, assets);
        balanceOf[receiver] += shares;
    }

    function redeem(uint256 shares, address receiver, address owner) external returns (uint256 assets) {
        if (msg.sender != owner) allowance[owner][msg.sender] -= shares;
        balanceOf[owner] -= shares;
        assets = Price.out(PRICE, false, shares);
        Pay.out(asset, receiver, assets);
    }
}

/// @notice wstETH's wire protocol, at one price.
contract StakedWrapper is PlainToken, IWstETH {
    address public immutable stETH;
    uint256 public immutable PRICE;

    constructor(address stETH_, uint256 price) {
        (stETH, PRICE) = (stETH_, price);
    }

    function wrap(uint256 amount) external returns (uint256 wrapped) {
        PlainToken(stETH).transferFrom(msg.sender, address(this), amount);
        wrapped = Price.out(PRICE, true, amount);
        balanceOf[msg.sender] += wrapped;
    }

    function unwrap(uint256 amount) external returns (uint256 unwrapped) {
        balanceOf[msg.sender] -= amount;
        unwrapped = Price.out(PRICE, false, amount);
        Pay.out(stETH, msg.sender, unwrapped);
    }
}

/// @notice Aave V3's aToken: token1, of the asset that is token0. Its pool mints and burns it, at one price.
contract AToken is PlainToken, IAToken {
    address public immutable UNDERLYING_ASSET_ADDRESS;
    address public immutable POOL;
    uint256 public immutable PRICE;

    constructor(address asset, uint256 price) {
        (UNDERLYING_ASSET_ADDRESS, PRICE, POOL) = (asset, price, address(new Reserve()));
    }

    /// @notice What is held is what was supplied, at one for one.
    function scaledTotalSupply() external view returns (uint256) {
        return IERC20(UNDERLYING_ASSET_ADDRESS).balanceOf(address(this));
    }

    function minted(address to, uint256 supplied) external {
        require(msg.sender == POOL);
        balanceOf[to] += Price.out(PRICE, true, supplied);
    }

    function burnt(address from, uint256 amount, address to) external returns (uint256 withdrawn) {
        require(msg.sender == POOL);
        balanceOf[from] -= amount;
        withdrawn = Price.out(PRICE, false, amount);
        Pay.out(UNDERLYING_ASSET_ADDRESS, to, withdrawn);
    }
}

/// @notice A worthless token that says it is the aToken of another's reserve.
contract FalseAToken is PlainToken, IAToken {
    address public immutable UNDERLYING_ASSET_ADDRESS;
    address public immutable POOL;

    constructor(IAToken another) {
        (UNDERLYING_ASSET_ADDRESS, POOL) = (another.UNDERLYING_ASSET_ADDRESS(), another.POOL());
    }
}

/// @notice Aave V3's pool, of the one reserve that made it.
contract Reserve {
    AToken private immutable A_TOKEN = AToken(msg.sender);
    uint256 private constant RAY = 1e27;
    uint256 public constant POOL_REVISION = 10;

    error NoSuchReserve(address asset);

    function supply(address asset, uint256 amount, address onBehalfOf, uint16) external {
        if (asset != A_TOKEN.UNDERLYING_ASSET_ADDRESS()) revert NoSuchReserve(asset);
        PlainToken(asset).transferFrom(msg.sender, address(A_TOKEN), amount);
        A_TOKEN.minted(onBehalfOf, amount);
    }

    function withdraw(address asset, uint256 amount, address to) external returns (uint256) {
        if (asset != A_TOKEN.UNDERLYING_ASSET_ADDRESS()) revert NoSuchReserve(asset);
        return A_TOKEN.burnt(msg.sender, amount, to);
    }

    /// @notice The words of `ReserveDataLegacy`: eighteen decimals, active; nothing is lent to anybody.
    function getReserveData(address) external view returns (uint256[15] memory words) {
        (words[0], words[3], words[8], words[10]) =
        (18 << 48 | 1 << 56, RAY, uint160(address(A_TOKEN)), uint160(address(this)));
    }

    function getReserveNormalizedIncome(address) external pure returns (uint256) {
        return RAY;
    }

    function getReserveNormalizedVariableDebt(address) external pure returns (uint256) {
        return RAY;
    }

    function getVirtualUnderlyingBalance(address asset) external view returns (uint256) {
        return IERC20(asset).balanceOf(address(A_TOKEN));
    }

    /// @notice Of the debt token, which it is too.
    function scaledTotalSupply() external pure returns (uint256) {
        return 0;
    }
}

/// @notice WETH9's wire protocol. Whoever mints it sends the coins along.
contract WrappedCoin is PlainToken, IWrappedNative {
    receive() external payable {}

    function deposit() external payable {
        balanceOf[msg.sender] += msg.value;
    }

    function withdraw(uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        (bool accepted,) = msg.sender.call{value: amount}("");
        require(accepted);
    }
}
