"""What slither finds is held against the page: `python -m tests.torture.slither` runs it, this is its judge."""

from __future__ import annotations

from tests.torture.slither import PAGE, compared, explained, read


def finding(detector: str, contract: str, function: str) -> dict[str, object]:
    """As slither writes it."""
    within = {"parent": {"type": "contract", "name": contract}}
    return {
        "check": detector,
        "elements": [{"type": "function", "name": function, "type_specific_fields": within}],
    }


def test_what_the_page_does_not_explain_is_new_and_what_nobody_finds_is_gone() -> None:
    known = explained(PAGE.read_text(encoding="utf-8"))
    assert ("reentrancy-eth", "Walker._walk") in known and ("naming-convention", "anywhere") in known
    same = [finding("reentrancy-eth", "Walker", "_walk"), finding("naming-convention", "Settings", "OWNER")]
    stolen = finding("arbitrary-send-eth", "Executor", "run")
    elsewhere = finding("reentrancy-eth", "Executor", "sweep")
    found = read({"results": {"detectors": [*same, stolen, elsewhere]}})
    new, gone = compared(found, known)
    assert new == {("arbitrary-send-eth", "Executor.run"), ("reentrancy-eth", "Executor.sweep")}
    assert gone == known - {("reentrancy-eth", "Walker._walk"), ("naming-convention", "anywhere")}
