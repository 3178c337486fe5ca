"""What the command line tells one run beside its configuration, and what a run tells the person who started it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from bot.mode import Mode


@dataclass(frozen=True, slots=True)
class RunOptions:
    """One run's options. `duration_s` and `blocks` end it by themselves, whichever comes first.

    `seed` overrides the twin's. `live_on_chain_id` is the consent that a live run needs off the test chains.
    `passphrase` opens the signer's keystore; it is absent from `repr`.
    """

    mode: Mode = Mode.LIVE
    duration_s: float | None = None
    blocks: int | None = None
    seed: int | None = None
    json: bool = False
    live_on_chain_id: int | None = None
    passphrase: str | None = field(default=None, repr=False)


class Quiet:
    """A reporter who tells nobody."""

    def line(self, text: str) -> None: ...

    def progress(self, text: str, done: int, total: int) -> None: ...


class Reporter(Protocol):
    """Where a run's words go."""

    def line(self, text: str) -> None:
        """One line for a person: a decision, an event, where the dashboard is."""
        ...

    def progress(self, text: str, done: int, total: int) -> None:
        """How far a long step is; shown only on a terminal, gone when `done` reaches `total`."""
        ...
