"""On a rollup, what bytes cost is in the terms, in the worst case and in what the signer is told."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pytest

from bot.execution.build import unsigned_transaction
from bot.execution.fees import FeePolicy, Priced, UnpricedGas, require_priced_gas, terms
from bot.execution.marks import Marks
from bot.gas import GasCoin
from bot.reasons import Reason, Refusal
from bot.transaction import UnsignedTransaction
from chains.assets import Address
from chains.blocks import Head
from chains.networks import load_network
from chains.networks.gas.op_stack import OpStackFees
from chains.node.errors import Unreachable
from chains.node.wire import receipt
from chains.pools.pool import Call
from chains.pools.words import word
from tests.bot.execution.given import MARKS, cycle

GWEI = 10**9
HEAD = Head(10, "0x" + "10" * 32, "", 0, 10**7, 0, 60_000_000)
SENDER = Address("0x00000000000000000000000000000000000000AA")
OP = [word(value) for value in (10**9, 10**7, 2269, 1_055_762, 1, 1, 0, 0, 0)]


def build(priced: Priced) -> UnsignedTransaction:
    bound = terms(cycle(), priced.cost_wei, MARKS)
    return unsigned_transaction(cycle(), bound, priced.fees, nonce=7, chain_id=10, sender=SENDER, executor=SENDER)


class Chain:
    """Answers in order, and counts how often it is asked."""

    def __init__(self, *answers: Sequence[bytes]) -> None:
        self._answers = list(answers)
        self.asked: list[Sequence[Call]] = []

    async def ask(self, calls: Sequence[Call], head: Head) -> Sequence[bytes]:
        self.asked.append(calls)
        return self._answers.pop(0)


async def test_the_terms_and_the_worst_case_pay_for_the_bytes_on_an_op_chain() -> None:
    chain = Chain(OP)
    policy = FeePolicy(GWEI, 200 * GWEI, load_network("optimism").gas, chain.ask)
    assert await policy.refresh(HEAD) is None
    priced = policy.price(build, 200_000, HEAD)
    assert priced.fees.data_fee_wei > 0
    assert priced.cost_wei - priced.fees.data_fee_wei == 200_000 * policy.gas_price_wei(HEAD)
    assert priced.fees.worst_cost_wei == priced.fees.gas_limit * priced.fees.max_fee_wei + priced.fees.data_fee_wei
    without_bytes = terms(cycle(), priced.cost_wei - priced.fees.data_fee_wei, MARKS)
    assert terms(cycle(), priced.cost_wei, MARKS).min_gain == without_bytes.min_gain + priced.fees.data_fee_wei
    assert policy.screening_price_wei(HEAD) > policy.gas_price_wei(HEAD)


async def test_a_chain_is_asked_once_for_each_head_and_not_at_all_where_bytes_cost_nothing() -> None:
    chain = Chain(OP)
    policy = FeePolicy(GWEI, 200 * GWEI, load_network("base").gas, chain.ask)
    await policy.refresh(HEAD)
    assert await policy.refresh(HEAD) is None
    assert len(chain.asked) == 1
    ethereum = FeePolicy(GWEI, 200 * GWEI, load_network("ethereum").gas, chain.ask)
    assert await ethereum.refresh(HEAD) is None
    assert len(chain.asked) == 1
    assert ethereum.screening_price_wei(HEAD) == ethereum.gas_price_wei(HEAD)


@pytest.mark.parametrize("failure", [[b""] * 9, Unreachable("no node answers")])
async def test_where_the_price_of_bytes_is_not_known_nothing_is_decided(failure: object) -> None:
    async def ask(calls: Sequence[Call], head: Head) -> Sequence[bytes]:
        if isinstance(failure, Exception):
            raise failure
        return [b""] * len(calls)

    refusal = await FeePolicy(GWEI, GWEI, load_network("base").gas, ask).refresh(HEAD)
    assert isinstance(refusal, Refusal) and refusal.reason is Reason.STALE_DATA
    assert "block 10" in refusal.detail


async def test_arbitrums_bytes_are_gas_under_the_limit_and_a_node_says_how_they_compress() -> None:
    chain = Chain([word(GWEI)], [word(GWEI)], [word(3_000) + word(10**7) + word(GWEI)])
    policy = FeePolicy(GWEI, 200 * GWEI, load_network("arbitrum").gas, chain.ask)
    await policy.refresh(HEAD)
    uncompressed = policy.price(build, 200_000, HEAD)
    assert uncompressed.fees.data_fee_wei == uncompressed.fees.tip_wei == 0
    assert uncompressed.fees.gas_limit > policy.fees(200_000, HEAD).gas_limit + uncompressed.data_gas
    later = Head(11, "0x" + "11" * 32, HEAD.hash, 1, 10**7, 0, 60_000_000)
    await policy.refresh(later)
    compressed = policy.price(build, 200_000, later)
    assert 3_000 <= compressed.data_gas <= 3_010 < uncompressed.data_gas
    assert len(chain.asked) == 3


@pytest.mark.parametrize("mark", [Fraction(1, 5000), Fraction(1, 5), Fraction(101, 100)])
def test_a_coin_that_has_a_price_is_counted_at_it_and_one_without_is_refused_by_name(mark: Fraction) -> None:
    network = load_network("avalanche")
    marks = Marks({network.wrapped: mark})
    require_priced_gas(network, marks)
    assert marks.gas_coin(network.wrapped) == GasCoin(mark)
    with pytest.raises(
        UnpricedGas, match=r"AVAX, in which gas is paid, has no price in this market; add a pool of WAVAX"
    ):
        require_priced_gas(network, Marks({}))


def test_a_receipt_of_a_rollup_costs_its_gas_and_its_bytes() -> None:
    document = {
        "transactionHash": "0x1", "blockNumber": "0xa", "blockHash": "0x2", "transactionIndex": "0x0", "status": "0x1",
        "gasUsed": "0x64", "effectiveGasPrice": "0x3", "logs": [],
    }  # fmt: skip
    assert receipt(document).gas_cost_wei == 300
    assert receipt({**document, "l1Fee": "0x2a"}).gas_cost_wei == 342


@pytest.mark.parametrize(("more", "jovian"), [({}, False), ({"daFootprintGasScalar": "0x190"}, True)])
def test_a_receipt_of_an_op_stack_chain_costs_its_operators_fee_too(more: dict[str, str], jovian: bool) -> None:
    """As it is counted before a plan is signed: what is not booked is missing at the next start."""
    document = {
        "transactionHash": "0x1", "blockNumber": "0xa", "blockHash": "0x2", "transactionIndex": "0x0", "status": "0x1",
        "gasUsed": "0x30d40", "effectiveGasPrice": "0x3", "logs": [], "l1Fee": "0x2a",
        "operatorFeeScalar": "0x16e360", "operatorFeeConstant": "0x9",
    }  # fmt: skip
    fees = OpStackFees(0, 0, 0, 0, True, 1_500_000, 9, jovian)
    assert receipt({**document, **more}).gas_cost_wei == 600_000 + 42 + fees.operator_fee_wei(200_000)
