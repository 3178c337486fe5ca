"""A token on which plans keep failing goes out, with every pool of its own and no other."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.drift import denials as denying
from bot.drift.denials import FAILURES, Denials
from bot.execution.gains import Gains
from bot.ledger.decisions import Level
from bot.ledger.reading import decisions, events
from bot.ledger.states import MinedAs
from bot.market import Market
from bot.plan import Plan
from chains.assets import Token
from tests.bot.market.samples import DAI, USDC, WETH, market, v2
from tests.road import scenario as scenarios
from tests.road.small import open_road

UNITS = 10**24
SOUND, ODD, ODDER = (
    v2(1, WETH, USDC, (UNITS, UNITS)),
    v2(2, USDC, DAI, (UNITS, UNITS)),
    v2(3, DAI, WETH, (UNITS, UNITS)),
)


def _denials(of: Market) -> tuple[Denials, list[str], Counter[str]]:
    told: list[str] = []
    counts: Counter[str] = Counter()

    def record(level: Level, name: str, detail: str) -> None:
        told.append(f"{level} {name} {detail}")

    return Denials(of, record, counts), told, counts


def test_a_token_on_which_plans_fail_in_a_row_is_traded_nowhere_any_more() -> None:
    made = market(SOUND, ODD, ODDER)
    denials, told, counts = _denials(made)
    for _ in range(FAILURES - 1):
        denials.failed([DAI])
    assert len(made.pools) == 3 and told == []
    denials.failed([DAI])
    assert set(made.pools) == {SOUND.venue} and counts == {"tokens_denied": 1}
    why = f"{FAILURES} plans in a row through {DAI} reverted though nobody else had moved their pools"
    left_out = f"2 pools are left out of this run; to keep it out, deny {DAI.address}"
    assert told == [f"warning token_denied {why}: {left_out}"]
    assert not list(made.cycles())


def test_a_plan_that_came_as_foreseen_clears_its_tokens() -> None:
    made = market(SOUND, ODD, ODDER)
    denials, told, _ = _denials(made)
    for _ in range(3):
        for _ in range(FAILURES - 1):
            denials.failed([DAI])
        denials.traded([DAI, USDC])
    assert len(made.pools) == 3 and told == []


def test_a_pool_made_later_for_a_denied_token_goes_out_at_its_first_failure() -> None:
    made = market(SOUND, ODD)
    denials, _, counts = _denials(made)
    for _ in range(FAILURES):
        denials.failed([DAI])
    made.add_pool(ODDER, 1)
    denials.failed([DAI])
    assert set(made.pools) == {SOUND.venue} and counts == {"tokens_denied": 1}


async def test_a_trade_that_reverts_for_nothing_that_was_seen_tells_against_its_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def middle(gains: Gains, plan: Plan) -> frozenset[Token]:
        return frozenset({plan.swaps[0].token_out})

    monkeypatch.setattr(denying, "FAILURES", 1)
    monkeypatch.setattr(Gains, "unmarked", middle)
    async with AsyncExitStack() as stack:
        road = await open_road(scenarios.read("two_pools"), tmp_path, stack)
        await road.mine(())
        (sent,) = decisions(road.ledger)
        assert sent.intent_id is not None
        for facts in road.pools.values():
            # Reserves of one unit each: what the chain does from now on, no log has told of.
            await road.anvil.rpc("anvil_setStorageAt", facts.address, hex(8), f"0x{1 | 1 << 112:064x}")
        await road.mine(())
        assert road.ledger.intent(sent.intent_id).mined_as is MinedAs.REVERTED
        assert [event.name for event in events(road.ledger)].count("token_denied") == 1
        assert road.engine.counts["tokens_denied"] == 1 and not road.road.market.pools
