// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InvalidHop} from "../Errors.sol";
import {IAavePool, IBalancerLender, IPoolLender} from "../interfaces/ILenders.sol";
import {IPair} from "../interfaces/IPools.sol";
import {ConstantProduct} from "./ConstantProduct.sol";
import {Hop, Kind} from "./Hops.sol";

/// @notice Loans for the length of a call. The word that asks for one is laid out as a hop's: the lender's address (zero
/// for a singleton), its fee in parts per million, the kind of lender, and whether the token lent is token0.
library Loans {
    /// @notice The most that may be asked back for `amount`, at the fee the word says, rounded up.
    /// @dev A pair takes its fee out of what comes back; everyone else adds it to what was lent.
    function debt(Hop loan, uint256 amount) internal pure returns (uint256) {
        uint256 fee = loan.feePpm();
        if (loan.kind() != Kind.LentByPair) return amount + _up(amount * fee, ConstantProduct.PPM);
        return _up(amount * ConstantProduct.PPM, ConstantProduct.PPM - fee);
    }

    /// @notice Asks a lender that is no singleton with accounts; it calls back with `data`.
    function request(Hop loan, address lender, address token, uint256 amount, bytes memory data) internal {
        Kind kind = loan.kind();
        (uint256 amount0, uint256 amount1) = loan.zeroForOne() ? (amount, uint256(0)) : (uint256(0), amount);
        if (kind == Kind.LentByPair) {
            IPair(lender).swap(amount0, amount1, address(this), data);
        } else if (kind == Kind.LentByPool) {
            IPoolLender(lender).flash(address(this), amount0, amount1, data);
        } else if (kind == Kind.LentByAaveV3) {
            IAavePool(lender).flashLoanSimple(address(this), token, amount, data, 0);
        } else {
            address[] memory tokens = new address[](1);
            uint256[] memory amounts = new uint256[](1);
            (tokens[0], amounts[0]) = (token, amount);
            IBalancerLender(lender).flashLoan(address(this), tokens, amounts, data);
        }
    }

    /// @dev A singleton is known from construction and not named again.
    function requireUnnamed(Hop loan) internal pure {
        if (loan.pool() != address(0) || loan.zeroForOne()) revert InvalidHop(Hop.unwrap(loan));
    }

    /// @dev A singleton that keeps accounts lends for nothing.
    function requireFree(Hop loan) internal pure {
        requireUnnamed(loan);
        if (loan.feePpm() != 0) revert InvalidHop(Hop.unwrap(loan));
    }

    function _up(uint256 numerator, uint256 denominator) private pure returns (uint256) {
        return (numerator + denominator - 1) / denominator;
    }
}
