// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILoanCallbacks} from "../../src/interfaces/ICallbacks.sol";
import {IAavePool} from "../../src/interfaces/ILenders.sol";
import {PlainToken} from "./Tokens.sol";

/// @notice Aave V3's wire protocol: five hundredths of a percent, pulled by an approval.
contract Aave is IAavePool {
    uint256 public feePpm = 500;

    function charge(uint256 feePpm_) external {
        feePpm = feePpm_;
    }

    function flashLoanSimple(address receiver, address asset, uint256 amount, bytes calldata params, uint16) external {
        PlainToken(asset).transfer(receiver, amount);
        uint256 premium = (amount * feePpm + 999_999) / 1e6;
        require(ILoanCallbacks(receiver).executeOperation(asset, amount, premium, msg.sender, params));
        PlainToken(asset).transferFrom(receiver, address(this), amount + premium);
    }
}
