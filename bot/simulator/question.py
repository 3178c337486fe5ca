"""What is asked of a fork about a transaction, as `eth_simulateV1` requests, and how the answers are read.

Within one simulated block run, in order: the transactions already accepted for it, the balances before, the transaction
in question, the balances after. The call runs on a state of its own, so that a fork answers any number of them. It is
asked once in each of `SURROUNDINGS`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.simulator import holdings
from bot.simulator.holdings import READER, READER_CODE, Unanswered, Watched
from bot.transaction import UnsignedTransaction
from chains.assets import ZERO_ADDRESS, Address, address
from chains.blocks import Head


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a block tells of who builds it: no two blocks need agree, so nothing that pays may depend on it.

    Where `nobodys`, nothing is told: whatever could ask for it, or knows a builder's account, cannot be run there.
    """

    coinbase: Address
    prevrandao: bytes
    nobodys: bool = False

    @classmethod
    def of_nobody(cls) -> Surroundings:
        """Surroundings that no code can have been written for."""
        return cls(address("0x" + secrets.token_hex(20)), secrets.token_bytes(32), nobodys=True)


SURROUNDINGS = (
    Surroundings(address("0x4838b106fce9647bdf1e7877bf73ce8b0bad5f97"), b"\x55" * 32),
    Surroundings(address(f"0x{secrets.token_hex(19)}68"), b"\xaa" * 32),
)
"""A well-known builder's block (Titan's fee recipient on Ethereum) and an unknown one's, in each process another's: a
token that pays only builders it knows does not pay in both. Their last bytes share no bit.
"""


class NoCoins(Unanswered):
    """A sender does not hold what its transaction can cost."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The block a transaction is tried in: the one after `head`, at the base fee expected of it."""

    head: Head
    block_step_s: int
    base_fee_wei: int

    @property
    def number(self) -> int:
        return self.head.number + 1

    @property
    def timestamp_s(self) -> int:
        return self.head.timestamp_s + self.block_step_s

    def overrides(self, surroundings: Surroundings) -> dict[str, str]:
        """The block as JSON-RPC's block overrides name it."""
        return {
            "number": hex(self.number),
            "time": hex(self.timestamp_s),
            "baseFeePerGas": hex(self.base_fee_wei),
            "feeRecipient": surroundings.coinbase,
            "prevRandao": "0x" + surroundings.prevrandao.hex(),
        }


