"""Running the proofs, and what they came to: one line per family."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.exactness import PROOFS, Case, Source
from chains.pools.registry import FAMILIES

UNPROVEN = "unproven"
BEGIN, END = "<!-- exactness: begin -->", "<!-- exactness: end -->"
"""Between these two comments a Markdown page shows the report."""

EXAMPLES = 5
"""How many mismatches of a family are kept to be shown."""


class Provable(Protocol):
    """The part of a `Proof` that a run needs."""

    @property
    def family(self) -> str: ...

    @property
    def variant(self) -> str: ...

    @property
    def source(self) -> Source: ...

    def run(self) -> Iterator[Case]: ...


@dataclass(frozen=True, slots=True)
class FamilyReport:
    """How one family, or one of its variants, fared: then `family` is `family/variant`, and counts in its family's too.

    `source` names all its sources, joined by `+`; `unproven` if it has none.
    """

    family: str
    cases: int
    mismatches: int
    source: str
    examples: tuple[Case, ...] = ()


def exactness(
    families: Iterable[str] = FAMILIES,
    proofs: Sequence[Provable] = PROOFS,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[FamilyReport, ...]:
    """Run every proof of `families`. `progress` is told how many of how many proofs are done. Raises `MissingTool`."""
    wanted = tuple(families)
    chosen = [proof for proof in proofs if proof.family in wanted]
    found: dict[tuple[str, str], list[Case]] = {}
    for done, proof in enumerate(chosen, 1):
        found.setdefault((proof.family, proof.variant), []).extend(proof.run())
        if progress is not None:
            progress(done, len(chosen))
    rows: list[FamilyReport] = []
    for family in wanted:
        variants = variants_of(family, chosen)
        everything = [case for (of, _), cases in found.items() if of == family for case in cases]
        rows.append(_report(family, everything, sources_of(family, chosen)))
        for variant in variants:
            cases = found.get((family, variant), [])
            rows.append(_report(f"{family}/{variant}", cases, sources_of(family, chosen, variant)))
    return tuple(rows)


def variants_of(family: str, proofs: Iterable[Provable] = PROOFS) -> tuple[str, ...]:
    """The kinds of contracts that are known of `family`, and those that proofs name; none where it has one kind."""
    known = FAMILIES[family].variants if family in FAMILIES else ()
    named = (proof.variant for proof in proofs if proof.family == family and proof.variant)
    return tuple(dict.fromkeys((*known, *named)))


def sources_of(family: str, proofs: Iterable[Provable] = PROOFS, variant: str | None = None) -> str:
    """The sources that `family`, or one variant, is held against, joined by `+`; `unproven` without any."""
    sources = {proof.source for proof in proofs if proof.family == family and variant in (None, proof.variant)}
    return "+".join(sorted(sources)) or UNPROVEN


def markdown(report: Collection[FamilyReport]) -> str:
    """The report as a Markdown table."""
    rows = [f"| `{row.family}` | {row.cases:,} | {row.mismatches:,} | {row.source} |" for row in report]
    return "\n".join(["| family | cases | mismatches | source |", "|---|---:|---:|---|", *rows])


def tables_replaced(page: str, table: str) -> str:
    """`page` with `table` between the two comments. Raises `ValueError` for a page that does not have them."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no place for the table; write {BEGIN} and {END} where it belongs")
    return f"{before}{begin}\n{table}\n{end}{after}"


def listed(page: str) -> frozenset[str]:
    """The families and variants in the page's table."""
    return frozenset(re.findall(r"^\| `([^`]+)` \|", page.partition(BEGIN)[2].partition(END)[0], re.MULTILINE))


def _report(family: str, cases: Sequence[Case], source: str) -> FamilyReport:
    wrong = [case for case in cases if not case.matches]
    return FamilyReport(family, len(cases), len(wrong), source, tuple(wrong[:EXAMPLES]))
