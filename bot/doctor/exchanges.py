"""Looks at one exchange: that it answers, that it has the books, its clock, and what the key may do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from bot.config.checks import TWIN
from bot.config.model import ExchangeSettings, RunConfig
from bot.doctor.checks import Check, Status, graded
from bot.world.exchanges import exchange_of
from chains.exchanges.adapter import Exchange
from chains.networks import Network

SKEW_WARN_MS = 500
SKEW_FAIL_MS = 5_000
"""What is asked at an exchange bears its own time; heads, whose age is judged by this machine's, bear others'."""


def look(settings: ExchangeSettings, config: RunConfig, network: Network) -> Callable[[], Awaitable[Iterable[Check]]]:
    """The look at the exchange that `settings` name."""

    async def at_exchange() -> Iterable[Check]:
        name = f"exchange {settings.name}"
        if config.network == TWIN and not settings.urls:
            return [Check(name, Status.OK, "the twin brings its own")]
        exchange = exchange_of(settings, network)
        try:
            return [check async for check in _questions(name, settings, exchange)]
        finally:
            await exchange.close()

    return at_exchange


async def _questions(name: str, settings: ExchangeSettings, exchange: Exchange) -> AsyncIterator[Check]:
    await exchange.connect()
    yield Check(name, Status.OK, f"answers, and has {', '.join(settings.symbols)}")
    skew_ms = await exchange.clock_skew_ms()
    yield graded(
        f"{name} clock",
        f"{skew_ms:+d} ms from this machine's",
        warn=abs(skew_ms) > SKEW_WARN_MS,
        fail=abs(skew_ms) > SKEW_FAIL_MS,
        remedy="set this machine's clock (NTP); the age of blocks is judged by it",
    )
    if settings.api_key is not None:
        await exchange.balances()
        yield _key(f"{name} key", await exchange.may_withdraw())
        if await exchange.may_trade() is False:
            yield Check(f"{name} key", Status.WARN, "may not trade", "permit it spot trading before a live run")


def _key(name: str, may_withdraw: bool | None) -> Check:
    if may_withdraw is None:
        return Check(name, Status.WARN, "works; its permissions are not told", "make sure that it cannot withdraw")
    return graded(
        name,
        "works, and can withdraw" if may_withdraw else "works, and cannot withdraw",
        fail=may_withdraw,
        remedy="take the withdrawal permission from it: a bot needs trading only",
    )
