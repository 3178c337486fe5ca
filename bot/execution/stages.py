"""How long each step of a decision took, from the arrival of its head: for the ledger and the summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.clock import Clock
from chains.blocks import Head


class Stage(StrEnum):
    """In the order in which a decision passes them."""

    TAKEN_IN = "taken_in"
    """The block is in the market."""
    FOUND = "found"
    """What became of what was in flight is known; what must not wait is booked, and what is owed went on."""
    DECIDED = "decided"
    """The strategy has yielded the plan."""
    SIMULATED = "simulated"
    """Its verdict is there."""
    RESERVED = "reserved"
    """The intent is on the disk."""
    SIGNED = "signed"
    """The signed bytes are on the disk, about to leave."""
    SENT = "sent"
    """They were handed over."""


@dataclass(slots=True)
class Stages:
    """The stages of the decision that is being made. Nanoseconds on the monotonic clock."""

    clock: Clock
    _arrived_ns: int = 0
    _elapsed: dict[Stage, int] = field(default_factory=dict)

    def begin(self, head: Head) -> None:
        """A head is taken in; its stages count from its arrival."""
        self._arrived_ns = head.arrived_ns
        self._elapsed.clear()

    def reached(self, stage: Stage) -> None:
        """Now; of several decisions on one head, each writes over what the one before reached."""
        self._elapsed[stage] = self.clock.monotonic_ns() - self._arrived_ns

    def elapsed_ns(self) -> Mapping[str, int]:
        """By stage, in the order in which they were reached first."""
        return {str(stage): elapsed for stage, elapsed in self._elapsed.items()}
