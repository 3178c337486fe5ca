"""Loans for the length of a transaction: who lends a cycle's input, and what the executor is told of it in one word.

The layout is that of `contracts/src/libraries/Loans.sol`; `tests/contracts` holds both against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from chains.assets import ZERO_ADDRESS, Address
from chains.hops import InvalidCallData, address_in, bits

_FEE_OFFSET = 160
_KIND_OFFSET = 184
_DIRECTION_OFFSET = 192
_ADDRESS_BITS = 160
_FEE_BITS = 24
_PPM = 1_000_000


class Lender(IntEnum):
    """Who lends. The values are of one row with those of `chains.hops.HopKind`."""

    UNISWAP_V4 = 12
    BALANCER_V3 = 13
    BALANCER_V2 = 14
    AAVE_V3 = 15
    PAIR = 16
    POOL = 17


SINGLETONS = frozenset({Lender.UNISWAP_V4, Lender.BALANCER_V3, Lender.BALANCER_V2, Lender.AAVE_V3})
"""Lenders of which a chain has one, known to the executor from its construction."""

_FREE = frozenset({Lender.UNISWAP_V4, Lender.BALANCER_V3})


@dataclass(frozen=True, slots=True)
class Loan:
    """A loan of a cycle's input, repaid with its fee before the transaction ends.

    `pool` is the Uniswap V2 pair or V3 pool that lends, the zero address of a singleton. `fee_ppm` is the most it may
    ask for. `zero_for_one` says of a pair or a pool that what it lends is its token0.
    """

    lender: Lender
    pool: Address = ZERO_ADDRESS
    fee_ppm: int = 0
    zero_for_one: bool = False

    def debt(self, amount: int) -> int:
        """The most that may be asked back for `amount`, in base units, rounded up."""
        if self.lender is Lender.PAIR:
            return -(-amount * _PPM // (_PPM - self.fee_ppm))
        return amount - (-amount * self.fee_ppm // _PPM)


def pack_loan(loan: Loan) -> int:
    """The loan as a word. Raises `InvalidCallData` for a value that does not fit, or that its lender has not."""
    single = loan.lender in SINGLETONS
    if single != (loan.pool == ZERO_ADDRESS) or (single and loan.zero_for_one):
        raise InvalidCallData(f"{loan} names a pool of a lender that is one, or none of one that is many")
    if loan.lender in _FREE and loan.fee_ppm:
        raise InvalidCallData(f"{loan} has a fee; its lender takes none")
    return (
        bits(loan.pool, _ADDRESS_BITS)
        | bits(loan.fee_ppm, _FEE_BITS) << _FEE_OFFSET
        | loan.lender << _KIND_OFFSET
        | loan.zero_for_one << _DIRECTION_OFFSET
    )


def is_loan(word: int) -> bool:
    """Whether `word` says who lends."""
    return word >> _KIND_OFFSET & 0xFF in set(Lender)


def unpack_loan(word: int) -> Loan:
    """The loan that `word` is. Raises `InvalidCallData` for what `pack_loan` would not have written."""
    if word >> _DIRECTION_OFFSET > 1 or not is_loan(word):
        raise InvalidCallData(f"{word:#066x} is not a loan")
    loan = Loan(
        Lender(word >> _KIND_OFFSET & 0xFF),
        address_in(word),
        word >> _FEE_OFFSET & (1 << _FEE_BITS) - 1,
        bool(word >> _DIRECTION_OFFSET),
    )
    pack_loan(loan)
    return loan
