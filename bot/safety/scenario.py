"""One token, one size, one kind of block: bought, sold, moved, held and sold again, in one `eth_simulateV1`. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.safety import probe
from bot.safety.probe import OPERATOR, PPM, STRANGER, Moved, Venue
from chains.assets import ZERO_ADDRESS, Address, address
from chains.blocks import Head
from chains.pools.words import selector, topic, word

_GWEI = 10**9
_MOST_GAS = 60_000_000
_MOST_CALLS = 8
_WORD_DIGITS = len("0x") + 64
_DAY_S = 86_400
_LATER_BLOCKS = 7_200
_TRANSFER = topic("Transfer(address,address,uint256)")
_ENDOWMENT_PARTS = 1_000
_POOL_WEI = 10**21


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a block tells a contract of itself. A `bare` block is what a careless simulator makes: nothing costs gas."""

    name: str
    coinbase: Address
    bare: bool = False


def _builder(name: str, last_digit: str) -> Address:
    return address(probe.made_address(f"builder.{name}").lower()[:-1] + last_digit)


REAL = Surroundings("a real block", address("0x4838b106fce9647bdf1e7877bf73ce8b0bad5f97"))
"""As the bot's trades meet it; the coinbase is a well-known builder's."""

ALL_SURROUNDINGS = (
    REAL,
    Surroundings("another builder's block", address("0x95222290dd7278aa3ddd389cc1e1d165cc4bafe5")),
    Surroundings("an odd builder's block", _builder("1", "1")),
    Surroundings("an even builder's block", _builder("2", "2")),
    Surroundings("a simulator's block", ZERO_ADDRESS, bare=True),
)


