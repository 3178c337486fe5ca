"""Where a strategy's transactions go: several destinations at once, whose answers become one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eth_utils.crypto import keccak

from chains.node.broadcast import together
from chains.node.sending import SendOutcome, SendStatus
from chains.relays.destinations import MEMPOOL, Destination, Window

TAKEN = frozenset({SendStatus.ACCEPTED, SendStatus.ALREADY_KNOWN})


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one destination said of a transaction."""

    destination: str
    outcome: SendOutcome

    @property
    def taken(self) -> bool:
        return self.outcome.status in TAKEN


class Routes:
    """Destinations by name. A strategy's transactions go to those named for it, or else to the default ones."""

    def __init__(
        self,
        destinations: Mapping[str, Destination],
        default: Sequence[str] = (MEMPOOL,),
        of_strategy: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Raises `ValueError` for a name that is no destination's."""
        self._destinations = destinations
        self._default = tuple(default)
        self._of_strategy = {name: tuple(names) for name, names in (of_strategy or {}).items()}
        for name in {*self._default, *(name for names in self._of_strategy.values() for name in names)}:
            if name not in self._destinations:
                raise ValueError(f"no destination {name!r}; there are {', '.join(self._destinations)}")

    def of(self, strategy: str) -> tuple[str, ...]:
        """The names of where a strategy's calls go."""
        return self._of_strategy.get(strategy, self._default)

    def freeing(self, strategy: str) -> tuple[str, ...]:
        """Where the NOOP goes that frees a nonce: to the public, since it hides nothing and has to land."""
        return (MEMPOOL,) if MEMPOOL in self._destinations else self.of(strategy)

    async def send(self, raw: bytes, names: Sequence[str], window: Window) -> list[Delivery]:
        """Hand `raw` to all of `names` at once; their answers, in order. Never raises."""
        outcomes = await asyncio.gather(*(self._destinations[name].send(raw, window) for name in names))
        return [Delivery(name, outcome) for name, outcome in zip(names, outcomes, strict=True)]

    async def withdraw(self, raw: bytes, names: Sequence[str], window: Window) -> None:
        """Ask all of `names` to forget `raw`; whether they do shows on the chain alone."""
        await asyncio.gather(*(self._destinations[name].withdraw(raw, window) for name in names))


def joined(raw: bytes, deliveries: Sequence[Delivery]) -> SendOutcome:
    """What several answers come to: taken if one took it, refused only if nobody may have taken it."""
    return together("0x" + keccak(raw).hex(), [delivery.outcome for delivery in deliveries])
