"""What a run came to: for a person, and as the one JSON object of its last line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bot.ledger.reconcile import Reconciliation
from bot.ledger.summary import RunSummary
from bot.mode import Mode
from bot.run.certifying import Captured
from bot.simulator.verdict import Screening
from bot.telling import eth

_STATE_COUNTS = ("compared", "differed", "unconfirmed", "unanswered", "resynced", "resync_failed", "kept_out")
_DIVERGED = "diverged_"


@dataclass(frozen=True, slots=True)
class Summary:
    """A finished run. Amounts are wei; `setup_s` lies between the start of the program and that of the run.

    `node_units` says what each endpoint with a quota has used of its day.
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
    trouble: str | None = None
    gc_pause_ms: float = 0.0
    in_flight: int = 0
    halted: Mapping[str, str] = field(default_factory=dict)
    node_units: Mapping[str, str] = field(default_factory=dict)
    captured: Captured | None = None
    screening: Screening | None = None

    @property
    def ledger_equals_chain(self) -> bool | None:
        """None where nothing was traded on anything that could be compared (dry mode)."""
        return None if self.reconciliation is None else self.reconciliation.equal

    @property
    def first_settled_s(self) -> float | None:
        """Seconds from the start of the program to the first settled trade."""
        since_run = self.result.first_settled_s
        return None if since_run is None else round(since_run + self.setup_s, 3)

    @property
    def state(self) -> dict[str, int]:
        """How the pools fared against the chain: `compared`, `differed` and so on, and each class of divergence."""
        always = {name: self.counts.get(name, 0) for name in _STATE_COUNTS}
        return always | {name: count for name, count in self.counts.items() if name.startswith(_DIVERGED)}

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
            "half_done": self.result.half_done,
            "net_profit": {name: str(wei) for name, wei in self.result.net_profit_wei.items()},
            "sent": self.result.sent,
            "reverted": self.result.reverted,
            "cancelled": self.result.cancelled,
            "refused": self.result.refused,
            "simulated": self.counts.get("simulated", 0),
            "first_settled_s": self.first_settled_s,
            "head_to_signed_ms": {"p50": latency.p50, "p99": latency.p99},
            "stages_ms": {stage: asdict(each) for stage, each in self.result.stages_ms.items()},
            "gc_pause_ms": self.gc_pause_ms,
            "not_as_simulated": self.not_as_simulated,
            "decisions": self.decisions,
            "ledger_equals_chain": self.ledger_equals_chain,
            "node_calls": self.node_calls,
            "node_calls_per_block": round(self.node_calls / max(self.blocks, 1), 2),
            "node_units": dict(self.node_units),
            "exchange_calls": self.exchange_calls,
            "screening": None if self.screening is None else asdict(self.screening),
            "state": self.state,
            "certificate": None if self.captured is None else self.captured.document(),
            "in_flight": self.in_flight,
            "halted": dict(self.halted),
            "trouble": self.trouble,
            "ledger": self.ledger_url,
        }

    def __str__(self) -> str:
        rows = [*self._rows()]
        width = max(len(label) for label, _ in rows)
        return "\n".join(["", self._heading(), *(f"  {label:<{width}}  {text}" for label, text in rows)])

    def _heading(self) -> str:
        where = f"{self.blocks} blocks of {self.network} (chain id {self.chain_id})"
        return f"{where} in {self.duration_s:.0f} s, {self.mode}: {self.pools} pools, {self.books} order books"

    def _rows(self) -> Iterator[tuple[str, str]]:
        """The summary for a person: what each line is about, and what there is to say."""
        result, latency = self.result, self.result.head_to_signed_ms
        if self.mode != Mode.DRY:
            yield from self._strategies()
        refused = sum(result.refused.values())
        reasons = ", ".join(f"{count} {reason}" for reason, count in result.refused.items())
        yield (
            "plans",
            f"{result.sent} sent, {result.reverted} reverted, "
            + f"{result.cancelled} cancelled, " * (result.cancelled > 0)
            + f"{refused} refused"
            + f" ({reasons})" * (refused > 0),
        )
        if self.mode == Mode.DRY:
            yield "dry", f"{self.counts.get('simulated', 0)} plans would have been signed; nothing was signed or sent"
        if self.mode == Mode.FORK:
            yield (
                "fork",
                "what trades did to pools ended with the block, so one gap in prices may be earned again and again",
            )
        if self.first_settled_s is not None:
            yield "first trade", f"settled {self.first_settled_s:.1f} s after the start"
        if latency.p50 is not None:
            yield "head to signed", f"median {latency.p50:.1f} ms, p99 {latency.p99:.1f} ms"
        per_block = self.node_calls / max(self.blocks, 1)
        yield "calls", f"{self.node_calls} to the node ({per_block:.1f} a block), {self.exchange_calls} to the exchange"
        for name, units in self.node_units.items():
            yield "quota", f"{name}: {units}"
        if self.screening is not None:
            yield "simulator", str(self.screening)
        if self.counts.get("compared"):
            yield "state", self._held_against_the_chain()
        if self.captured is not None and self.captured.share is not None:
            yield "captured", str(self.captured)
        if self.in_flight:
            yield (
                "in flight",
                f"{self.in_flight} had no answer yet, or owe a side; a run on the same ledger takes them up",
            )
        if self.reconciliation is not None:
            yield "proof", self.proof()
        yield "ledger", self.ledger_url

    def _held_against_the_chain(self) -> str:
        state = self.state
        classes = [f"{count} {name.removeprefix(_DIVERGED)}" for name, count in state.items() if _DIVERGED in name]
        differed = f"{state['differed']} differed" + f" ({', '.join(classes)})" * bool(classes)
        kept_out = f", {state['kept_out']} stay out" if state["kept_out"] else ""
        return f"{state['compared']} pool states compared with the chain, {differed}{kept_out}"

    def _strategies(self) -> Iterator[tuple[str, str]]:
        for name, count in self.result.settled.items():
            halted = f"; HALTED: {self.halted[name]}" if name in self.halted else ""
            owe = self.result.half_done.get(name, 0)
            half_done = f", with the chain sides of {owe} that still owe the other" * bool(owe)
            yield (
                name,
                f"{count} settled, {eth(self.result.net_profit_wei[name])} after gas and fees{half_done}{halted}",
            )

    def proof(self) -> str:
        """Whether the ledger equals the chain and the exchanges, in one line; each difference named."""
        assert self.reconciliation is not None
        rows = self.reconciliation.rows
        if self.reconciliation.equal:
            return f"the ledger equals the chain and the exchange to the last unit ({len(rows)} accounts)"
        named = "; ".join(f"{row.account}: {row.difference:+d} units" for row in self.reconciliation.differing)
        remedy = self.reconciliation.remedy
        return f"THE LEDGER DIFFERS: {named}" + (f"; {remedy}" if remedy else "")
