"""The OP stack's fee for the bytes of a transaction: what publishing them on Ethereum costs (Ecotone, Fjord, Isthmus).

Source: the OP stack's specification, "L1 cost fees" of Ecotone and Fjord, "Operator fee" of Isthmus and Jovian; the
predeploys L1Block and GasPriceOracle say which rules are in force and with which parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chains.assets import Address
from chains.networks.gas.fastlz import fastlz_length
from chains.networks.gas.model import NO_DATA, DataFees, NoGasPrice
from chains.pools.pool import Call
from chains.pools.words import WORD, selector, unsigned

L1_BLOCK = Address("0x4200000000000000000000000000000000000015")
GAS_PRICE_ORACLE = Address("0x420000000000000000000000000000000000000F")

_MILLION = 10**6
_ZERO_BYTE_GAS, _BYTE_GAS = 4, 16
_LEAST_SIZE_SCALED = 100 * _MILLION
_SIZE_INTERCEPT, _SIZE_PER_FASTLZ_BYTE = -42_585_600, 836_500
_OPERATOR_FEE_MULTIPLIER = 100
_WORST = 2
"""L1's two fees may each rise by an eighth a block: to twice as much in six blocks, over a minute."""

_CALLS = (
    Call(L1_BLOCK, selector("basefee()")),
    Call(L1_BLOCK, selector("blobBaseFee()")),
    Call(L1_BLOCK, selector("baseFeeScalar()")),
    Call(L1_BLOCK, selector("blobBaseFeeScalar()")),
    Call(GAS_PRICE_ORACLE, selector("isFjord()")),
    Call(GAS_PRICE_ORACLE, selector("isIsthmus()")),
    Call(GAS_PRICE_ORACLE, selector("isJovian()")),
    Call(L1_BLOCK, selector("operatorFeeScalar()")),
    Call(L1_BLOCK, selector("operatorFeeConstant()")),
)


def operator_fee_wei(gas: int, scalar: int, constant: int, *, jovian: bool) -> int:
    """What an operator charges for `gas` beside its price, by the rules of Isthmus or of Jovian."""
    charged = gas * scalar
    return (charged * _OPERATOR_FEE_MULTIPLIER if jovian else charged // _MILLION) + constant


@dataclass(frozen=True, slots=True)
class OpStackFees:
    """What L1Block says at one head. Base fees are wei per gas of L1, scalars millionths.

    `fjord`: the size is estimated by FastLZ; before, by counting zero bytes. The operator's fee is
    `operator_scalar` · gas + `operator_constant` wei, the scalar in millionths, from Jovian on (`jovian`) in hundreds.
    """

    base_fee_wei: int
    blob_base_fee_wei: int
    base_fee_scalar: int
    blob_base_fee_scalar: int
    fjord: bool = True
    operator_scalar: int = 0
    operator_constant: int = 0
    jovian: bool = False

    def data_fee_wei(self, raw: bytes) -> int:
        """What publishing the signed bytes costs now, exactly."""
        price = (
            _BYTE_GAS * self.base_fee_scalar * self.base_fee_wei + self.blob_base_fee_scalar * self.blob_base_fee_wei
        )
        if not self.fjord:
            zeros = raw.count(0)
            data_gas = zeros * _ZERO_BYTE_GAS + (len(raw) - zeros) * _BYTE_GAS
            return data_gas * price // (_BYTE_GAS * _MILLION)
        size = max(_LEAST_SIZE_SCALED, _SIZE_INTERCEPT + _SIZE_PER_FASTLZ_BYTE * fastlz_length(raw))
        return size * price // _MILLION**2

    def operator_fee_wei(self, gas: int) -> int:
        """What the operator charges for `gas`, exactly."""
        return operator_fee_wei(gas, self.operator_scalar, self.operator_constant, jovian=self.jovian)

    def gas(self, raw: bytes, base_fee_wei: int) -> tuple[int, int]:
        """None: the fee is charged beside the gas."""
        return 0, 0

    def fee_wei(self, raw: bytes, gas: int) -> tuple[int, int]:
        """The fee now, and at twice L1's prices; the operator's is for all of `gas` in both."""
        data, operator = self.data_fee_wei(raw), self.operator_fee_wei(gas)
        return data + operator, _WORST * data + operator


@dataclass(frozen=True, slots=True)
class OpStackData:
    """Asks L1Block and GasPriceOracle."""

    @property
    def calls(self) -> tuple[Call, ...]:
        """L1's two base fees and their scalars, which upgrades are in force, and the operator's fee."""
        return _CALLS

    def fees(self, answers: Sequence[bytes]) -> DataFees:
        """The fees at the head the answers are of. Raises `NoGasPrice`, also for a chain from before Ecotone."""
        prices = [_number(answer) for answer in answers[:4]]
        fjord, isthmus, jovian = (_number(answer) == 1 for answer in answers[4:7])
        base_fee, blob_base_fee, scalar, blob_scalar = prices
        if base_fee is None or blob_base_fee is None or scalar is None or blob_scalar is None:
            raise NoGasPrice(f"{L1_BLOCK} does not answer as L1Block of an OP-stack chain since Ecotone does")
        operator_scalar, operator_constant = (_number(answer) for answer in answers[7:])
        if isthmus and (operator_scalar is None or operator_constant is None):
            raise NoGasPrice(f"{L1_BLOCK} does not tell the operator's fee, although Isthmus is in force")
        return OpStackFees(
            base_fee,
            blob_base_fee,
            scalar,
            blob_scalar,
            fjord,
            operator_scalar or 0,
            operator_constant or 0,
            jovian,
        )

    def sample(self, to: Address, data: bytes) -> Call | None:
        """None: the fee is computed exactly."""
        return None

    def sampled(self, fees: DataFees, raw: bytes, answer: bytes) -> DataFees:
        """As they were."""
        return fees or NO_DATA


def _number(answer: bytes) -> int | None:
    return unsigned(answer) if len(answer) == WORD else None
