"""What a run came to: for a person, and as the one JSON object of its last line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot.engine import eth
from bot.ledger.reconcile import Reconciliation
from bot.ledger.summary import RunSummary


@dataclass(frozen=True, slots=True)
class Summary:
    """A finished run. Amounts are wei; `setup_s` lies between the start of the program and that of the run.

    `decisions` is `Engine.decisions_digest`: the same seed over the same number of blocks gives the same one.
    """

    network: str
    mode: str
    chain_id: int
    seed: int | None
    pools: int
    pool_states: Mapping[str, int]
    books: int
    blocks: int
    duration_s: float
    setup_s: float
    node_calls: int
    exchange_calls: int
    counts: Mapping[str, int]
    result: RunSummary
    reconciliation: Reconciliation | None
    not_as_simulated: int
    decisions: str
    ledger_url: str

    @property
    def ledger_equals_chain(self) -> bool | None:
        """None where nothing was traded on anything that could be compared (dry mode)."""
        return None if self.reconciliation is None else self.reconciliation.equal

    @property
    def first_settled_s(self) -> float | None:
        """Seconds from the start of the program to the first settled trade."""
        since_run = self.result.first_settled_s
        return None if since_run is None else round(since_run + self.setup_s, 3)

    def document(self) -> dict[str, Any]:
        """The summary for machines: amounts are decimal strings of wei."""
        latency = self.result.head_to_signed_ms
        return {
            "network": self.network,
            "mode": self.mode,
            "chain_id": self.chain_id,
            "seed": self.seed,
            "pools": self.pools,
            "pool_states": dict(self.pool_states),
            "books": self.books,
            "blocks": self.blocks,
            "duration_s": round(self.duration_s, 3),
            "settled": self.result.settled,
            "net_profit": {name: str(wei) for name, wei in self.result.net_profit_wei.items()},
            "sent": self.result.sent,
            "reverted": self.result.reverted,
            "refused": self.result.refused,
            "simulated": self.counts.get("simulated", 0),
            "first_settled_s": self.first_settled_s,
            "head_to_signed_ms": {"p50": latency.p50, "p99": latency.p99},
            "not_as_simulated": self.not_as_simulated,
            "decisions": self.decisions,
            "ledger_equals_chain": self.ledger_equals_chain,
            "node_calls": self.node_calls,
            "node_calls_per_block": round(self.node_calls / max(self.blocks, 1), 2),
            "exchange_calls": self.exchange_calls,
            "ledger": self.ledger_url,
        }

    def __str__(self) -> str:
        result, latency = self.result, self.result.head_to_signed_ms
        lines = [
            "",
            f"{self.blocks} blocks of {self.network} in {self.duration_s:.0f} s, {self.mode}: "
            f"{self.pools} pools, {self.books} order books",
            *(
                f"  {name}: {count} settled, {eth(result.net_profit_wei[name])} after gas and fees"
                for name, count in result.settled.items()
            ),
            f"  sent {result.sent}, reverted {result.reverted}, refused {sum(result.refused.values())}"
            + (f" ({', '.join(f'{reason} {n}' for reason, n in result.refused.items())})" if result.refused else ""),
        ]
        if self.first_settled_s is not None:
            lines.append(f"  first trade settled {self.first_settled_s:.1f} s after the start")
        if latency.p50 is not None:
            lines.append(f"  head to signed transaction: median {latency.p50:.1f} ms, p99 {latency.p99:.1f} ms")
        lines.append(
            f"  calls: {self.node_calls} to the node ({self.node_calls / max(self.blocks, 1):.1f} a block), "
            f"{self.exchange_calls} to the exchange"
        )
        if self.reconciliation is not None:
            lines.append(f"  {self.proof()}")
        return "\n".join([*lines, f"  ledger: {self.ledger_url}"])

    def proof(self) -> str:
        """Whether the ledger equals the chain and the exchanges, in one line; each difference named."""
        assert self.reconciliation is not None
        rows = self.reconciliation.rows
        if self.reconciliation.equal:
            return f"the ledger equals the chain and the exchange to the last unit ({len(rows)} accounts)"
        named = "; ".join(f"{row.account}: {row.difference:+d} units" for row in self.reconciliation.differing)
        return f"THE LEDGER DIFFERS: {named}"
