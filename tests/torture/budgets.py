"""Random histories of spending: `python -m tests.torture.budgets [--runs 500] [--steps 200] [--seed 1]`.

Signatures, settlements, exposures, grants, crashes and clocks that jump either way. Spent and reserved stay within each
sliding window, whatever happens; a twin that counts by calendar hours is found out by the same histories.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.bot.signer.budgeting import BudgetMachine, FixedWindowMachine

SHORT = (50, 100)


class Counted(BudgetMachine):
    """As it is, with its steps counted."""

    steps = 0

    def check_invariants(self, *args: object, **kwargs: object) -> None:
        Counted.steps += 1
        super().check_invariants(*args, **kwargs)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when no window was exceeded, and the broken twin was found out."""
    parser = argparse.ArgumentParser("python -m tests.torture.budgets", description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help=f"{SHORT[0]} runs of {SHORT[1]} steps")
    options = parser.parse_args(arguments)
    runs, steps = SHORT if options.short else (options.runs, options.steps)
    usual = settings(
        max_examples=runs,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    begun = time.monotonic()
    try:
        run_state_machine_as_test(seed(options.seed)(Counted), settings=usual)
    except AssertionError as error:
        print(f"a budget was exceeded: {error}")
        return 1
    took_s = time.monotonic() - begun
    try:
        run_state_machine_as_test(seed(options.seed)(FixedWindowMachine), settings=usual)
    except AssertionError:
        print(f"{runs} histories, {Counted.steps} steps, 0 beyond a budget; fixed windows found out; {took_s:.0f} s")
        return 0
    print("the twin with fixed windows was not found out: these histories prove nothing")
    return 1


if __name__ == "__main__":
    sys.exit(main())
