// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice An ERC-20 that anyone may mint.
contract PlainToken {
    mapping(address account => uint256 amount) public balanceOf;
    mapping(address owner => mapping(address spender => uint256 amount)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external virtual returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external virtual returns (bool) {
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
        return true;
    }

    function _move(address from, address to, uint256 amount) internal {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice Transfers without an answer, and wants an approval reset before a new one, as USDT does.
contract SilentToken {
    mapping(address account => uint256 amount) public balanceOf;
    mapping(address owner => mapping(address spender => uint256 amount)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        require(amount == 0 || allowance[msg.sender][spender] == 0);
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        balanceOf[msg.sender] -= amount;
        balanceOf[to] += amount;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        return true;
    }
}

/// @notice Answers false instead of reverting.
contract RefusingToken is PlainToken {
    function transfer(address, uint256) external pure override returns (bool) {
        return false;
    }
}

/// @notice Keeps a tenth of every transfer, and says nothing of it.
contract TaxedToken is PlainToken {
    function transfer(address to, uint256 amount) external override returns (bool) {
        _move(msg.sender, to, amount - amount / 10);
        _move(msg.sender, address(this), amount / 10);
        return true;
    }
}

/// @notice Takes a toll from one sender on top of what it sends.
contract TolledToken is PlainToken {
    address public payer;
    uint256 public toll;

    function charge(address payer_, uint256 toll_) external {
        (payer, toll) = (payer_, toll_);
    }

    function transfer(address to, uint256 amount) external override returns (bool) {
        _move(msg.sender, to, amount);
        if (msg.sender == payer) _move(msg.sender, address(this), toll);
        return true;
    }
}

/// @notice Calls a stranger in the middle of every transfer, and remembers whether that succeeded.
contract HookedToken is PlainToken {
    address public target;
    bytes public data;
    uint256 public calls;
    uint256 public successes;

    function hook(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    function transfer(address to, uint256 amount) external override returns (bool) {
        if (target != address(0)) {
            ++calls;
            (bool succeeded,) = target.call(data);
            if (succeeded) ++successes;
        }
        _move(msg.sender, to, amount);
        return true;
    }
}