@dataclass(frozen=True, slots=True)
class Emitted:
    """An event of the transaction; `topics` are 32-byte words."""

    address: Address
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What the transaction did. `before` and `after` are base units by (account, token)."""

    succeeded: bool
    return_data: bytes
    gas_used: int
    before: Mapping[Watched, int]
    after: Mapping[Watched, int]

    @property
    def deltas(self) -> dict[Watched, int]:
        """What changed, in base units by (account, token)."""
        return {watched: self.after[watched] - amount for watched, amount in self.before.items()}


def gas_price_wei(tx: UnsignedTransaction, base_fee_wei: int) -> int:
    """What the sender pays per gas (EIP-1559)."""
    return min(tx.max_fee_wei, base_fee_wei + tx.tip_wei)


@dataclass(frozen=True, slots=True)
class Question:
    """`tx`, after `earlier`, in `environment`; the balances of `watched` are compared."""

    tx: UnsignedTransaction
    earlier: tuple[UnsignedTransaction, ...]
    watched: tuple[Watched, ...]
    environment: Environment

    def calls(self) -> list[tuple[str, Sequence[Any]]]:
        """The JSON-RPC calls, for one batch: a simulation in each of `SURROUNDINGS`, then the nonce of each sender."""
        number = hex(self.environment.head.number)
        return [
            *(("eth_simulateV1", (self._simulation(surroundings), number)) for surroundings in SURROUNDINGS),
            *(("eth_getTransactionCount", (sender, number)) for sender in self.senders),
        ]

    def read(self, results: Sequence[Any]) -> tuple[Answer, ...]:
        """The answers in the results of `calls`, one for each of `SURROUNDINGS`. Raises `Unanswered`."""
        count = len(SURROUNDINGS)
        self.check_nonces(dict(zip(self.senders, (int(nonce, 16) for nonce in results[count:]), strict=True)))
        return tuple(self._answer(simulated) for simulated in results[:count])

    def _answer(self, simulated: Any) -> Answer:
        held, outcome, left = simulated[0]["calls"][len(self.earlier) :]
        before = self._balances(held)
        self.check_funds(before)
        return Answer(
            succeeded=outcome["status"] == "0x1",
            return_data=bytes.fromhex(outcome["returnData"][2:]),
            gas_used=int(outcome["gasUsed"], 16),
            before=before,
            after=self._balances(left),
        )

    @property
    def senders(self) -> tuple[Address, ...]:
        """Whose transactions it is about, each once."""
        return tuple(dict.fromkeys(tx.sender for tx in (*self.earlier, self.tx)))

    def _simulation(self, surroundings: Surroundings) -> dict[str, Any]:
        reading = holdings.call_for(self.watched)
        block = {
            "blockOverrides": self.environment.overrides(surroundings),
            "stateOverrides": {READER: {"code": "0x" + READER_CODE.hex()}},
            "calls": [*map(transaction_call, self.earlier), reading, transaction_call(self.tx), reading],
        }
        return {"blockStateCalls": [block], "validation": True}

    def check_nonces(self, nonces: dict[Address, int]) -> None:
        """Anvil's simulation runs any nonce; a block would not. Raises `Unanswered`."""
        for tx in (*self.earlier, self.tx):
            if tx.nonce != nonces[tx.sender]:
                raise Unanswered(f"nonce {tx.nonce} cannot be next: {tx.sender} is at {nonces[tx.sender]}")
            nonces[tx.sender] += 1

    def check_funds(self, before: Mapping[Watched, int]) -> None:
        """As `check_funds`, of the transaction in question."""
        check_funds(self.tx, before[self.tx.sender, ZERO_ADDRESS])

    def _balances(self, outcome: Mapping[str, Any]) -> dict[Watched, int]:
        data = bytes.fromhex(outcome["returnData"][2:])
        return holdings.read(self.watched, data, succeeded=outcome["status"] == "0x1")


def ask(
    tx: UnsignedTransaction,
    earlier: Sequence[UnsignedTransaction],
    watch: Sequence[Watched],
    environment: Environment,
) -> Question:
    """A question about `tx`; the sender's native coin is always watched. Raises `Unanswered` for impossible fees and
    for more gas than a block holds.
    """
    for candidate in (*earlier, tx):
        if candidate.max_fee_wei < environment.base_fee_wei:
            first = "" if candidate is tx else f"nonce {candidate.nonce} of {candidate.sender} has to land first: its "
            told = f"{first}max fee {candidate.max_fee_wei} is below the next block's base fee"
            raise Unanswered(f"{told} {environment.base_fee_wei} (wei)")
        if candidate.tip_wei > candidate.max_fee_wei:
            raise Unanswered(f"tip {candidate.tip_wei} is above the max fee {candidate.max_fee_wei} (wei)")
        # Anvil's simulation runs those too.
        if candidate.gas_limit > environment.head.gas_limit:
            raise Unanswered(f"gas limit {candidate.gas_limit} is above the block's {environment.head.gas_limit}")
    watched = tuple(dict.fromkeys(((tx.sender, ZERO_ADDRESS), *watch)))
    return Question(tx, tuple(earlier), watched, environment)


def check_funds(tx: UnsignedTransaction, held_wei: int) -> None:
    """A block takes only what its sender can pay for. Raises `NoCoins`."""
    needed = tx.gas_limit * tx.max_fee_wei + tx.value_wei
    if held_wei < needed:
        raise NoCoins(f"{tx.sender} holds {held_wei} wei, but the transaction can cost {needed}")


def transaction_call(tx: UnsignedTransaction) -> dict[str, str]:
    """`tx` as JSON-RPC writes one that is only called."""
    return {
        "type": "0x2",
        "chainId": hex(tx.chain_id),
        "from": tx.sender,
        "to": tx.to,
        "nonce": hex(tx.nonce),
        "value": hex(tx.value_wei),
        "input": "0x" + tx.data.hex(),
        "gas": hex(tx.gas_limit),
        "maxFeePerGas": hex(tx.max_fee_wei),
        "maxPriorityFeePerGas": hex(tx.tip_wei),
    }
