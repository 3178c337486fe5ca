"""What the tests of the twin share."""

from __future__ import annotations

from typing import Any

from chains.anvil import Anvil


def silent(what: str, share: float) -> None:
    """Progress that nobody watches."""


async def call(anvil: Anvil, to: str, data: str) -> list[int]:
    """An `eth_call` at the head, its answer as 32-byte words."""
    answer: Any = await anvil.rpc("eth_call", {"to": to, "data": data}, "latest")
    return [int(answer[start : start + 64], 16) for start in range(2, len(answer), 64)]
