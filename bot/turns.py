"""When an answer takes effect. Two that wait for the world may act in another order than they were answered in: between
an answer and who asked for it lie as many steps of the loop as there are tasks."""

from __future__ import annotations


class Turns:
    """Whoever is about to act on what others may have changed while it waited, or to change what others act on, takes
    its turn first. A recording keeps the order of turns; without one they cost nothing."""

    async def take(self, what: str, of: str) -> None:
        """It is `what`'s turn, of a block or a plan: what follows comes before anybody else's."""
