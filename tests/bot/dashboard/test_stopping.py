"""What the page may do: stop, from a session of its own, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.dashboard.stopping import MOST_A_MINUTE, Sessions
from tests.bot.dashboard.samples import SampleRun
from tests.bot.dashboard.serving import Served, Stops, dashboard_of

WISH = {"strategy": "", "because": "looks wrong", "flatten": False}


@pytest.fixture
def stops() -> Stops:
    return Stops()


@pytest.fixture
async def served(run: SampleRun, stops: Stops) -> AsyncIterator[Served]:
    dashboard = dashboard_of(run, stops)
    url = await dashboard.start()
    async with Served(dashboard, url) as running:
        yield running
    await dashboard.close()


async def wished(served: Served, wish: Any = WISH, **changed: str | None) -> int:
    """The status a wish to stop gets, as the page sends it but for `changed` headers."""
    token = (await served.json("/api/session"))["token"]
    headers = {"Origin": served.url, "Sec-Fetch-Site": "same-origin", "X-Isthmus-Token": token}
    headers |= {name.replace("_", "-"): value for name, value in changed.items() if value is not None}
    kept = {name: value for name, value in headers.items() if changed.get(name.replace("-", "_"), value) is not None}
    return await served.status("/api/stop", "POST", json=wish, headers=kept)


@pytest.mark.parametrize("strategy", ["", "dex_arbitrage"])
@pytest.mark.parametrize("flatten", [False, True])
async def test_the_page_stops_all_or_one(served: Served, stops: Stops, strategy: str, flatten: bool) -> None:
    assert await wished(served, {**WISH, "strategy": strategy, "flatten": flatten}) == 200
    assert stops.asked == [(strategy, "looks wrong", flatten)]


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Origin": None}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"X_Isthmus_Token": None}, 403),
        ({"X_Isthmus_Token": "guessed"}, 403),
        ({"Content_Type": "text/plain"}, 415),
    ],
)
async def test_nobody_else_does(served: Served, stops: Stops, changed: dict[str, str | None], status: int) -> None:
    assert await wished(served, **changed) == status
    assert not stops.asked


async def test_a_token_is_worth_nothing_without_its_session(served: Served, stops: Stops) -> None:
    token = (await served.json("/api/session"))["token"]
    served.client.cookie_jar.clear()
    headers = {"Origin": served.url, "X-Isthmus-Token": token}
    assert await served.status("/api/stop", "POST", json=WISH, headers=headers) == 403
    assert not stops.asked


async def test_the_session_goes_with_requests_of_the_page_only(served: Served) -> None:
    cookie = (await served.headers("/api/session"))["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/api" in cookie


@pytest.mark.parametrize(
    "wish",
    [
        {},
        [],
        {**WISH, "flatten": "yes"},
        {**WISH, "strategy": 1},
        {**WISH, "resume": True},
        {**WISH, "because": "x" * 201},
    ],
)
async def test_a_wish_that_is_none_is_refused(served: Served, stops: Stops, wish: Any) -> None:
    assert await wished(served, wish) == 400
    assert not stops.asked


async def test_a_strategy_that_is_not_there_and_a_disk_that_is_full_are_said(served: Served, stops: Stops) -> None:
    assert await wished(served, {**WISH, "strategy": "another"}) == 404
    stops.full = True
    assert await wished(served) == 503


async def test_a_long_wish_and_too_many_are_refused(served: Served, stops: Stops) -> None:
    assert await wished(served, {**WISH, "because": "x" * 5000}) == 413
    statuses = [await wished(served) for _ in range(MOST_A_MINUTE)]
    assert statuses[0] == 200 and statuses[-1] == 429


def test_a_session_ends_when_it_rests_or_is_old() -> None:
    now_s = 0.0
    sessions = Sessions(lambda: now_s)
    rests, works = sessions.begin(), sessions.begin()
    assert sessions.token(rests) != sessions.token(works) and sessions.token(None) is None
    for _ in range(25):
        now_s += 29 * 60
        worked = sessions.token(works)
        if now_s < 12 * 3600:
            assert worked is not None
    assert worked is None and sessions.token(rests) is None
