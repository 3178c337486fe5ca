"""What a waiting transaction would do, on a fork of our own: the logs it would leave. It is sent nowhere."""

from __future__ import annotations

from typing import Any, Self

from bot.pending.transaction import PendingTransaction
from bot.simulator.fork import ForkFailed, PinnedFork
from bot.simulator.overlay import Overlay
from bot.simulator.question import Environment
from chains.anvil import AnvilFailed, RpcError
from chains.blocks import Head, Log
from chains.networks import Network
from chains.node import wire

UNTRIED = (ForkFailed, AnvilFailed, RpcError)
"""What a trial raises that came to nothing."""


class Trial:
    """An Anvil of its own, forked from the node at `rpc_url`. An async context manager."""

    def __init__(self, network: Network, rpc_url: str) -> None:
        self._network = network
        self._fork = PinnedFork(rpc_url)
        self._pinned: str | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._fork.discard()

    async def logs(self, tx: PendingTransaction, head: Head) -> tuple[Log, ...]:
        """The logs `tx` would leave in the block after `head`; none where it would revert. Raises one of `UNTRIED`."""
        if self._pinned != head.hash or not self._fork.alive:
            self._pinned = None
            await self._fork.pin(head, Overlay())
            self._pinned = head.hash
        environment = Environment(head, self._network.block_step_s, self._network.gas.base_fee.after(head))
        if tx.fee_wei < environment.base_fee_wei:
            return ()
        answer = await self._fork.anvil.rpc("eth_simulateV1", _question(tx, environment), hex(head.number))
        outcome = answer[0]["calls"][0]
        return wire.logs(outcome["logs"]) if outcome["status"] == "0x1" else ()


def _question(tx: PendingTransaction, environment: Environment) -> dict[str, Any]:
    overrides = {
        "number": hex(environment.number),
        "time": hex(environment.timestamp_s),
        "baseFeePerGas": hex(environment.base_fee_wei),
    }
    return {"blockStateCalls": [{"blockOverrides": overrides, "calls": [tx.call()]}], "validation": False}
