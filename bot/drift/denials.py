"""What plans keep failing on: what no simulation shows is learnt from the chain, and what each simulation shows anew
keeps no place among the plans of a head."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from bot.drift.audit import Record
from bot.execution.moving import brought_behind, pools_of
from bot.ledger.decisions import Level
from bot.market import Market
from bot.plan import Plan, Swap
from bot.reasons import Refusal, TokenRefusal
from chains.assets import Address, Token
from chains.blocks import Log
from chains.hops import Hop, HopKind
from chains.pools.pool import Pool
from chains.pools.uniswap_v4_key import DYNAMIC_FEE

FAILURES = 3
"""So many plans through a token may fail in a row; on the chain each costs its gas, and a strategy's own breaker comes
later."""

_UNFORESEEN = "reverted though nothing that others did to their pools explains it"

_KEPT = 64


class Denials:
    """Takes such a pool, or every pool of such a token, out of the market. Counted in `counts` as `kept_out` and
    `tokens_denied`.
    """

    def __init__(self, market: Market, record: Record, counts: Counter[str]) -> None:
        self._market = market
        self._record = record
        self._counts = counts
        self._reverted: Counter[Token | Address] = Counter()
        self._refused: Counter[Token] = Counter()
        self._sent: dict[str, Mapping[Swap, Pool]] = {}

    def sent(self, plan: Plan) -> None:
        """`plan` leaves, decided on the pools as they stand."""
        pools = pools_of(plan, self._market)
        if pools is not None:
            self._sent[plan.id] = pools
        if len(self._sent) > _KEPT:
            del self._sent[next(iter(self._sent))]

    def traded(self, plan: Plan) -> None:
        """`plan` did not revert."""
        for swap in plan.swaps:
            self._reverted.pop(swap.token_out, None)
            self._reverted.pop(swap.hop.pool, None)

    def failed(self, plan: Plan, suspects: Collection[Token], others: Sequence[Log] = (), least: int = 0) -> None:
        """`plan` reverted in time; nothing vouches for `suspects`.

        What `others` did first explains it, unless the plan would still have brought the `least` it had to: a sync
        moves nothing. Whoever sets a pool's fee at will does so without an event, and so does who gives to a vault:
        their tokens are none the worse for it.
        """
        if others and not self._would_pay(plan, others, least):
            return
        steered = {swap.hop.pool for swap in plan.swaps if _is_steered(swap.hop)}
        for pool in steered:
            self._reverted[pool] += 1
            if self._reverted[pool] >= FAILURES:
                self._keep_out(pool)
        if steered:
            return
        for token in [token for token in suspects if token.address in plan.pools] or suspects:
            self._reverted[token] += 1
            self._deny(token, self._reverted[token], f"through {token} {_UNFORESEEN}")

    def tried(self, plan: Plan, outcome: object) -> None:
        """How far `plan` got on its head: what was measured of a token without a mark tells against it."""
        if isinstance(outcome, TokenRefusal):
            token = outcome.token
            self._refused[token] += 1
            self._deny(token, self._refused[token], f"were refused for {token}, which {outcome.does}")
        elif not isinstance(outcome, Refusal):
            for swap in plan.swaps:
                self._refused.pop(swap.token_out, None)

    def _would_pay(self, plan: Plan, others: Sequence[Log], least: int) -> bool:
        pools = self._sent.get(plan.id)
        brought = brought_behind(plan, pools, others) if pools is not None else None
        return brought is not None and brought >= least

    def _keep_out(self, pool: Address) -> None:
        """Out of the market, if it is in there: plans call it by how its id begins."""
        why = f"its fee is set at will, and {FAILURES} plans in a row through it {_UNFORESEEN}; it stays out"
        for venue in [venue for venue in self._market.pools if venue.startswith(pool.lower())]:
            self._market.remove(venue, why, until_read=True)
            self._counts["kept_out"] += 1
            self._record(Level.ERROR, "pool_kept_out", f"{venue}: {why}")

    def _deny(self, token: Token, failures: int, how: str) -> None:
        """All its pools, if that is too many failures."""
        if failures < FAILURES:
            return
        why = f"{failures} plans in a row {how}"
        pools = [venue for venue, pool in self._market.pools.items() if token in pool.tokens]
        for venue in pools:
            self._market.remove(venue, why, until_read=True)
        self._counts["tokens_denied"] += failures == FAILURES
        left_out = f"{len(pools)} {'pool is' if len(pools) == 1 else 'pools are'} left out of this run"
        self._record(Level.WARNING, "token_denied", f"{why}: {left_out}; to keep it out, deny {token.address}")


def _is_steered(hop: Hop) -> bool:
    """Whether somebody sets the fee of that pool as he likes."""
    return hop.kind is HopKind.UNISWAP_V4 and hop.fee_ppm == DYNAMIC_FEE
