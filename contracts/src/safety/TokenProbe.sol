// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

interface IPair {
    function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 timestamp);
    function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes calldata data) external;
}

interface IPoolV3 {
    function swap(address recipient, bool zeroForOne, int256 amount, uint160 sqrtPriceLimitX96, bytes calldata data)
        external
        returns (int256 amount0, int256 amount1);
}

interface IToken {
    function balanceOf(address account) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function approve(address spender, uint256 amount) external returns (bool);
}

interface IRegistry1820 {
    function setInterfaceImplementer(address account, bytes32 interfaceHash, address implementer) external;
}

/// @title Tries a token out: buys, moves and sells it, and reports what really happened to the balances.
/// @notice It exists only over forks, at an address of its own; it is never deployed. Nothing it does reverts because
/// of the token: a failure is an answer.
contract TokenProbe {
    /// @dev `asked` is what should have moved from one account to the other. `answer` is the first word of what
    /// `transfer` returned, `answerSize` its length in bytes; both are 0 where a pool made the transfer.
    struct Moved {
        bool succeeded;
        uint256 asked;
        uint256 fromBefore;
        uint256 fromAfter;
        uint256 toBefore;
        uint256 toAfter;
        uint256 answerSize;
        uint256 answer;
        uint256 gasUsed;
    }

    struct Venue {
        address pool;
        bool concentrated;
        bool tokenIsFirst;
        uint256 feePpm;
        address token;
        address base;
    }

    struct Answer {
        bool succeeded;
        uint256 size;
        uint256 word;
    }

    IRegistry1820 private constant REGISTRY = IRegistry1820(0x1820a4B7618BdE71Dce8cdc73aAB6C95905faD24);
    uint256 private constant PPM = 1e6;
    uint256 private constant TOKEN_GAS = 5_000_000;
    uint256 private constant POOL_GAS = 12_000_000;
    uint256 private constant READ_GAS = 1_000_000;
    uint160 private constant LEAST_PRICE = 4295128740;
    uint160 private constant GREATEST_PRICE = 1461446703485210103287273052203988822378723970341;

    /// @notice Takes every hook and callback that a token may call.
    fallback() external {}

    /// @notice Pays what a V3 pool is owed; `data` names the token.
    function uniswapV3SwapCallback(int256 owed0, int256 owed1, bytes calldata data) external {
        _transfer(abi.decode(data, (address)), msg.sender, uint256(owed0 > 0 ? owed0 : owed1));
    }

    /// @notice Announces itself as a receiver and sender of ERC-777 tokens, wherever the registry exists.
    function register() public {
        if (address(REGISTRY).code.length == 0) return;
        REGISTRY.setInterfaceImplementer(address(this), keccak256("ERC777TokensRecipient"), address(this));
        REGISTRY.setInterfaceImplementer(address(this), keccak256("ERC777TokensSender"), address(this));
    }

    /// @notice Many reads at once; each may fail.
    function ask(address[] calldata targets, bytes[] calldata questions) external view returns (Answer[] memory made) {
        made = new Answer[](targets.length);
        for (uint256 i; i < targets.length; ++i) {
            made[i] = _ask(targets[i], questions[i]);
        }
    }

    function held(address token) external view returns (uint256) {
        return _balance(token, address(this));
    }

    /// @notice Buys with `amount` of the base, in the pool.
    function buy(Venue calldata venue, uint256 amount) public returns (Moved memory moved) {
        if (venue.concentrated) return _swapV3(venue, venue.base, amount, venue.pool, address(this));
        _transfer(venue.base, venue.pool, amount);
        uint256 out = _dueV2(venue, venue.base);
        moved = _before(venue.token, venue.pool, address(this), out);
        moved.succeeded = _takeV2(venue, venue.token, out);
        _after(moved, venue.token, venue.pool, address(this));
    }

    /// @notice Sells `sharePpm` of what is held, in the pool. What it reports is the token's way into the pool.
    function sell(Venue calldata venue, uint256 sharePpm) public returns (Moved memory moved) {
        uint256 amount = _share(venue.token, sharePpm);
        if (venue.concentrated) return _swapV3(venue, venue.token, amount, address(this), venue.pool);
        moved = move(venue.token, venue.pool, amount);
        uint256 out = _dueV2(venue, venue.token);
        moved.succeeded = moved.succeeded && (out == 0 || _takeV2(venue, venue.base, out));
    }

    /// @notice Transfers `sharePpm` of what is held.
    function give(address token, address to, uint256 sharePpm) public returns (Moved memory) {
        return move(token, to, _share(token, sharePpm));
    }

    function move(address token, address to, uint256 amount) public returns (Moved memory moved) {
        moved = _before(token, address(this), to, amount);
        (moved.succeeded, moved.answerSize, moved.answer) = _transfer(token, to, amount);
        _after(moved, token, address(this), to);
    }

    /// @notice Whether a first approval, a second over it, and one of zero go through.
    function approvals(address token, address spender) external returns (bool first, bool second, bool zero) {
        (first,,) = _call(token, abi.encodeCall(IToken.approve, (spender, 1)));
        (second,,) = _call(token, abi.encodeCall(IToken.approve, (spender, 2)));
        (zero,,) = _call(token, abi.encodeCall(IToken.approve, (spender, 0)));
    }

    /// @notice There and back in one transaction, to be traced.
    function trip(Venue calldata venue, uint256 amount, address stranger) external {
        register();
        buy(venue, amount);
        give(venue.token, stranger, PPM / 2);
        sell(venue, PPM);
    }

    function _swapV3(Venue calldata venue, address tokenIn, uint256 amount, address from, address to)
        private
        returns (Moved memory moved)
    {
        bool zeroForOne = (tokenIn == venue.token) == venue.tokenIsFirst;
        moved = _before(venue.token, from, to, amount);
        (bool succeeded, bytes memory answer) = venue.pool.call{gas: POOL_GAS}(
            abi.encodeCall(
                IPoolV3.swap,
                (
                    address(this),
                    zeroForOne,
                    int256(amount),
                    zeroForOne ? LEAST_PRICE : GREATEST_PRICE,
                    abi.encode(tokenIn)
                )
            )
        );
        moved.succeeded = succeeded;
        if (succeeded) {
            (int256 amount0, int256 amount1) = abi.decode(answer, (int256, int256));
            int256 change = venue.tokenIsFirst ? amount0 : amount1;
            moved.asked = uint256(change < 0 ? -change : change);
        }
        _after(moved, venue.token, from, to);
    }

    /// @dev What the pair would pay for all of `tokenIn` that it has beyond its reserve.
    function _dueV2(Venue calldata venue, address tokenIn) private view returns (uint256) {
        (uint256 reserveIn, uint256 reserveOut,) = IPair(venue.pool).getReserves();
        if ((tokenIn == venue.token) != venue.tokenIsFirst) (reserveIn, reserveOut) = (reserveOut, reserveIn);
        uint256 there = _balance(tokenIn, venue.pool);
        if (there <= reserveIn) return 0;
        uint256 effective = (there - reserveIn) * (PPM - venue.feePpm);
        return effective * reserveOut / (reserveIn * PPM + effective);
    }

    function _takeV2(Venue calldata venue, address tokenOut, uint256 out) private returns (bool succeeded) {
        bool first = (tokenOut == venue.token) == venue.tokenIsFirst;
        (succeeded,) = venue.pool.call{gas: POOL_GAS}(
            abi.encodeCall(IPair.swap, (first ? out : 0, first ? 0 : out, address(this), ""))
        );
    }

    function _before(address token, address from, address to, uint256 asked) private view returns (Moved memory moved) {
        moved.asked = asked;
        moved.fromBefore = _balance(token, from);
        moved.toBefore = _balance(token, to);
        moved.gasUsed = gasleft();
    }

    function _after(Moved memory moved, address token, address from, address to) private view {
        moved.gasUsed -= gasleft();
        moved.fromAfter = _balance(token, from);
        moved.toAfter = _balance(token, to);
    }

    /// @dev At least one unit of what is held, so that coarse tokens move too.
    function _share(address token, uint256 sharePpm) private view returns (uint256) {
        uint256 balance = _balance(token, address(this));
        uint256 share = balance / PPM * sharePpm + balance % PPM * sharePpm / PPM;
        return share == 0 && balance != 0 ? 1 : share;
    }

    function _transfer(address token, address to, uint256 amount) private returns (bool, uint256, uint256) {
        return _call(token, abi.encodeCall(IToken.transfer, (to, amount)));
    }

    function _balance(address token, address account) private view returns (uint256) {
        return _ask(token, abi.encodeCall(IToken.balanceOf, (account))).word;
    }

    /// @dev Only one word of the answer is copied, so that a long one costs nothing.
    function _call(address to, bytes memory data) private returns (bool succeeded, uint256 size, uint256 word) {
        assembly ("memory-safe") {
            mstore(0x00, 0)
            succeeded := call(TOKEN_GAS, to, 0, add(data, 0x20), mload(data), 0x00, 0x20)
            size := returndatasize()
            word := mload(0x00)
        }
    }

    function _ask(address to, bytes memory data) private view returns (Answer memory made) {
        bool succeeded;
        uint256 size;
        uint256 word;
        assembly ("memory-safe") {
            mstore(0x00, 0)
            succeeded := staticcall(READ_GAS, to, add(data, 0x20), mload(data), 0x00, 0x20)
            size := returndatasize()
            word := mload(0x00)
        }
        return Answer(succeeded, size, word);
    }
}
