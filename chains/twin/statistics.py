"""What the traders have done since the twin started, for whoever asks whether its market is an honest one."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import Any


@dataclass(slots=True)
class TraderStatistics:
    """Counts of the traders' own swaps. Displacements are in units of the pool's fee, measured from the logs."""

    blocks: int = 0
    sent: int = 0
    landed: int = 0
    displacements: list[float] = field(default_factory=list)

    def count(self, sent: int, displacements: list[float]) -> None:
        """Add a block: how many swaps were sent, and what those that landed left."""
        self.blocks += 1
        self.sent += sent
        self.landed += len(displacements)
        self.displacements += displacements

    def as_json(self) -> dict[str, Any]:
        return {
            "blocks": self.blocks,
            "sent": self.sent,
            "landed": self.landed,
            "median_displacement_fees": round(median(self.displacements), 3) if self.displacements else None,
        }
