"""A gas model: what a transaction of so much gas and so many bytes costs in the block after a head, and what to offer.

Execution is priced per gas by the head's base fee and a tip. A rollup charges for the bytes besides: what its own
contracts say about that is read at a head (`DataModel.calls`) and becomes `DataFees`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chains.assets import Address
from chains.blocks import BASE_FEE_CHANGE_DENOMINATOR, ELASTICITY_MULTIPLIER, Head
from chains.pools.pool import Call

CAP_OVER_BASE_FEE = 2
"""A fee cap survives the base fee rising to this many times what is expected."""


class NoGasPrice(ValueError):
    """What a chain's own contracts say about its fees cannot be read as that."""


@dataclass(frozen=True, slots=True)
class BaseFeeRule:
    """How a chain moves its base fee: EIP-1559 with its own constants, or `steady` where a header does not tell.

    A steady base fee is expected to stay as it is; chains that have none (0) are steady too.
    """

    elasticity: int = ELASTICITY_MULTIPLIER
    denominator: int = BASE_FEE_CHANGE_DENOMINATOR
    steady: bool = False

    def after(self, head: Head) -> int:
        """The expected base fee of the block after `head`, in wei per gas (EIP-1559, calcBaseFee)."""
        target = head.gas_limit // self.elasticity
        if self.steady or not target or head.gas_used == target:
            return head.base_fee_wei
        shift = head.base_fee_wei * abs(head.gas_used - target) // target // self.denominator
        return head.base_fee_wei + max(shift, 1) if head.gas_used > target else head.base_fee_wei - shift


@dataclass(frozen=True, slots=True)
class Offer:
    """What a transaction offers per gas, in wei: all together at most `max_fee_wei`, of which `tip_wei` is the tip."""

    max_fee_wei: int
    tip_wei: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What a transaction costs its sender, in wei of the native coin.

    `data_gas` is what the chain charges as gas for the bytes, on top of what executing them uses, and
    `worst_data_gas` the most of that; `data_fee_wei` and `worst_data_fee_wei` are what it charges beside the gas.
    """

    expected_wei: int
    worst_wei: int
    data_gas: int = 0
    worst_data_gas: int = 0
    data_fee_wei: int = 0
    worst_data_fee_wei: int = 0


class DataFees(Protocol):
    """What the bytes of a transaction cost, as of one head."""

    def gas(self, raw: bytes, base_fee_wei: int) -> tuple[int, int]:
        """Gas charged for `raw`, the signed transaction: expected, and at worst."""
        ...

    def fee_wei(self, raw: bytes, gas: int) -> tuple[int, int]:
        """Wei charged beside the gas for `raw`, which may use `gas`: expected, and at worst."""
        ...


class DataModel(Protocol):
    """How a chain charges for bytes."""

    @property
    def calls(self) -> tuple[Call, ...]:
        """What to ask the chain at a head."""
        ...

    def fees(self, answers: Sequence[bytes]) -> DataFees:
        """The fees that the answers to `calls`, in order, give; empty is a failed call. Raises `NoGasPrice`."""
        ...

    def sample(self, to: Address, data: bytes) -> Call | None:
        """What to ask about one transaction's bytes, where the node can say more of them than the chain does."""
        ...

    def sampled(self, fees: DataFees, raw: bytes, answer: bytes) -> DataFees:
        """`fees` with what the node said of the sample whose signed bytes are `raw`. Raises `NoGasPrice`."""
        ...


@dataclass(frozen=True, slots=True)
class _NoDataFees:
    """Bytes are paid for with the gas, as on Ethereum."""

    def gas(self, raw: bytes, base_fee_wei: int) -> tuple[int, int]:
        return 0, 0

    def fee_wei(self, raw: bytes, gas: int) -> tuple[int, int]:
        return 0, 0


NO_DATA: DataFees = _NoDataFees()
"""What bytes cost where they are paid for with the gas."""


@dataclass(frozen=True, slots=True)
class GasModel:
    """A network's gas.

    `least_tip_wei` is the tip below which its nodes take no transaction. Where `tips_paid` is false, a tip buys nothing
    and is not charged. `data` is None where bytes cost nothing besides their gas.
    """

    name: str
    base_fee: BaseFeeRule = BaseFeeRule()
    least_tip_wei: int = 0
    tips_paid: bool = True
    data: DataModel | None = None

    def tip_wei(self, wanted_wei: int) -> int:
        """The tip per gas that is worth offering, where `wanted_wei` is what one would."""
        return max(wanted_wei, self.least_tip_wei) if self.tips_paid else 0

    def price_wei(self, head: Head, tip_wei: int) -> int:
        """What the block after `head` is expected to charge per gas, in wei, for a wanted tip of `tip_wei`."""
        return self.base_fee.after(head) + self.tip_wei(tip_wei)

    def offer(self, head: Head, tip_wei: int, most_wei: int) -> Offer:
        """What to offer for the block after `head`, within `most_wei` per gas."""
        tip = self.tip_wei(tip_wei)
        cap = min(CAP_OVER_BASE_FEE * self.base_fee.after(head) + tip, most_wei)
        return Offer(cap, min(tip, cap))

    def cost(self, head: Head, gas: int, gas_limit: int, raw: bytes, offer: Offer, data: DataFees = NO_DATA) -> Cost:
        """What the signed bytes `raw`, whose execution uses `gas` and may use `gas_limit`, cost in the next block.

        Neither counts what the chain charges as gas for the bytes.
        """
        price = min(self.base_fee.after(head) + offer.tip_wei, offer.max_fee_wei)
        data_gas, worst_data_gas = data.gas(raw, self.base_fee.after(head))
        fee, worst_fee = data.fee_wei(raw, gas_limit + worst_data_gas)
        return Cost(
            expected_wei=(gas + data_gas) * price + fee,
            worst_wei=(gas_limit + worst_data_gas) * offer.max_fee_wei + worst_fee,
            data_gas=data_gas,
            worst_data_gas=worst_data_gas,
            data_fee_wei=fee,
            worst_data_fee_wei=worst_fee,
        )
