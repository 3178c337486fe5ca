"""A short run of the fuzzer: the same inputs every time, and only refusals by name come out."""

import pytest

from chains.pools.words import word
from tests.fuzz.coverage import TooSlow, steps_of
from tests.fuzz.fuzzer import for_runs, fuzz
from tests.fuzz.mutation import bytes_like
from tests.fuzz.targets import TARGETS, Target

RUNS = 90


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_only_refusals_by_name_come_out(target):
    outcome = fuzz(target, 1, for_runs(RUNS))
    assert outcome.runs == RUNS and [str(finding) for finding in outcome.findings] == []
    assert len(outcome.reached) > 100


def test_the_same_seed_tries_the_same_inputs():
    (target,) = (target for target in TARGETS if target.name == "requests")
    first, second = (fuzz(target, 5, for_runs(60)) for _ in range(2))
    assert first.corpus == second.corpus and first.reached == second.reached


def broken(data):
    if data[:1] == b"\x00":
        raise ZeroDivisionError
    if data[:1] == b"\x01":
        raise ValueError("refused")


def test_what_is_not_a_refusal_is_found():
    target = Target("broken", lambda: [b"\x01\x02"], broken, (ValueError,), bytes_like)
    outcome = fuzz(target, 1, for_runs(1_500))
    (finding,) = outcome.findings
    assert isinstance(finding.error, ZeroDivisionError) and finding.data[:1] == b"\x00"
    assert "ZeroDivisionError" in str(finding)


def test_an_input_that_takes_too_long_is_ended():
    def endless():
        while True:
            word(5)

    steps, error = steps_of(endless, 0.05)
    assert isinstance(error, TooSlow) and steps
