"""The operator keys of a run: which of them takes the next plan, and whose way an intent is on.

Each has nonces, doubts and coins of its own. One that is stuck keeps what it sent; the others go on without it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from bot.execution.inflight import InFlight
from bot.execution.submission import Submission
from bot.ledger.decisions import Level
from bot.ledger.ledger import Ledger
from bot.ledger.records import Intent
from bot.reasons import Reason, Refusal
from bot.transaction import Fees, UnsignedTransaction
from chains.assets import Address
from chains.blocks import Head


class Operators:
    """The ways out of several keys, in the order of the configuration."""

    def __init__(self, ways: Sequence[Submission], in_flight: InFlight, ledger: Ledger, most: int) -> None:
        """While `most` transactions of a key wait for a block, nothing new leaves it but what unwinds."""
        self._most = most
        self._ways = {way.account: way for way in ways}
        self._in_flight = in_flight
        self._ledger = ledger
        self._coins: dict[Address, int] = {}
        self._short: set[Address] = set()
        self._base_fee_wei = 0
        self._taken: Counter[Address] = Counter()

    def __iter__(self) -> Iterator[Submission]:
        return iter(self._ways.values())

    @property
    def several(self) -> bool:
        return len(self._ways) > 1

    def at_head(self, head: Head, base_fee_wei: int) -> None:
        """Blocks are counted from here; the next one charges `base_fee_wei` per gas."""
        self._base_fee_wei = base_fee_wei
        for way in self:
            way.at_head(head)

    def of(self, intent: Intent) -> Submission:
        """The way of the key that sent it; the first one's, once that key is no operator of the run any more."""
        return self._ways.get(intent.sender) or next(iter(self))

    def refusal(self, sender: Address | None = None, *, unwinds: bool = False) -> Refusal | None:
        """Why nothing new may leave of `sender` or else of any key, be it that it `unwinds`; None while it may."""
        ways = self if sender is None else (self._ways[sender],)
        refused = [way.refusal() or (None if unwinds else self._full(way)) for way in ways]
        return None if None in refused else refused[0]

    def _full(self, way: Submission) -> Refusal | None:
        waiting = self._waiting[way.account]
        if waiting < self._most:
            return None
        return Refusal(
            Reason.TOO_MANY_IN_FLIGHT,
            f"{waiting} transactions of {way.account} wait for a block, and execution.most_in_flight is {self._most}",
        )

    @property
    def _waiting(self) -> Counter[Address]:
        return Counter(transaction.sender for transaction in self._in_flight.transactions.values())

    def ready(self) -> list[Address]:
        """Those that may send something new, where none may those that may send what unwinds, and else all: with the
        fewest transactions in flight first, of equals the one that has begun the fewest in this run.
        """
        waiting, outgrown = self._waiting, self._outgrown
        open_ = [way for way in self if not self.several or way.refusal() is None]
        open_ = [way for way in open_ if way.account not in outgrown] or open_
        free = [way.account for way in open_ if self._full(way) is None] or [way.account for way in open_]
        return sorted(free or self._ways, key=lambda account: (waiting[account], self._taken[account]))

    def begin(self, intent: Intent, share_ppm: int) -> None:
        """A new intent, as `Submission.begin`."""
        self._taken[intent.sender] += 1
        self.of(intent).begin(intent, share_ppm)

    def flowing(self) -> tuple[UnsignedTransaction, ...]:
        """What is in flight and may land as things stand: not what a key has sent that is stuck."""
        return tuple(self._flowing().values())

    def ahead_of(self, intent: Intent) -> list[UnsignedTransaction]:
        """What may land before `intent`: lower nonces of its key, and what other keys sent before it."""
        return [
            other
            for number, other in self._flowing(intent.sender).items()
            if (other.nonce < intent.nonce if other.sender == intent.sender else number < intent.id)
        ]

    def note_coins(self, coins: Mapping[Address, int]) -> None:
        """What the chain says each key holds now, in wei of the network's coin."""
        if self.several:
            self._coins.update(coins)
        for way in self:
            way.note_coins(coins.get(way.account))

    def can_pay(self, sender: Address, fees: Fees) -> bool:
        """Whether `sender` can pay for one more transaction, all that it has in flight at its dearest.

        It is told, once, of a key that cannot. What it holds is not asked of a run's only key: its node will say.
        """
        held = self._coins.get(sender)
        if held is None:
            return True
        mine = (other for other in self._in_flight.transactions.values() if other.sender == sender)
        left = held - sum(other.gas_limit * other.max_fee_wei for other in mine)
        if left >= fees.worst_cost_wei:
            self._short.discard(sender)
            return True
        if sender not in self._short:
            self._short.add(sender)
            detail = f"{sender} has {left} wei to spare, and a transaction may cost {fees.worst_cost_wei}"
            remedy = "it sends nothing until `isthmus executor top-up`, the other keys do"
            self._ledger.record_event(Level.WARNING, "operator_short", f"{detail}; {remedy}")
        return False

    def _flowing(self, also: Address | None = None) -> Mapping[int, UnsignedTransaction]:
        in_flight = self._in_flight.transactions
        if not self.several:
            return in_flight
        stuck = {way.account for way in self if way.account != also and way.refusal() is not None}
        outgrown = self._outgrown
        return {
            number: it
            for number, it in in_flight.items()
            if it.sender not in stuck and it.nonce < outgrown.get(it.sender, it.nonce + 1)
        }

    @property
    def _outgrown(self) -> Mapping[Address, int]:
        """The first nonce of each key that offers less than the next block charges: none behind it is in that block."""
        found: dict[Address, int] = {}
        for it in self._in_flight.transactions.values():
            if it.max_fee_wei < self._base_fee_wei:
                found[it.sender] = min(it.nonce, found.get(it.sender, it.nonce))
        return found
