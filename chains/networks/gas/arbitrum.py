"""Arbitrum's price of bytes: what publishing them on Ethereum costs, charged as gas of Arbitrum's own.

ArbOS compresses a transaction with brotli and charges 16 L1 gas for each byte that is left, at its own estimate of L1's
price, divided by Arbitrum's base fee. How well bytes compress only a node knows, which answers about a sample; without
one they are charged as if they did not compress at all.

Source: Arbitrum's documentation, "L1 gas pricing", "Gas and fees", ArbGasInfo and NodeInterface; Nitro, l1pricing.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from eth_abi.abi import encode

from chains.assets import Address
from chains.networks.gas.model import DataFees, NoGasPrice
from chains.pools.pool import Call
from chains.pools.words import WORD, selector, unsigned

ARB_GAS_INFO = Address("0x000000000000000000000000000000000000006C")
NODE_INTERFACE = Address("0x00000000000000000000000000000000000000C8")

_BYTE_GAS = 16
_PPM = 10**6
_BROTLI_HEADER_BYTES = 16
"""More than brotli adds to bytes it cannot compress, for any transaction that fits a block."""
_WORST = 2
"""ArbOS' estimate of L1's price moves with L1's base fee, and Arbitrum's own base fee may fall meanwhile."""

_CALLS = (Call(ARB_GAS_INFO, selector("getL1BaseFeeEstimate()")),)


@dataclass(frozen=True, slots=True)
class ArbitrumFees:
    """ArbOS' price per gas of L1, in wei, and how much of a transaction's bytes is expected to be left, in ppm."""

    l1_price_wei: int
    left_ppm: int = _PPM

    def gas(self, raw: bytes, base_fee_wei: int) -> tuple[int, int]:
        """Gas charged for the bytes at a base fee of `base_fee_wei`: as the sample compressed, and uncompressed."""
        most = (len(raw) + _BROTLI_HEADER_BYTES) * _BYTE_GAS * self.l1_price_wei
        expected = most * self.left_ppm // _PPM
        base_fee_wei = max(base_fee_wei, 1)
        return -(-expected // base_fee_wei), -(-_WORST * most // base_fee_wei)

    def fee_wei(self, raw: bytes, gas: int) -> tuple[int, int]:
        """None: the bytes are charged as gas."""
        return 0, 0


@dataclass(frozen=True, slots=True)
class ArbitrumData:
    """Asks ArbGasInfo, and NodeInterface about a sample."""

    @property
    def calls(self) -> tuple[Call, ...]:
        """ArbOS' price per gas of L1."""
        return _CALLS

    def fees(self, answers: Sequence[bytes]) -> DataFees:
        """The fees at the head the answers are of. Raises `NoGasPrice`."""
        (price,) = answers
        if len(price) != WORD:
            raise NoGasPrice(f"{ARB_GAS_INFO} does not answer as ArbGasInfo does")
        return ArbitrumFees(unsigned(price))

    def sample(self, to: Address, data: bytes) -> Call | None:
        """`gasEstimateL1Component(to, false, data)`: only a node itself answers it, and only to a call of its own."""
        asked = selector("gasEstimateL1Component(address,bool,bytes)")
        return Call(NODE_INTERFACE, asked + encode(["address", "bool", "bytes"], [to, False, data]))

    def sampled(self, fees: DataFees, raw: bytes, answer: bytes) -> DataFees:
        """`fees` with the share of `raw` that the node expects to be left. Raises `NoGasPrice`."""
        if not isinstance(fees, ArbitrumFees) or len(answer) != 3 * WORD:
            raise NoGasPrice(f"{NODE_INTERFACE} does not answer as NodeInterface does")
        charged_gas, base_fee_wei = unsigned(answer, 0), unsigned(answer, 1)
        uncompressed, _ = ArbitrumFees(fees.l1_price_wei).gas(raw, base_fee_wei)
        if not uncompressed:
            return fees
        return replace(fees, left_ppm=min(charged_gas * _PPM // uncompressed + 1, _PPM))
