"""Tokens on which plans keep failing though all was as foreseen: what no simulation shows is learnt from the chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from bot.drift.audit import Record
from bot.ledger.decisions import Level
from bot.market import Market
from chains.assets import Token

FAILURES = 3
"""So many plans through a token may revert in a row; each costs its gas, and a strategy's own breaker comes later."""


class Denials:
    """Takes every pool of such a token out of the market. Counted in `counts` as `tokens_denied`."""

    def __init__(self, market: Market, record: Record, counts: Counter[str]) -> None:
        self._market = market
        self._record = record
        self._counts = counts
        self._failures: Counter[Token] = Counter()

    def traded(self, tokens: Iterable[Token]) -> None:
        """A plan through `tokens` did not revert."""
        for token in tokens:
            self._failures.pop(token, None)

    def failed(self, suspects: Iterable[Token]) -> None:
        """A plan through `suspects` reverted though it was in time and nobody else had moved its pools."""
        for token in suspects:
            self._failures[token] += 1
            if self._failures[token] >= FAILURES:
                self._deny(token)

    def _deny(self, token: Token) -> None:
        failures = self._failures[token]
        why = f"{failures} plans in a row through {token} reverted though nobody else had moved their pools"
        pools = [venue for venue, pool in self._market.pools.items() if token in pool.tokens]
        for venue in pools:
            self._market.remove(venue, why, until_read=True)
        self._counts["tokens_denied"] += failures == FAILURES
        left_out = f"{len(pools)} {'pool is' if len(pools) == 1 else 'pools are'} left out of this run"
        self._record(Level.WARNING, "token_denied", f"{why}: {left_out}; to keep it out, deny {token.address}")
