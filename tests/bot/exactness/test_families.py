"""Every family against every source it names: 0 mismatches, and cases that would notice one."""

from dataclasses import replace

import pytest

from bot.exactness import PROOFS, Case, Source, answer, proven, proven_pool
from bot.exactness.curve import tripool
from bot.exactness.report import FamilyReport, exactness
from chains.pools.pool import EmptyPool
from chains.pools.registry import FAMILIES
from chains.pools.stable_swap import RULES

LEAST_CASES = {Source.BYTECODE: 20, Source.RECORDED: 4}


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: f"{proof.cases}-{proof.family}")
def test_every_answer_is_the_contracts(proof):
    cases = list(proof.run())
    assert [case for case in cases if not case.matches] == []
    assert len(cases) >= LEAST_CASES[proof.source]
    assert len({case.expected for case in cases}) > 2


def test_the_proven_families_are_those_of_the_registry():
    assert {proof.family for proof in PROOFS} <= set(FAMILIES)
    assert proven("constant_product") and not proven("wishful")


def test_a_variant_without_a_proof_of_its_own_is_unproven_whatever_its_family_is():
    pool = replace(tripool(), rules=RULES["wrapped_staking"])
    assert proven("curve_stable") and proven_pool(tripool()) and not proven_pool(pool)
    row = {row.family: row for row in exactness(["curve_meta"])}
    assert row["curve_meta/ng oracle over first"].source == "unproven"
    assert row["curve_meta/ng oracle over first"].cases == 0 < row["curve_meta/factory over first"].cases
    assert row["curve_meta"].cases == sum(found.cases for name, found in row.items() if "/" in name)


def test_every_proof_of_a_family_of_several_kinds_says_which_it_is_for():
    for proof in PROOFS:
        assert proof.variant in (FAMILIES[proof.family].variants or ("",)), proof


def test_a_refusal_stands_for_a_revert_and_for_nothing_else():
    def refuse(amount):
        raise EmptyPool("nothing here")

    def broken(amount):
        raise ZeroDivisionError

    assert answer(refuse, 1) is None and answer(int, 7) == 7
    assert Case("reverts", None, answer(refuse, 1)).matches
    assert not Case("pays", 1, answer(refuse, 1)).matches and not Case("reverts", None, 1).matches
    with pytest.raises(ZeroDivisionError):
        answer(broken, 1)


def test_the_report_counts_per_family_and_lists_the_unproven():
    made = {
        "one": (Source.BYTECODE, [Case("a", 1, 1), Case("b", 2, 3)]),
        "two": (Source.RECORDED, [Case("c", None, None)]),
    }
    report = exactness(
        ["one", "two", "none"],
        [FakeProof(family, source, cases) for family, (source, cases) in made.items()]
        + [FakeProof("one", *made["two"])],
    )
    assert [(row.family, row.cases, row.mismatches, row.source) for row in report] == [
        ("one", 3, 1, "bytecode+recorded"),
        ("two", 1, 0, "recorded"),
        ("none", 0, 0, "unproven"),
    ]
    assert report[0].examples == (Case("b", 2, 3),) and isinstance(report[0], FamilyReport)


class FakeProof:
    def __init__(self, family, source, cases, variant=""):
        self.family, self.source, self._cases, self.variant = family, source, cases, variant

    def run(self):
        return iter(self._cases)
