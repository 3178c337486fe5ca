"""Events of a chain and an exchange in any order: `python -m tests.torture.order [--permutations 2000] [--seed 1]`.

Reports of orders are shuffled, repeated and put anywhere among blocks that come, go and come back. Each order of events
must leave the ledger that the plain one leaves; a twin that takes each report for news is found out by the same ones.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from bot.ledger.ledger import Ledger
from tests.bot.ledger.event_order import hurried, orders, tales, told
from tests.bot.ledger.given import open_ledger

_OF_THE_TWIN = 50


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when there was one ledger, and the broken twin was found out."""
    parser = argparse.ArgumentParser("python -m tests.torture.order", description=__doc__)
    parser.add_argument("--permutations", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="isthmus-order-") as folder,
        closing(hurried(open_ledger(Path(folder) / "ledger.db"))) as ledger,
    ):
        events, wrong = _played(ledger, options.permutations, options.seed, forgetful=False)
        _, noticed = _played(ledger, _OF_THE_TWIN, options.seed, forgetful=True)
    if wrong:
        print(wrong, file=sys.stderr)
    print(
        f"{options.permutations} orders of {events} events: {'not ' if wrong else ''}one ledger; "
        f"no dedupe {'found out' if noticed else 'NOT found out'}; {time.monotonic() - begun:.0f} s"
    )
    return 0 if noticed and not wrong else 1


def _played(ledger: Ledger, permutations: int, seeded: int, *, forgetful: bool) -> tuple[int, str]:
    """How many events there were, and what differed."""
    events = 0

    @seed(seeded)
    @settings(
        max_examples=permutations,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(data=st.data())
    def one_ledger(data: st.DataObject) -> None:
        nonlocal events
        tale = data.draw(tales())
        order = data.draw(orders(tale))
        events += len(order)
        assert told(ledger, tale, order, forgetful=forgetful) == told(ledger, tale, tale.in_order())

    try:
        one_ledger()
    except AssertionError as error:
        return events, str(error) or "the ledgers differ"
    return events, ""


if __name__ == "__main__":
    sys.exit(main())
