"""The ends of a road that is played: every question goes to the tape."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

from bot.replay.opening import Opening
from bot.wiring import Ends
from chains.blocks import Head
from chains.node import Submitter

READ_AT_ONCE = frozenset({"hash_at"})
"""Methods of ends that decisions depend on and that wait for nobody."""

ONLY_TOLD = frozenset({"sent_before"})
"""Methods that give nothing: what follows of them is in later answers."""


class Playing(Protocol):
    """Who answers for the world."""

    async def ask(self, name: str, asked: Sequence[Any], named: Mapping[str, Any]) -> Any: ...

    def read(self, name: str, *asked: Any) -> Any: ...


class PlayedEnd:
    """Stands where an end stood: each of its methods asks the tape. `name` is what the end is called there."""

    def __init__(self, player: Playing, end: str, name: str = "") -> None:
        self._player, self._end = player, end
        self.name = name

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method in READ_AT_ONCE:
            return partial(self._player.read, f"{self._end}.{method}")
        if method in ONLY_TOLD:
            return lambda *told: None

        async def asked(*args: Any, **named: Any) -> Any:
            return await self._player.ask(f"{self._end}.{method}", args, named)

        return asked


class _PlayedGround:
    def __init__(self, player: Playing) -> None:
        self._player = player
        self.submitter = cast(Submitter, PlayedEnd(player, "chain"))

    async def on_head(self, head: Head) -> None:
        await self._player.ask("ground.on_head", (head,), {})

    def is_newest(self, head: Head) -> bool:
        return bool(self._player.read("is_newest", head))


@dataclass(frozen=True, slots=True)
class _PlayedFreshness:
    player: Playing

    def too_old(self, head: Head) -> str | None:
        return cast(str | None, self.player.read("too_old", head))


def played_ends(player: Playing, opening: Opening) -> Ends:
    """All ends of the run that `opening` began."""

    def end(name: str, called: str = "") -> Any:
        return PlayedEnd(player, name, called)

    return Ends(
        ground=_PlayedGround(player),
        node=end("node"),
        simulator=end("simulator"),
        signer=end("signer") if opening.trading else None,
        accounts={name: end(f"exchange.{name}", name) for name in opening.accounts},
        may_hold=lambda plan: cast(Any, player.read("may_hold", plan)),
        may_order=lambda strategy: bool(player.read("may_order", strategy)),
        allowance=lambda scope: player.read("allowance", scope),
        relays={name: end(f"relay.{name}", name) for name in opening.relays},
        freshness=cast(Any, _PlayedFreshness(player)),
        optimum=end("optimum"),
        turns=end("turns"),
    )
