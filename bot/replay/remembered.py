"""Everything on a tape that was answered or looked up, by what was asked: for replays that do not follow the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.plan import Leg, Plan, decode_plan
from bot.replay.codec import decode, encode
from bot.replay.opening import TAPE
from bot.replay.player import Decision
from bot.replay.recorder import Kind, key
from bot.replay.tape import read_tape
from bot.signer.protocol import Signed
from bot.simulator.verdict import Verdict
from chains.assets import Address
from chains.blocks import Block, Receipt
from chains.node.seen import Seen

_Key = tuple[str, str]
_VERDICTS = ("simulator.screened", "simulator.verdict")


def decisions_of(folder: Path) -> list[Decision]:
    """What the run whose recording is in that folder decided. Raises `NoTape`, `OSError`."""
    return [Decision(record[1], record[2]) for record in read_tape(folder / TAPE) if record[0] == Kind.DECISION]


def blocks_of(folder: Path) -> frozenset[int]:
    """The numbers of the blocks that run heard. Raises as `decisions_of`."""
    events = (decode(record[1]) for record in read_tape(folder / TAPE) if record[0] == Kind.EVENT)
    return frozenset(event.head.number for event in events if isinstance(event, Block))


Trade = tuple[int, tuple[Leg, ...]]
"""What a plan trades, and on which block: whatever it was to earn at least."""


def trade(plan: Plan) -> Trade:
    return plan.block_number, plan.legs


@dataclass(slots=True)
class Remembered:
    """A tape, read to its end. `verdicts` and `receipts` are by `trade`, `traded` by block and pools gone through."""

    answers: dict[_Key, list[Any]] = field(default_factory=dict)
    readings: dict[_Key, Any] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    verdicts: dict[Trade, Verdict] = field(default_factory=dict)
    receipts: dict[Trade, Receipt] = field(default_factory=dict)
    traded: set[tuple[int, frozenset[Address]]] = field(default_factory=set)

    @classmethod
    def of(cls, records: Iterable[Any]) -> Remembered:
        """Raises `Unreadable`."""
        found = cls()
        verdict: Verdict | None = None
        signed: Signed | None = None
        trade_of: dict[str, Trade] = {}
        for record in records:
            if record[0] == Kind.ANSWER:
                name, given = record[1], record[3:]
                found.answers.setdefault((name, record[2]), []).append(given)
                if name in _VERDICTS and len(given) == 1 and given[0] is not None:
                    verdict = decode(given[0])
                elif name == "signer.sign" and len(given) == 1:
                    answer = decode(given[0])
                    signed = answer if isinstance(answer, Signed) else None
                elif name == "chain.seen" and len(given) == 1:
                    found._see(decode(given[0]), trade_of)
            elif record[0] == Kind.READING:
                found.readings[record[1], record[2]] = record[3]
            elif record[0] == Kind.DECISION:
                found.decisions.append(Decision(record[1], record[2]))
                plan = decode_plan(record[1].encode())
                if verdict is not None:
                    found.verdicts[trade(plan)] = verdict
                if signed is not None:
                    trade_of[signed.tx_hash] = trade(plan)
                    found.traded.add((plan.block_number, plan.pools))
                verdict = signed = None
        return found

    def _see(self, seen: Seen, trade_of: Mapping[str, Trade]) -> None:
        """Each answer by itself: another road looks for other transactions at the same head."""
        for name, said in (("receipt", seen.receipts), ("nonce", seen.nonces), ("balance", seen.balances)):
            for asked, answer in said.items():
                self.answers.setdefault((f"chain.{name}", key((asked,), {})), []).append([encode(answer)])
        for tx_hash, receipt in seen.receipts.items():
            if receipt is not None and tx_hash in trade_of:
                self.receipts[trade_of[tx_hash]] = receipt
