"""Some hundred blocks of the long run (`python -m tests.torture.drift`), and markets that must fail it."""

from __future__ import annotations

from dataclasses import replace

from bot.market import Market, VenueId
from chains.blocks import Block
from tests.conftest import Counted
from tests.torture import drift

HASTY = replace(drift.POLICY, second_look_s=0.0)
"""The chain of these tests moves on within milliseconds, and with it what could be read a second time."""


class UndoesNothing(Market):
    """Says that it went back, and keeps what it had."""

    def undo(self, ancestor_number: int) -> tuple[VenueId, ...]:
        kept = dict(self.pools)
        super().undo(ancestor_number)
        for venue, pool in kept.items():
            if venue in self.pools:
                self.renew_pool(pool)
        return ()


class LosesLogs(Market):
    """Overlooks the last log of every seventh block."""

    def apply(self, block: Block) -> None:
        super().apply(replace(block, logs=block.logs[:-1]) if block.head.number % 7 == 0 else block)


async def test_pools_stay_what_a_fresh_load_says_through_reorganisations_gaps_and_repeated_heads(
    counted: Counted,
) -> None:
    report = await drift.run(200, seed=3, check_every=50)
    assert report.wrong == [] and report.events == []
    assert (report.checks, report.pools_checked, report.counts["differed"]) == (4, 24, 0)
    assert report.counts["undone"] and report.counts["compared"] and report.blocks >= 200
    assert all(report.counts[f"heads_{fault}"] for fault in ("dropped", "twice", "back", "late"))
    counted("drift", f"{report.blocks} blocks, {report.pools_checked} pool states against a fresh load: 0 differ")


async def test_a_market_that_undoes_nothing_is_found_out() -> None:
    report = await drift.run(100, seed=3, check_every=50, market_of=UndoesNothing, policy=HASTY)
    assert report.counts["differed"] and report.counts["diverged_reorg"]


async def test_a_market_that_loses_logs_is_found_out() -> None:
    report = await drift.run(140, seed=3, check_every=140, market_of=LosesLogs, policy=HASTY)
    assert report.counts["differed"] and report.counts["diverged_missed_log"]
