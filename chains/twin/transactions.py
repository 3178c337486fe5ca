"""The transactions of the twin's own accounts, as `eth_sendTransaction` takes them; the node counts their nonces."""

from __future__ import annotations

from typing import Any

from chains.assets import Address
from chains.twin.accounts import CROWD, CROWD_SINK
from chains.twin.data import Family
from chains.twin.deploy import call_data
from chains.twin.inventory import ROUTERS
from chains.twin.traders import TraderSwap

SWAP_GAS_LIMIT = 400_000
SWAP_GAS_EXPECTED = 120_000
"""What a trader's swap burns, about; the crowd makes room for it."""

_DEADLINE_S = 120
_V2_SWAP = "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)"
_V3_SWAP = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"


def swap_transaction(swap: TraderSwap, base_fee_wei: int, timestamp_s: int) -> dict[str, Any]:
    """A trader's swap through the router of its pool's family."""
    token_in, token_out = swap.pool.tokens if swap.sell_first else swap.pool.tokens[::-1]
    deadline_s = timestamp_s + _DEADLINE_S
    if swap.pool.family is Family.UNISWAP_V3:
        order = (token_in, token_out, swap.pool.fee_ppm, swap.trader, deadline_s, swap.amount_in, swap.min_out, 0)
        data = call_data(_V3_SWAP, order)
    else:
        data = call_data(_V2_SWAP, swap.amount_in, swap.min_out, [token_in, token_out], swap.trader, deadline_s)
    return _transaction(
        swap.trader,
        ROUTERS[swap.pool.family],
        data,
        SWAP_GAS_LIMIT,
        _max_fee_wei(base_fee_wei, swap.tip_wei),
        swap.tip_wei,
    )


def crowd_transaction(gas: int, base_fee_wei: int, tip_wei: int) -> dict[str, Any]:
    """The crowd's: burns exactly `gas`."""
    return _transaction(CROWD, CROWD_SINK, "0x", gas, _max_fee_wei(base_fee_wei, tip_wei), tip_wei)


def _max_fee_wei(base_fee_wei: int, tip_wei: int) -> int:
    """The common wallets' rule; where everybody follows it, the node's order by maximum fee is an order by tip."""
    return 2 * base_fee_wei + tip_wei


def _transaction(sender: Address, to: Address, data: str, gas: int, max_fee_wei: int, tip_wei: int) -> dict[str, Any]:
    return {
        "from": sender,
        "to": to,
        "data": data,
        "gas": hex(gas),
        "maxFeePerGas": hex(max_fee_wei),
        "maxPriorityFeePerGas": hex(tip_wei),
    }
