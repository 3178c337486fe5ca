"""Where a plan's transaction goes: several destinations at once, whose answers become one.

Who sees a cycle can copy it. One that earns much is therefore shown to relays alone, as long as they do land what they
take; what earns little, and what only who hedges at an exchange could copy, goes wherever its strategy allows.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.ledger.deliveries import Inclusion
from bot.plan import Plan
from chains.node.broadcast import together
from chains.node.sending import SendOutcome, SendStatus
from chains.relays.destinations import MEMPOOL, Destination, Window

TAKEN = frozenset({SendStatus.ACCEPTED, SendStatus.ALREADY_KNOWN})

_REMEMBERED = 500
"""How many of the newest outcomes are learnt from."""
_PRIOR = 4
"""As many outcomes as what is believed of a relay beforehand counts for: that it lands every second one."""
_LEAST = 4
"""A relay that is expected to land less than one of so many hides plans no more."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one destination said of a transaction."""

    destination: str
    outcome: SendOutcome

    @property
    def taken(self) -> bool:
        return self.outcome.status in TAKEN


@dataclass(frozen=True, slots=True)
class Hiding:
    """Cycles that are expected to earn `above_wei` or more before gas are shown to relays alone.

    `inclusions` are what the ledger knows of the newest calls; read anew when outcomes have changed.
    """

    above_wei: int
    inclusions: Callable[[int], Sequence[Inclusion]]

    def wanted(self, plan: Plan) -> bool:
        """What has another side at an exchange, or takes such a trade back, is nobody else's to copy."""
        return plan.atomic and plan.expected_profit_wei >= self.above_wei


class Routes:
    """Destinations by name. A strategy's transactions may go to those named for it, or else to the default ones."""

    def __init__(
        self,
        destinations: Mapping[str, Destination],
        default: Sequence[str] = (MEMPOOL,),
        of_strategy: Mapping[str, Sequence[str]] | None = None,
        hiding: Hiding | None = None,
    ) -> None:
        """Without `hiding`, all goes wherever it may. Raises `ValueError` for a name that is no destination's."""
        self._destinations = destinations
        self._default = tuple(default)
        self._of_strategy = {name: tuple(names) for name, names in (of_strategy or {}).items()}
        self._hiding = hiding
        self._trusted: frozenset[str] | None = None
        for name in {*self._default, *(name for names in self._of_strategy.values() for name in names)}:
            if name not in self._destinations:
                raise ValueError(f"no destination {name!r}; there are {', '.join(self._destinations)}")

    def changed(self) -> None:
        """An outcome is known, or is not known any more."""
        self._trusted = None

    def allowed(self, strategy: str) -> tuple[str, ...]:
        """The names of everywhere that a strategy's calls may go."""
        return self._of_strategy.get(strategy, self._default)

    def of(self, plan: Plan) -> tuple[str, ...]:
        """The names of where the call of `plan` goes: to relays alone, where it is hidden and one can be trusted."""
        allowed = self.allowed(plan.strategy)
        if self._hiding is None or MEMPOOL not in allowed or len(allowed) == 1 or not self._hiding.wanted(plan):
            return allowed
        trusted = self._those_trusted(self._hiding)
        return tuple(name for name in allowed if name in trusted) or allowed

    def freeing(self, strategy: str) -> tuple[str, ...]:
        """Where the NOOP goes that frees a nonce: to the public, since it hides nothing and has to land."""
        return (MEMPOOL,) if MEMPOOL in self._destinations else self.allowed(strategy)

    async def send(self, raw: bytes, names: Sequence[str], window: Window) -> list[Delivery]:
        """Hand `raw` to all of `names` at once; their answers, in order. Never raises."""
        if len(names) == 1:
            return [Delivery(names[0], await self._destinations[names[0]].send(raw, window))]
        outcomes = await asyncio.gather(*(self._destinations[name].send(raw, window) for name in names))
        return [Delivery(name, outcome) for name, outcome in zip(names, outcomes, strict=True)]

    async def withdraw(self, raw: bytes, names: Sequence[str], window: Window) -> None:
        """Ask all of `names` to forget `raw`; whether they do shows on the chain alone."""
        await asyncio.gather(*(self._destinations[name].withdraw(raw, window) for name in names))

    def _those_trusted(self, hiding: Hiding) -> frozenset[str]:
        """The relays whose mean of a Beta posterior over what landed of what they took is not poor."""
        if self._trusted is None:
            history = hiding.inclusions(_REMEMBERED)
            taken = Counter(each.destination for each in history)
            landed = Counter(each.destination for each in history if each.landed)
            self._trusted = frozenset(
                name
                for name in self._destinations
                if name != MEMPOOL and _LEAST * (_PRIOR // 2 + landed[name]) >= _PRIOR + taken[name]
            )
        return self._trusted


def unanswered(deliveries: Sequence[Delivery]) -> bool:
    """Whether nobody said anything: neither that it is taken, nor why it would not be."""
    return all(delivery.outcome.status is SendStatus.UNKNOWN for delivery in deliveries)


def joined(tx_hash: str, deliveries: Sequence[Delivery]) -> SendOutcome:
    """What several answers come to: taken if one took it, refused only if nobody may have taken it."""
    return together(tx_hash, [delivery.outcome for delivery in deliveries])
