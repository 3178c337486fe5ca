"""Hands a signed transaction to every endpoint at once, and makes one answer of theirs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from eth_utils.crypto import keccak

from chains.anvil import RpcError
from chains.node.endpoint import Endpoint
from chains.node.errors import Busy, NodeError
from chains.node.health import Fault
from chains.node.pool import Pool
from chains.node.sending import SendOutcome, SendStatus, read_refusal

_METHOD = "eth_sendRawTransaction"
_TAKEN = (SendStatus.ACCEPTED, SendStatus.ALREADY_KNOWN)


class Broadcast:
    """Sending goes on to the slower endpoints after the first has taken a transaction."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._sending: set[asyncio.Task[SendOutcome]] = set()

    async def send(self, raw: bytes) -> SendOutcome:
        """The first acceptance, or what the answers of all come to. Never raises."""
        tx_hash = "0x" + keccak(raw).hex()
        tasks = [asyncio.create_task(_send_to(endpoint, raw, tx_hash)) for endpoint in self._able()]
        self._sending.update(tasks)
        for task in tasks:
            task.add_done_callback(self._sending.discard)
        outcomes = []
        for answered in asyncio.as_completed(tasks):
            outcome = await answered
            if outcome.status is SendStatus.ACCEPTED:
                return outcome
            outcomes.append(outcome)
        return together(tx_hash, outcomes)

    async def close(self) -> None:
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    def _able(self) -> list[Endpoint]:
        """Whoever is on the right chain; one that lags or lies can still pass a transaction on. Backups if need be."""
        there = [
            endpoint
            for endpoint in self._pool.endpoints
            if _METHOD not in endpoint.settings.not_asked
            and (endpoint.health.dropped is None or endpoint.health.dropped.fault is not Fault.WRONG_CHAIN)
        ]
        able = [endpoint for endpoint in there if _METHOD not in endpoint.not_asked] or there
        first = [endpoint for endpoint in able if not endpoint.settings.backup]
        return first if any(not endpoint.health.broken for endpoint in first) else able


def together(tx_hash: str, outcomes: Sequence[SendOutcome]) -> SendOutcome:
    """What several endpoints' answers come to: taken if one took it, refused only if nobody may have taken it."""
    for outcome in outcomes:
        if outcome.status in _TAKEN:
            return outcome
    unknown = [outcome for outcome in outcomes if outcome.status is SendStatus.UNKNOWN]
    if unknown:
        return unknown[0]
    if outcomes:
        return outcomes[0]
    return SendOutcome(
        SendStatus.UNKNOWN, tx_hash, "no endpoint that transactions can be sent to; add one under [node]"
    )


async def _send_to(endpoint: Endpoint, raw: bytes, tx_hash: str) -> SendOutcome:
    try:
        await endpoint.ask(_METHOD, "0x" + raw.hex())
    except Busy as error:
        return SendOutcome(SendStatus.UNKNOWN, tx_hash, str(error))
    except RpcError as error:
        return read_refusal(error, tx_hash)
    except NodeError as error:
        return SendOutcome(SendStatus.UNKNOWN, tx_hash, str(error))
    return SendOutcome(SendStatus.ACCEPTED, tx_hash)
