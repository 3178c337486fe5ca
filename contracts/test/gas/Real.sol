// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "../../src/interfaces/IERC20.sol";
import {PlainToken} from "../mocks/Tokens.sol";
import {Test} from "../base/Test.sol";

interface Files {
    function readFile(string calldata path) external view returns (string memory);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
}

interface IRealPair {
    function initialize(address token0, address token1) external;
    function mint(address to) external returns (uint256);
}

interface IRealPool {
    function initialize(uint160 sqrtPriceX96) external;
    function mint(address to, int24 lower, int24 upper, uint128 liquidity, bytes calldata data)
        external
        returns (uint256, uint256);
}

/// @notice Uniswap's own V2 pairs and V3 pools, made from their published bytecode; this contract is their factory.
abstract contract Real is Test {
    string private constant V2 = "node_modules/@uniswap/v2-core/build/UniswapV2Pair.json";
    string private constant V3 =
        "node_modules/@uniswap/v3-core/artifacts/contracts/UniswapV3Pool.sol/UniswapV3Pool.json";
    int24 private constant WIDEST = 887220;

    address private _token0;
    address private _token1;

    address public constant feeTo = address(0);
    address public constant owner = address(0xFEE);

    /// @notice What a V3 pool asks of its deployer in its constructor.
    function parameters() external view returns (address, address, address, uint24, int24) {
        return (address(this), _token0, _token1, 3000, 60);
    }

    function uniswapV3MintCallback(uint256 owed0, uint256 owed1, bytes calldata) external {
        PlainToken(_token0).mint(msg.sender, owed0);
        PlainToken(_token1).mint(msg.sender, owed1);
    }

    function realPair(PlainToken token0, uint256 reserve0, PlainToken token1, uint256 reserve1)
        internal
        returns (address made)
    {
        made = _create(V2, ".bytecode");
        IRealPair(made).initialize(address(token0), address(token1));
        token0.mint(made, reserve0);
        token1.mint(made, reserve1);
        IRealPair(made).mint(address(this));
    }

    /// @param sqrtPriceX96 The root of what one token0 costs in token1.
    function realPool(PlainToken token0, PlainToken token1, uint160 sqrtPriceX96, uint128 liquidity)
        internal
        returns (address made)
    {
        (_token0, _token1) = (address(token0), address(token1));
        made = _create(V3, ".bytecode");
        IRealPool(made).initialize(sqrtPriceX96);
        IRealPool(made).mint(address(this), -WIDEST, WIDEST, liquidity, "");
    }

    function _create(string memory file, string memory key) private returns (address made) {
        Files files = Files(address(vm));
        bytes memory code = files.parseJsonBytes(files.readFile(file), key);
        assembly ("memory-safe") {
            made := create(0, add(code, 0x20), mload(code))
        }
        assertTrue(made != address(0), "the published bytecode deploys");
    }
}
