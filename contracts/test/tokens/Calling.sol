// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {OddToken} from "./OddToken.sol";

/// @notice Tells every receiver that is a contract, before it pays it.
contract TellsReceivers is OddToken {
    function _transfer(address from, address to, uint256 amount) internal override {
        if (to.code.length != 0 && !_isPool(to)) {
            (bool succeeded,) = to.call(abi.encodeWithSignature("onTransferReceived(address,uint256)", from, amount));
            succeeded;
        }
        _move(from, to, amount);
    }
}

/// @notice The part of ERC-1820's registry that ERC-777 needs, for a chain that has none.
contract Registry {
    mapping(address account => mapping(bytes32 interfaceHash => address)) public getInterfaceImplementer;

    function setInterfaceImplementer(address account, bytes32 interfaceHash, address implementer) external {
        getInterfaceImplementer[account][interfaceHash] = implementer;
    }
}

/// @notice ERC-777's hooks: whoever has registered is told before they send and after they have received.
contract Hooked777 is OddToken {
    Registry private constant REGISTRY = Registry(0x1820a4B7618BdE71Dce8cdc73aAB6C95905faD24);

    function _transfer(address from, address to, uint256 amount) internal override {
        _tell(from, keccak256("ERC777TokensSender"), "tokensToSend(address,address,uint256)", from, to, amount);
        _move(from, to, amount);
        _tell(to, keccak256("ERC777TokensRecipient"), "tokensReceived(address,address,uint256)", from, to, amount);
    }

    function _tell(address who, bytes32 role, string memory hook, address from, address to, uint256 amount) private {
        address implementer = REGISTRY.getInterfaceImplementer(who, role);
        if (implementer == address(0)) return;
        (bool succeeded,) = implementer.call(abi.encodeWithSignature(hook, from, to, amount));
        require(succeeded);
    }
}

/// @notice In the middle of a sale it calls the pool back.
contract Reentrant is OddToken {
    function _transfer(address from, address to, uint256 amount) internal override {
        _move(from, to, amount);
        if (_isPool(to)) {
            (bool succeeded,) = to.call(abi.encodeWithSignature("skim(address)", address(this)));
            succeeded;
        }
    }
}

/// @notice Where the balances of a token with two entries lie.
contract SharedBalances {
    mapping(address account => uint256 amount) public balanceOf;

    function add(address account, uint256 amount) external {
        balanceOf[account] += amount;
    }

    function move(address from, address to, uint256 amount) external {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice One of any number of entries to the same balances, as TUSD once had two.
contract DoubleEntry {
    SharedBalances public immutable BALANCES = new SharedBalances();

    event Transfer(address indexed from, address indexed to, uint256 value);

    function mint(address to, uint256 amount) external {
        BALANCES.add(to, amount);
    }

    function decimals() external pure returns (uint256) {
        return 18;
    }

    function balanceOf(address account) external view returns (uint256) {
        return BALANCES.balanceOf(account);
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        BALANCES.move(msg.sender, to, amount);
        emit Transfer(msg.sender, to, amount);
        return true;
    }
}

/// @notice Tells a contract that nobody asked it to about every transfer.
contract Gossip is OddToken {
    SharedBalances private immutable LISTENER = new SharedBalances();

    function _transfer(address from, address to, uint256 amount) internal override {
        _move(from, to, amount);
        LISTENER.add(to, amount);
    }
}
