"""The relays that a configuration describes, and which of them a strategy's transactions go to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

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

_METHODS: Mapping[RelayKind, str] = MappingProxyType(
    {
        RelayKind.BUNDLE: "eth_sendBundle",
        RelayKind.PRIVATE: "eth_sendPrivateTransaction",
        RelayKind.RAW: "eth_sendPrivateRawTransaction",
        RelayKind.SHARE: "mev_sendBundle",
    }
)
_NO_SUCH_METHOD = -32601
_ABOUT_THE_SIGNATURE = ("signature", "x-flashbots", "unauthorized", "unauthorised", "signer")


def client_of(settings: RelaySettings, identity: SearcherIdentity) -> RelayClient:
    """Not yet connected. Raises `UnreadableSecret`."""
    return RelayClient(plain(settings.url), identity if settings.signed else None, timeout_s=settings.timeout_s)


@dataclass(frozen=True, slots=True)
class Answered:
    """What a relay said to an empty bundle, and after how long; whether it has the method of its kind at all."""

    name: str
    reachable: bool
    signature_accepted: bool
    method_known: bool
    latency_ms: float
    said: str

    @property
    def in_order(self) -> bool:
        return self.reachable and self.signature_accepted and self.method_known


async def ask_relays(relays: Sequence[RelaySettings]) -> list[Answered]:
    """Whether each answers, takes our signature and is of its kind, all at once. Nothing that could land is sent.

    Raises `UnreadableSecret`.
    """
    clients = [(relay, client_of(relay, SearcherIdentity.create())) for relay in relays]
    return list(await asyncio.gather(*(_asked(relay, client) for relay, client in clients)))


async def _asked(relay: RelaySettings, client: RelayClient) -> Answered:
    method = _METHODS[RelayKind(relay.kind)]
    async with client:
        begun = time.monotonic()

        def answered(reachable: bool, accepted: bool, known: bool, said: str) -> Answered:
            return Answered(relay.name, reachable, accepted, known, (time.monotonic() - begun) * 1000, said)

        try:
            refused = await _refusal(client.call_bundle([], 1))
            if refused is not None and refused.code == _NO_SUCH_METHOD:
                # Many relays simulate nothing. Its own method, asked about nothing, tells a relay from a plain node.
                refused = await _refusal(client.request(method))
        except NodeError as error:
            return answered(False, False, False, str(error))
        if refused is None:
            return answered(True, True, True, f"{client.where}: simulated nothing")
        if refused.code == _NO_SUCH_METHOD:
            return answered(True, True, False, f"{client.where}: has no {method}; correct its URL or its kind")
        about_us = any(word in refused.message.lower() for word in _ABOUT_THE_SIGNATURE)
        return answered(True, not about_us, True, f"{client.where}: {refused.message}")


async def _refusal(asked: Awaitable[object]) -> RpcError | None:
    try:
        await asked
    except RpcError as refused:
        return refused
    return None


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