@dataclass(frozen=True, slots=True)
class Trial:
    """What happened, in order. `sells` are in the block of the buy, in the next one, and after a day.

    `rests` are the balances (before, after) of the two waits between them. `told` is what the events of `gift` said:
    (lost by the giver, received by the stranger). `approvals` as `probe.read_approvals`. Where it is `exhausted`, a
    call left the probe no gas to say what it did.
    """

    buy: Moved | None
    sells: tuple[Moved, Moved, Moved]
    gift: Moved
    told: tuple[int, int]
    to_itself: Moved
    nothing: Moved
    to_pool: Moved
    rests: tuple[tuple[int, int], tuple[int, int]]
    approvals: tuple[bool, bool, bool]
    exhausted: bool

    @property
    def moves(self) -> tuple[Moved, ...]:
        """All that moved, in one fixed order."""
        bought = () if self.buy is None else (self.buy,)
        return (*bought, *self.sells, self.gift, self.to_itself, self.nothing, self.to_pool)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A trial to be made. `amount` is what is spent, in base units of the base; with None the token is not bought.

    It is then taken out of the pool, in the pool's own name: what cannot be bought can still be looked at.
    """

    venue: Venue
    amount: int | None
    surroundings: Surroundings
    head: Head
    block_time_s: int
    pool_holds: int

    def request(self) -> dict[str, Any]:
        """The parameter of `eth_simulateV1`."""
        token, pool = self.venue.token, self.venue.pool
        blocks = (
            (
                1,
                self.block_time_s,
                (
                    probe.register(),
                    probe.sell(self.venue, PPM // 4),
                    probe.give(token, STRANGER, PPM // 4),
                    probe.give(token, probe.probe_address(token), PPM // 2),
                    probe.move(token, STRANGER, 0),
                    probe.approvals(token, STRANGER),
                    probe.held(token),
                ),
            ),
            (
                2,
                2 * self.block_time_s,
                (probe.held(token), probe.sell(self.venue, PPM // 3), probe.held(token)),
            ),
            (
                1 + _LATER_BLOCKS,
                _DAY_S,
                (probe.held(token), probe.sell(self.venue, PPM // 2), probe.give(token, pool, PPM)),
            ),
        )
        made: list[dict[str, Any]] = [
            {"blockOverrides": self._block(number, after_s), "calls": [self._call(data) for data in acts]}
            for number, after_s, acts in blocks
        ]
        made[0]["calls"].insert(1, self._acquired())
        made[0]["stateOverrides"] = {pool: {"balance": hex(_POOL_WEI)}}
        if not self.surroundings.bare:
            # As much as is needed, as an operator may hold; a bare block's is rich.
            made[0]["stateOverrides"][OPERATOR] = {"balance": hex(sum(map(_most_wei, _calls(made))))}
        _number(_calls(made))
        return {"blockStateCalls": made, "validation": True}

    def read(self, answer: Sequence[Mapping[str, Any]]) -> Trial:
        """The trial in the answer to `request`."""
        calls = [call for block in answer for call in block["calls"]]
        ended = [call["status"] == "0x1" for call in calls]
        data = [
            bytes.fromhex(call["returnData"][2:]) if whole else probe.NOTHING
            for call, whole in zip(calls, ended, strict=True)
        ]
        first, second, third, gift, itself, nothing, pooled = (
            probe.read_moved(data[index]) for index in (2, 9, 12, 3, 4, 5, 13)
        )
        balances = [int.from_bytes(data[index], "big") for index in (7, 8, 10, 11)]
        return Trial(
            buy=probe.read_moved(data[1]) if self.amount is not None else None,
            sells=(first, second, third),
            gift=gift,
            told=_told(calls[3]["logs"], self.venue.token),
            to_itself=itself,
            nothing=nothing,
            to_pool=pooled,
            rests=((balances[0], balances[1]), (balances[2], balances[3])),
            approvals=probe.read_approvals(data[6]),
            exhausted=not all(ended[1 if self.amount is not None else 2 :]),
        )

    def _acquired(self) -> dict[str, str]:
        if self.amount is not None:
            return self._call(probe.buy(self.venue, self.amount))
        amount = max(1, self.pool_holds // _ENDOWMENT_PARTS)
        to = bytes.fromhex(probe.probe_address(self.venue.token)[2:])
        data = selector("transfer(address,uint256)") + bytes(12) + to + word(amount)
        return {**self._call(data), "from": self.venue.pool, "to": self.venue.token}

    def _block(self, number: int, after_s: int) -> dict[str, str]:
        return {
            "number": hex(self.head.number + number),
            "time": hex(self.head.timestamp_s + after_s),
            "feeRecipient": self.surroundings.coinbase,
            "baseFeePerGas": hex(self._base_fee_wei),
            "gasLimit": hex(self.head.gas_limit),
        }

    @property
    def _gas(self) -> int:
        """Of one call: all of a block's have room in a real one, whose limit a token may ask for."""
        return min(_MOST_GAS, self.head.gas_limit // _MOST_CALLS)

    @property
    def _base_fee_wei(self) -> int:
        return 0 if self.surroundings.bare else max(self.head.next_base_fee_wei(), _GWEI)

    def _call(self, data: bytes) -> dict[str, str]:
        tip_wei = 0 if self.surroundings.bare else _GWEI
        return {
            "type": "0x2",
            "from": OPERATOR,
            "to": probe.probe_address(self.venue.token),
            "gas": hex(self._gas),
            "maxFeePerGas": hex(self._base_fee_wei + tip_wei),
            "maxPriorityFeePerGas": hex(tip_wei),
            "input": "0x" + data.hex(),
        }


def _calls(blocks: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, str]]:
    return (call for block in blocks for call in block["calls"])


def _most_wei(call: Mapping[str, str]) -> int:
    return int(call["gas"], 16) * int(call["maxFeePerGas"], 16)


def _number(calls: Iterable[dict[str, str]]) -> None:
    """Give each sender's transactions the nonces that a block would want."""
    sent: Counter[str] = Counter()
    for call in calls:
        call["nonce"] = hex(sent[call["from"]])
        sent[call["from"]] += 1


def _told(logs: Sequence[Mapping[str, Any]], token: Address) -> tuple[int, int]:
    """What the token's own events say that its probe lost and the stranger received."""
    giver = int(probe.probe_address(token), 16)
    lost = received = 0
    for log in logs:
        if len(log["data"]) != _WORD_DIGITS:
            continue
        topics = [int(each, 16) for each in log["topics"]]
        if int(log["address"], 16) != int(token, 16) or len(topics) != 3 or topics[0] != int.from_bytes(_TRANSFER):
            continue
        amount = int(log["data"], 16)
        lost += amount * ((topics[1] == giver) - (topics[2] == giver))
        received += amount * (topics[2] == int(STRANGER, 16))
    return lost, received
