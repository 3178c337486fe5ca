// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What an entry is asked, in two words: the token (bits 0–159) with the last block it may land in (160–207) and
/// the last second, in Unix time (208–255); and the amount that goes in (0–127) with the least that must come of it
/// (128–255).
library Terms {
    function token(uint256 head) internal pure returns (address) {
        return address(uint160(head));
    }

    function maxBlock(uint256 head) internal pure returns (uint256) {
        return uint48(head >> 160);
    }

    function deadline(uint256 head) internal pure returns (uint256) {
        return head >> 208;
    }

    function split(uint256 amounts) internal pure returns (uint256 amountIn, uint256 least) {
        return (uint128(amounts), amounts >> 128);
    }
}
