// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILoanCallbacks} from "../../src/interfaces/ICallbacks.sol";
import {IAavePool} from "../../src/interfaces/ILenders.sol";
import {PlainToken} from "./Tokens.sol";

/// @notice Keeps what Aave lends, as an aToken does: it pays out for its pool, and mints what is the treasury's.
contract Keeper {
    address public constant TREASURY = address(0x7EA5);
    address private immutable POOL = msg.sender;

    event Transfer(address indexed from, address indexed to, uint256 amount);

    function transferUnderlyingTo(address asset, address to, uint256 amount) external {
        require(msg.sender == POOL);
        PlainToken(asset).transfer(to, amount);
    }

    function mintToTreasury(uint256 amount) external {
        require(msg.sender == POOL);
        emit Transfer(address(0), TREASURY, amount);
    }
}

/// @notice Aave V3's wire protocol: five hundredths of a percent, pulled by an approval to where the tokens are kept.
contract Aave is IAavePool {
    /// @dev ReserveConfiguration: active, and lent in flash loans.
    uint256 private constant ACTIVE_AND_LENT = 1 << 56 | 1 << 63;

    Keeper public immutable KEEPER = new Keeper();
    uint256 public feePpm = 500;

    function charge(uint256 feePpm_) external {
        feePpm = feePpm_;
    }

    function FLASHLOAN_PREMIUM_TOTAL() external view returns (uint128) {
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint128(feePpm / 100);
    }

    /// @notice The words of `ReserveDataLegacy`: the configuration first, the aToken ninth.
    function getReserveData(address) external view returns (uint256[15] memory words) {
        (words[0], words[8]) = (ACTIVE_AND_LENT, uint160(address(KEEPER)));
    }

    function flashLoanSimple(address receiver, address asset, uint256 amount, bytes calldata params, uint16) external {
        KEEPER.transferUnderlyingTo(asset, receiver, amount);
        uint256 premium = (amount * feePpm + 999_999) / 1e6;
        require(ILoanCallbacks(receiver).executeOperation(asset, amount, premium, msg.sender, params));
        KEEPER.mintToTreasury(premium / 10);
        PlainToken(asset).transferFrom(receiver, address(KEEPER), amount + premium);
    }
}
