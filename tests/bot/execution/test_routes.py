"""Where a plan goes: hidden at relays or shown to all, by what it earns, what it risks, and what relays have landed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bot.config.values import ETH_DECIMALS
from bot.execution.routes import Hiding, Routes
from bot.execution.transactions import Sent
from bot.ledger.deliveries import Inclusion
from bot.ledger.ledger import Ledger
from bot.ledger.reading import events
from bot.plan import Plan
from chains.blocks import Block
from chains.node.sending import SendOutcome, SendStatus
from chains.relays.destinations import MEMPOOL, Window
from tests.bot.execution.given import cycle, head, sells_on_chain
from tests.bot.execution.scripted import Connection, ScriptedChain, ScriptedSimulator, desk, signer_at
from tests.bot.execution.test_submission import leaves

ABOVE_WEI = 10 ** (ETH_DECIMALS - 2)
DEAR = cycle(profit_wei=ABOVE_WEI)
CHEAP = cycle(profit_wei=ABOVE_WEI - 1)


class Place:
    """A destination that says what it is told to, and keeps what it got and what it was to forget."""

    def __init__(self, says: SendStatus = SendStatus.ACCEPTED) -> None:
        self.says = says
        self.got: list[bytes] = []
        self.forgot: list[bytes] = []

    async def send(self, raw: bytes, window: Window) -> SendOutcome:
        self.got.append(raw)
        return SendOutcome(self.says, "", "as scripted")

    async def withdraw(self, raw: bytes, window: Window) -> None:
        self.forgot.append(raw)


def routes(
    *known: Inclusion, allowed: Sequence[str] = (MEMPOOL, "one", "two"), places: dict[str, Place] | None = None
) -> Routes:
    places = places or {name: Place() for name in (MEMPOOL, "one", "two")}
    return Routes(places, allowed, hiding=Hiding(ABOVE_WEI, lambda limit: known))


def came(destination: str, *landed: bool) -> list[Inclusion]:
    return [Inclusion(destination, frozenset(), 0, it) for it in landed]


@pytest.mark.parametrize(
    ("plan", "hidden"),
    [
        (DEAR, True),
        (CHEAP, False),
        (replace(sells_on_chain(), expected_profit_wei=100 * ABOVE_WEI), False),
        (replace(sells_on_chain(), legs=sells_on_chain().swaps, unwinds="0" * 32), False),
    ],
    ids=["a dear cycle", "a cheap cycle", "hedged at an exchange", "taking back"],
)
def test_what_anybody_could_copy_is_shown_to_relays_alone_once_it_earns_enough(plan: Plan, hidden: bool) -> None:
    assert routes().of(plan) == (("one", "two") if hidden else (MEMPOOL, "one", "two"))


@pytest.mark.parametrize("allowed", [(MEMPOOL,), ("one",), ("one", "two")])
def test_nothing_goes_where_its_strategy_does_not_allow_it(allowed: tuple[str, ...]) -> None:
    assert routes(allowed=allowed).of(DEAR) == routes(allowed=allowed).of(CHEAP) == allowed


def test_a_relay_that_lands_little_of_what_it_takes_hides_nothing_any_more_and_may_win_that_back() -> None:
    lost = came("one", *[False] * 5)
    assert routes(*lost[1:]).of(DEAR) == ("one", "two"), "four lost ones prove little"
    assert routes(*lost).of(DEAR) == ("two",)
    assert routes(*lost, *came("two", *[False] * 5)).of(DEAR) == (MEMPOOL, "one", "two"), "none can be trusted"
    assert routes(*lost, *came("one", True)).of(DEAR) == ("one", "two")


def test_what_is_known_is_read_anew_only_when_an_outcome_came() -> None:
    asked: list[int] = []

    def inclusions(limit: int) -> list[Inclusion]:
        asked.append(limit)
        return []

    places = {name: Place() for name in (MEMPOOL, "one")}
    on = Routes(places, (MEMPOOL, "one"), hiding=Hiding(ABOVE_WEI, inclusions))
    on.of(CHEAP)
    assert asked == []
    on.of(DEAR), on.of(DEAR)
    assert len(asked) == 1
    on.changed()
    on.of(DEAR)
    assert len(asked) == 2


@pytest.fixture
def signer(tmp_path: Path) -> Iterator[Connection]:
    with signer_at(tmp_path) as connection:
        yield connection


async def sent(ledger: Ledger, signer: Connection, places: dict[str, Place], plan: Plan, blocks: int = 0) -> Sent:
    """`plan` sent through `places`, and followed for so many blocks that do not take it."""
    on = desk(ledger, ScriptedChain(), ScriptedSimulator(plan), signer, routes=routes(places=places))
    left = await leaves(on, ledger, plan)
    for number in range(11, 11 + blocks):
        await on.on_block(Block(head(number), ()))
    return left


def given(places: dict[str, Place]) -> set[str]:
    return {name for name, place in places.items() if place.got}


async def test_a_dear_plan_goes_to_the_public_only_when_no_relay_answers(ledger: Ledger, signer: Connection) -> None:
    places = {MEMPOOL: Place(), "one": Place(SendStatus.UNKNOWN), "two": Place()}
    await sent(ledger, signer, places, DEAR)
    assert given(places) == {"one", "two"}
    silent = {MEMPOOL: Place(), "one": Place(SendStatus.UNKNOWN), "two": Place(SendStatus.UNKNOWN)}
    again = replace(DEAR, note="again")
    await sent(ledger, signer, silent, again)
    assert given(silent) == {MEMPOOL, "one", "two"}
    (said,) = [event.detail for event in events(ledger) if event.name == "relays_silent"]
    assert said.endswith("one, two did not answer; it goes to mempool too")


async def test_what_is_outbid_or_cancelled_is_withdrawn_wherever_it_was_given(
    ledger: Ledger, signer: Connection
) -> None:
    places = {MEMPOOL: Place(), "one": Place(), "two": Place()}
    await sent(ledger, signer, places, replace(DEAR, deadline_block=13), blocks=2)
    call, outbid = places["one"].got
    assert call != outbid and places["two"].forgot == places["one"].forgot == [call]
    assert places[MEMPOOL].got == places[MEMPOOL].forgot == []
