"""What a request costs, in the units that providers bill by."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DEFAULT_UNITS = 20
HEAD_TOLD = "newHeads"
"""A head that a subscription brings is no call, but it is billed."""

# Source: Alchemy's compute units (alchemy.com/docs/reference/compute-unit-costs), read in 2026. A pushed head is billed
# by its bytes there: about 1,000 of them at 0.04 units.
UNITS: Mapping[str, int] = MappingProxyType(
    {
        "net_version": 0,
        "eth_chainId": 0,
        "eth_syncing": 0,
        "eth_accounts": 10,
        "eth_blockNumber": 10,
        "eth_subscribe": 10,
        "eth_unsubscribe": 10,
        "eth_feeHistory": 10,
        "eth_maxPriorityFeePerGas": 10,
        "eth_createAccessList": 10,
        "eth_call": 26,
        "eth_getLogs": 60,
        "eth_getFilterLogs": 60,
        "eth_sendRawTransaction": 40,
        "eth_simulateV1": 40,
        "debug_traceCall": 40,
        HEAD_TOLD: 40,
    }
)

SETTLING = frozenset({"eth_sendRawTransaction", "eth_getTransactionReceipt", "eth_getTransactionByHash"})
"""Asked beyond the cap, for what is in flight."""

FOLLOWING = frozenset(
    {
        "eth_chainId",
        "eth_subscribe",
        "eth_getBlockByNumber",
        "eth_getBlockByHash",
        "eth_getLogs",
        "eth_getTransactionCount",
        "eth_getBalance",
        HEAD_TOLD,
    }
)
"""Asked beyond the cap while something is in flight: without blocks nobody would learn what became of it."""


def cost(method: str, overrides: Mapping[str, int]) -> int:
    """Units of one call of `method`."""
    known = overrides.get(method)
    return UNITS.get(method, DEFAULT_UNITS) if known is None else known
