// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice forge's cheat codes, those in use here.
interface Vm {
    function prank(address sender) external;
    function roll(uint256 blockNumber) external;
    function warp(uint256 timestamp) external;
    function chainId(uint256 id) external;
    function deal(address account, uint256 amount) external;
    function setBlockhash(uint256 blockNumber, bytes32 hash) external;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata data) external;
    function assume(bool condition) external pure;
    function store(address account, bytes32 slot, bytes32 value) external;
}

/// @notice All that a test of this folder needs of a framework.
abstract contract Test {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error NotEqual(uint256 actual, uint256 expected);
    error NotTrue(string claim);

    function assertEq(uint256 actual, uint256 expected) internal pure {
        if (actual != expected) revert NotEqual(actual, expected);
    }

    function assertTrue(bool holds, string memory claim) internal pure {
        if (!holds) revert NotTrue(claim);
    }

    function bound(uint256 value, uint256 least, uint256 most) internal pure returns (uint256) {
        return least + value % (most - least + 1);
    }
}
