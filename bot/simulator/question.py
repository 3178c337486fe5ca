"""What is asked of a fork about a transaction, as `eth_simulateV1` requests, and how the answers are read.

Within one simulated block run, in order: the transactions already accepted for it, the balances before, the transaction
in question, the balances after. The call runs on a state of its own, so that a fork answers any number of them. It is
asked once in each of `SURROUNDINGS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from bot.simulator.overlay import balance_of_data
from bot.transaction import UnsignedTransaction
from chains.assets import ZERO_ADDRESS, Address, address
from chains.blocks import Head

Watched = tuple[Address, Address]
"""(account, token); the native coin is the zero address."""

_READER = address("0x" + keccak(text="isthmus.simulator.native-balance-reader")[-20:].hex())
ASKER = address("0x" + keccak(text="isthmus.simulator.asker")[-20:].hex())
# CALLDATALOAD(0) BALANCE MSTORE(0) RETURN(0, 32)
_READER_CODE = "0x6000353160005260206000f3"
READ_GAS = 1_000_000
_WORD_BYTES = 32


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a block tells of who builds it: no two blocks need agree, so nothing that pays may depend on it."""

    coinbase: Address
    prevrandao: bytes


SURROUNDINGS = (
    Surroundings(address("0x4838b106fce9647bdf1e7877bf73ce8b0bad5f97"), b"\x55" * 32),
    Surroundings(address("0x1f9090aae28b8a3dceadf281b0f12828e676c326"), b"\xaa" * 32),
)
"""Two well-known builders' blocks (Titan's and rsync's fee recipients on Ethereum), which share hardly a bit."""


class Unanswered(RuntimeError):
    """The fork's answer does not settle the question; the message says why."""


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
        outcomes = simulated[0]["calls"][len(self.earlier) :]
        count = len(self.watched)
        before = self._balances(outcomes[:count])
        outcome = outcomes[count]
        self.check_funds(before)
        return Answer(
            succeeded=outcome["status"] == "0x1",
            return_data=bytes.fromhex(outcome["returnData"][2:]),
            gas_used=int(outcome["gasUsed"], 16),
            before=before,
            after=self._balances(outcomes[count + 1 :]),
        )

    @property
    def senders(self) -> tuple[Address, ...]:
        """Whose transactions it is about, each once."""
        return tuple(dict.fromkeys(tx.sender for tx in (*self.earlier, self.tx)))

    def _simulation(self, surroundings: Surroundings) -> dict[str, Any]:
        reads = [balance_call(watched) for watched in self.watched]
        block = {
            "blockOverrides": self.environment.overrides(surroundings),
            "stateOverrides": {_READER: {"code": _READER_CODE}},
            "calls": [*map(transaction_call, self.earlier), *reads, transaction_call(self.tx), *reads],
        }
        return {"blockStateCalls": [block], "validation": True}

    def check_nonces(self, nonces: dict[Address, int]) -> None:
        """Anvil's simulation runs any nonce; a block would not. Raises `Unanswered`."""
        for tx in (*self.earlier, self.tx):
            if tx.nonce != nonces[tx.sender]:
                raise Unanswered(f"nonce {tx.nonce} cannot be next: {tx.sender} is at {nonces[tx.sender]}")
            nonces[tx.sender] += 1

    def check_funds(self, before: Mapping[Watched, int]) -> None:
        """A block takes only what its sender can pay for. Raises `Unanswered`."""
        needed = self.tx.gas_limit * self.tx.max_fee_wei + self.tx.value_wei
        held = before[self.tx.sender, ZERO_ADDRESS]
        if held < needed:
            raise Unanswered(f"{self.tx.sender} holds {held} wei, but the transaction can cost {needed}")

    def _balances(self, outcomes: Sequence[Mapping[str, Any]]) -> dict[Watched, int]:
        return {watched: _balance(watched, outcome) for watched, outcome in zip(self.watched, outcomes, strict=True)}


def ask(
    tx: UnsignedTransaction,
    earlier: Sequence[UnsignedTransaction],
    watch: Sequence[Watched],
    environment: Environment,
) -> Question:
    """A question about `tx`; the sender's native coin is always watched. Raises `Unanswered` for impossible fees."""
    for candidate in (*earlier, tx):
        if candidate.max_fee_wei < environment.base_fee_wei:
            raise Unanswered(
                f"max fee {candidate.max_fee_wei} is below the next block's base fee {environment.base_fee_wei} (wei)"
            )
        if candidate.tip_wei > candidate.max_fee_wei:
            raise Unanswered(f"tip {candidate.tip_wei} is above the max fee {candidate.max_fee_wei} (wei)")
    watched = tuple(dict.fromkeys(((tx.sender, ZERO_ADDRESS), *watch)))
    return Question(tx, tuple(earlier), watched, environment)


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


def balance_call(watched: Watched) -> dict[str, str]:
    """The call that tells a balance; that of the native coin needs the reader's code laid over the fork."""
    account, token = watched
    if token == ZERO_ADDRESS:
        to, data = _READER, bytes(12) + bytes.fromhex(account[2:])
    else:
        to, data = token, balance_of_data(account)
    return {"from": ASKER, "to": to, "input": "0x" + data.hex(), "gas": hex(READ_GAS)}


def read_balance(watched: Watched, data: bytes | None) -> int:
    """What a token answered to `balanceOf`; None where it reverted. Raises `Unanswered`."""
    if data is None or len(data) != _WORD_BYTES:
        account, token = watched
        raise Unanswered(f"token {token} does not tell the balance of {account}")
    return int.from_bytes(data, "big")


def _balance(watched: Watched, outcome: Mapping[str, Any]) -> int:
    data = bytes.fromhex(outcome["returnData"][2:])
    return read_balance(watched, data if outcome["status"] == "0x1" else None)
