"""The relays that a configuration describes, and which of them a strategy's transactions go to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from bot.config.model import RunConfig
from bot.config.relays import RelaySettings
from bot.config.values import ETH_DECIMALS, plain
from bot.execution.routes import Hiding, Routes
from bot.ledger.deliveries import Inclusion
from chains.anvil import RpcError
from chains.node import Submitter
from chains.node.errors import NodeError
from chains.relays import Destination, Hint, Mempool, Relay, RelayClient, RelayKind, SearcherIdentity
from chains.relays.destinations import MEMPOOL

IDENTITY_FILE = "relay-identity.key"
"""The searcher's identity, in the folder of what outlives a run. It holds no money; without it a new one is made."""

_ABOUT_THE_SIGNATURE = ("signature", "x-flashbots", "unauthorized", "unauthorised", "signer")


def client_of(settings: RelaySettings, identity: SearcherIdentity) -> RelayClient:
    """Not yet connected. Raises `UnreadableSecret`."""
    return RelayClient(plain(settings.url), identity if settings.signed else None, timeout_s=settings.timeout_s)


@dataclass(frozen=True, slots=True)
class Answered:
    """What a relay said to an empty bundle, and after how long."""

    name: str
    reachable: bool
    signature_accepted: bool
    latency_ms: float
    said: str

    @property
    def in_order(self) -> bool:
        return self.reachable and self.signature_accepted


async def ask_relays(relays: Sequence[RelaySettings]) -> list[Answered]:
    """Whether each answers and takes our signature, all at once. Nothing that could land is sent.

    Raises `UnreadableSecret`.
    """
    clients = [(relay.name, client_of(relay, SearcherIdentity.create())) for relay in relays]
    return list(await asyncio.gather(*(_asked(name, client) for name, client in clients)))


async def _asked(name: str, client: RelayClient) -> Answered:
    async with client:
        begun = time.monotonic()

        def answered(reachable: bool, accepted: bool, said: str) -> Answered:
            return Answered(name, reachable, accepted, (time.monotonic() - begun) * 1000, said)

        try:
            await client.call_bundle([], 1)
        except RpcError as refused:
            about_us = any(word in refused.message.lower() for word in _ABOUT_THE_SIGNATURE)
            return answered(True, not about_us, f"{client.where}: {refused.message}")
        except NodeError as error:
            return answered(False, False, str(error))
        return answered(True, True, f"{client.where}: simulated nothing")


async def open_relays(
    config: RunConfig, network: str, memory: Path, stack: AsyncExitStack
) -> Mapping[str, Destination]:
    """The relays that reach `network`, by name, ready to be sent to.

    Raises `UnreadableSecret`, `InvalidIdentity`, `OSError`.
    """
    relays = [relay for relay in config.relays if network in relay.networks]
    if not relays:
        return {}
    identity = SearcherIdentity.kept_at(memory / IDENTITY_FILE)
    opened: dict[str, Destination] = {}
    for relay in relays:
        client = await stack.enter_async_context(client_of(relay, identity))
        hints = tuple(Hint(hint) for hint in relay.hints)
        opened[relay.name] = Relay(relay.name, RelayKind(relay.kind), client, hints)
    return opened


def routes_of(
    config: RunConfig,
    relays: Mapping[str, Destination],
    chain: Submitter,
    inclusions: Callable[[int], Sequence[Inclusion]],
) -> Routes:
    """Where each strategy's transactions go. Without relays, as on a fork, it is `chain` for all of them.

    `inclusions` are what became of the newest calls that were handed out.
    """
    mempool = {MEMPOOL: Mempool(chain.send_raw)}
    if not relays:
        return Routes(mempool)
    of_strategy = {strategy.name: strategy.send_to for strategy in config.strategies if strategy.send_to is not None}
    hiding = Hiding(config.execution.private_above.units(ETH_DECIMALS), inclusions)
    return Routes({**mempool, **relays}, config.execution.send_to, of_strategy, hiding)
