"""The OP stack's data fee to the wei: op-geth's own vectors, and L1Block's answers read strictly."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chains.networks.gas import NoGasPrice, OpStackData
from chains.networks.gas.fastlz import fastlz_length
from chains.networks.gas.op_stack import OpStackFees
from chains.pools.words import word

# The empty transaction of go-ethereum's transaction_test.go: nonce 0, to 0x095e…, no value, no gas, no data, unsigned.
EMPTY_TX = bytes.fromhex("dd80808094095e7baea6a6c7c4c2dfeb977efac326af552d878080808080")
# https://optimistic.etherscan.io/tx/0x8eb9dd4eb6d33f4dc25fb015919e4b1e9f7542f9b0322bf6622e268cd116b594
CONTRACT_CALL = bytes.fromhex(
    "02f901550a758302df1483be21b88304743f94f80e51afb613d764fa61751affd3313c190a86bb870151bd62fd12adb8e41ef24f3f"
    "000000000000000000000000000000000000000000000000000000000000006e"
    "000000000000000000000000af88d065e77c8cc2239327c5edb3a432268e5831"
    "000000000000000000000000000000000000000000000000000000000003c1e5"
    "0000000000000000000000000000000000000000000000000000000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000"
    "00000000000000000000000000000000000000000000000000000000000000a0"
    "0000000000000000000000000000000000000000000000000000000000000000"
    "148c89ed219d02f1a5be012c689b4f5b731827bebe000000000000000000000000"
    "c001a033fd89cb37c31b2cba46b6466e040c61fc9b2a3675a7f5f493ebd5ad77c497f8"
    "a07cdf65680e238392693019b4092f610222e71b7cec06449cb922b93b6a12744e"
)
# The parameters of op-geth's rollup_cost_test.go.
ECOTONE = OpStackFees(10**9, 10**7, 2, 3, fjord=False)
FJORD = OpStackFees(10**9, 10**7, 2, 3)


@pytest.mark.parametrize(
    ("data", "length"), [(b"", 0), (b"\x01" * 1000, 21), (bytes(1000), 21), (EMPTY_TX, 31), (CONTRACT_CALL, 202)]
)
def test_fastlz_lengths_are_op_geths(data: bytes, length: int) -> None:
    assert fastlz_length(data) == length


def test_the_ecotone_fee_is_op_geths() -> None:
    assert ECOTONE.data_fee_wei(EMPTY_TX) == 960_900


def test_a_transaction_too_short_for_the_estimate_pays_for_a_hundred_bytes() -> None:
    """Fjord as it went live: at least 100 bytes, not the 71 of an early draft."""
    price = 16 * 2 * 10**9 + 3 * 10**7
    assert FJORD.data_fee_wei(EMPTY_TX) == 100 * 10**6 * price // 10**12


def test_a_longer_transaction_pays_for_its_estimated_size() -> None:
    size = 836_500 * 202 - 42_585_600
    assert FJORD.data_fee_wei(CONTRACT_CALL) == size * (16 * 2 * 10**9 + 3 * 10**7) // 10**12


@given(st.binary(max_size=3_000))
def test_fastlz_never_adds_more_than_a_header_for_each_run_of_literals(data: bytes) -> None:
    assert fastlz_length(data) <= len(data) + -(-len(data) // 32)


def test_incompressible_bytes_are_charged_in_full_and_repeated_ones_hardly() -> None:
    noise = random.Random(1).randbytes(2_000)
    assert fastlz_length(noise) >= len(noise)
    assert fastlz_length(noise[:100] * 20) < 300


def _answers(**changed: bytes) -> list[bytes]:
    named = {
        "basefee": word(7), "blob": word(11), "scalar": word(2269), "blob_scalar": word(1_055_762),
        "fjord": word(1), "isthmus": word(1), "jovian": word(0), "operator": word(5), "constant": word(9),
    }  # fmt: skip
    return list({**named, **changed}.values())


def test_the_fees_are_what_l1block_says() -> None:
    assert OpStackData().fees(_answers()) == OpStackFees(7, 11, 2269, 1_055_762, True, 5, 9, False)
    before_isthmus = OpStackData().fees(_answers(isthmus=b"", jovian=b"", operator=b"", constant=b""))
    assert before_isthmus == OpStackFees(7, 11, 2269, 1_055_762)


@pytest.mark.parametrize("missing", ["basefee", "blob", "scalar", "blob_scalar", "operator", "constant"])
def test_an_answer_that_is_missing_is_no_price_and_never_zero(missing: str) -> None:
    with pytest.raises(NoGasPrice, match=r"L1Block|operator"):
        OpStackData().fees(_answers(**{missing: b""}))


def test_the_operators_fee_is_counted_by_the_upgrade_in_force() -> None:
    isthmus = OpStackFees(0, 0, 0, 0, True, 1_500_000, 9)
    jovian = OpStackFees(0, 0, 0, 0, True, 3, 9, jovian=True)
    assert isthmus.operator_fee_wei(101) == 151 + 9
    assert jovian.operator_fee_wei(101) == 101 * 3 * 100 + 9


def test_the_worst_is_twice_l1s_prices() -> None:
    expected, worst = FJORD.fee_wei(CONTRACT_CALL, 300_000)
    assert worst == 2 * expected == 2 * FJORD.data_fee_wei(CONTRACT_CALL)
