"""A walk that fails on every head leaves its place to others, and is tried again all the same."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from bot import vain as vainly
from bot.ledger.reading import decisions
from bot.plan import Swap
from bot.reasons import Reason
from bot.vain import FAILURES, LONGEST_REST_BLOCKS, Vain
from chains.tools import ROOT
from tests.bot.execution.given import cycle
from tests.bot.market.samples import market
from tests.bot.test_strategy import CHEAP, DEAR, view
from tests.chains.pools.contracts import call_data
from tests.road import scenario as scenarios
from tests.road import small

SWAPS = cycle().swaps


def _tried(vain: Vain, blocks: int, hops: Sequence[Swap] = SWAPS) -> list[int]:
    """On which of so many blocks it is planned, and fails."""
    tried = []
    for number in range(blocks):
        if not vain.rests(hops, number):
            vain.note(hops, number, went=False)
            tried.append(number)
    return tried


def test_a_walk_that_fails_in_a_row_is_tried_less_and_less_often_but_for_ever() -> None:
    tried = _tried(Vain(), 200)
    assert tried[: FAILURES + 4] == [0, 1, 2, 5, 10, 19, 36]
    rests = [after - before - 1 for before, after in pairwise(tried)]
    assert max(rests) == rests[-1] == LONGEST_REST_BLOCKS


def test_one_that_goes_once_is_tried_on_every_block_again() -> None:
    vain = Vain()
    _tried(vain, FAILURES)
    assert vain.rests(SWAPS, FAILURES)
    vain.note(SWAPS, FAILURES + 2, went=True)
    assert _tried(vain, FAILURES) == list(range(FAILURES))


def test_the_way_back_and_other_pools_do_not_rest_with_it() -> None:
    vain, (there, back) = Vain(), SWAPS
    _tried(vain, FAILURES)
    assert vain.rests((back, there), FAILURES), "wherever it begins, it is the same walk"
    assert not vain.rests((there,), FAILURES)


def test_a_view_shows_a_resting_walk_and_offers_it_to_nobody() -> None:
    shown = view(market(CHEAP, DEAR))
    (found,) = shown.cycles(max_hops=2)
    for number in range(shown.head.number - FAILURES, shown.head.number):
        shown.vain.note(found.opportunity.steps, number, went=False)
    shown.seen.clear()
    assert not list(shown.cycles(max_hops=2)) and shown.seen == [found.opportunity]


@pytest.mark.parametrize(
    ("odd", "reason"),
    [("Tokens.sol/TaxedToken.json", Reason.TOKEN_TAX), ("Answers.sol/GasBurner.json", Reason.SIGNER_MIN_PROFIT)],
    ids=["taxed", "burning all gas"],
)
async def test_what_comes_to_nothing_on_the_fork_rests_on_the_road(
    odd: str, reason: Reason, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vainly, "FAILURES", 1)
    monkeypatch.setattr(small, "_TAXED_TOKEN", ROOT / "contracts" / "out" / odd)
    async with AsyncExitStack() as stack:
        road = await small.open_road(scenarios.read("poisoned"), tmp_path, stack)
        for _ in range(2):
            for facts in road.pools.values():
                call = {"from": road.chain.chain.account, "to": facts.address, "data": call_data("sync()")}
                await road.anvil.rpc("eth_sendTransaction", {**call, "gas": hex(200_000)})
            await road.mine(())
        assert road.engine.counts["opportunities"] == 2
        assert [made.reason for made in decisions(road.ledger)] == [reason]
