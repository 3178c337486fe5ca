"""`isthmus doctor`: everything a run stands on, looked at before it is needed, each with what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from bot.cli.errors import explained
from bot.clock import Clock
from bot.config.load import Loaded
from bot.doctor import exchanges, surroundings, tools
from bot.doctor.checks import Check, Status
from bot.doctor.confinement import confinement

__all__ = ["Check", "Status", "examine"]

Look = Callable[[], Awaitable[Iterable[Check]]]


async def examine(loaded: Loaded | None, clock: Clock) -> AsyncIterator[Check]:
    """Every check, in order; without a configuration only those of the tools. All are looked at concurrently."""
    looks: list[tuple[str, Look]] = [
        ("python", tools.python),
        ("evm", tools.evm),
        ("foundry", tools.foundry_binaries),
        ("npm packages", tools.npm_packages),
        ("contracts", tools.contracts),
        ("twin", tools.twin),
    ]
    if loaded is None:
        looks.append(("signer", lambda: confinement(None, None)))
    else:
        config, network = loaded.config, loaded.network
        looks += [
            ("signer", lambda: confinement(config.signer.user, config.ledger.folder)),
            ("node", lambda: surroundings.node(config, network, clock)),
            ("keystore", lambda: surroundings.keystore(config, network)),
            ("operator", lambda: surroundings.operators(config, network, clock)),
            ("database", lambda: surroundings.database(config, clock)),
            ("disk", lambda: surroundings.disk(config)),
            ("ports", lambda: surroundings.ports(config)),
            *((f"exchange {it.name}", exchanges.look(it, config, network)) for it in config.exchanges),
        ]
    answers = [asyncio.create_task(_guarded(name, look)) for name, look in looks]
    for answer in answers:
        for check in await answer:
            yield check


async def _guarded(name: str, look: Look) -> list[Check]:
    """A look that raises is a failed check, never a failed doctor."""
    try:
        return list(await look())
    except Exception as error:
        what, _, remedy = explained(error).partition("; ")
        return [Check(name, Status.FAIL, what, remedy)]
