"""Real contracts on a local Anvil, as the proofs of exactness use them."""

from __future__ import annotations

from bot.exactness.contracts import ANVIL_ARGUMENTS, Chain, call_data, ordered

__all__ = ["ANVIL_ARGUMENTS", "Chain", "call_data", "ordered"]
